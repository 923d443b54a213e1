// Runs the public suite for HTTP caches (http-tests/cache-tests) against the built binary: the suite's origin on a free
// loopback port, afterimage passing through to it, and the suite's client in front. Compares what fails with
// expected.json, where each difference has its reason; a difference that is not listed fails, and so does one that is
// listed and no longer there. `node run.mjs ID` runs one test and shows its messages.

import { spawn } from 'node:child_process'
import { mkdtempSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

import fetch from 'node-fetch'
import { getResults, runTests } from 'http-cache-tests/client/runner.mjs'
import handleConfig from 'http-cache-tests/server/handle-config.mjs'
import handleState from 'http-cache-tests/server/handle-state.mjs'
import handleTest from 'http-cache-tests/server/handle-test.mjs'
import suites from 'http-cache-tests/tests/index.mjs'
import surrogates from 'http-cache-tests/tests/surrogate-control.mjs'

const READY_MS_MAX = 30_000
const root = fileURLToPath(new URL('../..', import.meta.url))
const binary = process.env.AFTERIMAGE_BIN ?? join(root, 'target/checked/afterimage')
const only = process.argv[2]

/** The suite's own origin, on loopback and a free port. */
function origin () {
  const handlers = { config: handleConfig, state: handleState, test: handleTest }
  const server = createServer((request, response) => {
    const [dispatch, ...segments] = new URL(request.url, 'http://origin').pathname.split('/').slice(1)
    const handler = handlers[dispatch]
    if (handler) return handler(segments, request, response)
    response.writeHead(404).end()
  })
  return new Promise(resolve => server.listen(0, '127.0.0.1', () => resolve(server)))
}

/** afterimage in front of it, with its state in a folder of its own. */
async function edge (port, home) {
  const pictures = join(home, 'pictures')
  mkdirSync(pictures)
  const settings = {
    'pass.origin': `http://127.0.0.1:${port}/`,
    'origin.allow': '127.0.0.0/8',
    'origin.connections_max': '300',
    // Some of the suite's answers are that it hangs up, many at a time.
    'origin.failures_max': '0'
  }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['--set', `${name}=${value}`])
  const environment = { PATH: process.env.PATH }
  for (const [name, folder] of [['XDG_CACHE_HOME', 'cache'], ['XDG_STATE_HOME', 'state'], ['XDG_RUNTIME_DIR', 'run']]) {
    environment[name] = join(home, folder)
    mkdirSync(environment[name])
  }
  const child = spawn(binary, ['serve', pictures, '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', ...flags], {
    env: environment,
    stdio: ['ignore', 'pipe', 'inherit']
  })
  const base = new Promise((resolve, reject) => {
    let address
    const patience = setTimeout(() => reject(new Error('afterimage did not become ready')), READY_MS_MAX)
    createInterface({ input: child.stdout }).on('line', line => {
      if (line.startsWith('pictures')) address = line.split(/\s+/)[1]
      if (line !== 'ready') return
      clearTimeout(patience)
      resolve(address)
    })
    child.on('error', reject)
    child.on('exit', code => reject(new Error(`afterimage ended with ${code}`)))
  })
  return { child, base: await base.catch(error => { child.kill('SIGKILL'); throw error }) }
}

/** Every test that is not for browsers alone, by its id. */
function byId () {
  const tests = new Map()
  for (const suite of [...suites, surrogates]) {
    for (const test of suite.tests) if (!test.browser_only) tests.set(test.id, test)
  }
  return tests
}

/** pass, fail, setup (it could not be tried), or dependency (what it presumes does not hold), as the suite's pages have it. */
function verdict (id, tests, results) {
  const test = tests.get(id)
  const result = results[id]
  if (result === undefined) return 'untested'
  const holds = (test.depends_on ?? []).every(other => verdict(other, tests, results) === 'pass')
  if (!holds) return 'dependency'
  if (result === true) return 'pass'
  return result[0] === 'Setup' ? 'setup' : 'fail'
}

/** What differs from the expectation, in words. */
function differences (tests, results, expected) {
  const found = []
  for (const [id, test] of tests) {
    if (test.kind === 'check') continue
    const is = verdict(id, tests, results)
    const should = expected[id]?.is ?? 'pass'
    if (is !== should) found.push(`${id}: ${is}, expected ${should} (${results[id]?.[1] ?? 'nothing went wrong'})`)
  }
  for (const id of Object.keys(expected)) if (!tests.has(id)) found.push(`${id}: there is no such test`)
  return found
}

function counts (tests, results) {
  const all = [...tests].filter(([id]) => results[id] !== undefined)
  const of = kind => {
    const some = all.filter(([, test]) => (test.kind ?? 'required') === kind)
    return [some.filter(([id]) => results[id] === true).length, some.length]
  }
  return ['required', 'optimal', 'check'].map(kind => `${kind} ${of(kind).join(' of ')}`).join(', ')
}

const home = mkdtempSync(join(tmpdir(), 'afterimage-cache-suite-'))
const server = await origin()
let child
let status = 1
try {
  const running = await edge(server.address().port, home)
  child = running.child
  const tests = byId()
  // The runner keeps its list of tests for itself; each gets a copy, because it changes them.
  const wanted = [...suites, surrogates].map(suite => ({ ...suite, tests: suite.tests.filter(({ id }) => !only || id === only) }))
  if (only) for (const suite of wanted) for (const test of suite.tests) test.dump = true
  // What the suite's origin has to say about single requests drowns the result.
  const say = console.log
  if (!only) console.log = () => {}
  await runTests(wanted, fetch, false, running.base)
  console.log = say
  const results = getResults()
  if (only) {
    console.log(only, results[only])
    status = results[only] === true ? 0 : 1
  } else {
    const expected = JSON.parse(readFileSync(new URL('expected.json', import.meta.url), 'utf8'))
    const found = differences(tests, results, expected)
    for (const line of found) console.log(`UNEXPECTED ${line}`)
    console.log(`cache suite: ${counts(tests, results)}; ${Object.keys(expected).length} expected differences`)
    // Two lines that ./check counts.
    console.log(`# pass ${found.length === 0 ? 1 : 0}\n# fail ${found.length === 0 ? 0 : 1}`)
    status = found.length === 0 ? 0 : 1
  }
} finally {
  child?.removeAllListeners('exit')
  child?.kill('SIGTERM')
  server.close()
  server.closeAllConnections()
  rmSync(home, { recursive: true, force: true })
}
process.exit(status)
