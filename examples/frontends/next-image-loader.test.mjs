// Run by ./check where there is node: node --test examples/frontends/
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import test from 'node:test'

// Next takes the loader as a module of its bundler; here it is one by its text.
const source = await readFile(new URL('next-image-loader.js', import.meta.url), 'utf8')
const { default: loader } = await import(`data:text/javascript,${encodeURIComponent(source)}`)

test('width, quality and format are asked for', () => {
  assert.equal(loader({ src: '/museum.jpg', width: 640 }), 'http://localhost:8080/museum.jpg?auto=format&w=640')
  assert.equal(
    loader({ src: '/a b/ü.jpg?fit=crop', width: 1080, quality: 75 }),
    'http://localhost:8080/a%20b/%C3%BC.jpg?fit=crop&auto=format&w=1080&q=75',
  )
})
