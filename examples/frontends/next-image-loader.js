// A loader for next/image: asks afterimage for the width that Next wants, in the best format that the browser takes.
const base = process.env.NEXT_PUBLIC_AFTERIMAGE_URL ?? 'http://localhost:8080'

export default function afterimageLoader({ src, width, quality }) {
  const url = new URL(src, base)
  url.searchParams.set('auto', 'format')
  url.searchParams.set('w', width)
  if (quality) url.searchParams.set('q', quality)
  return url.href
}
