// What beside_sharp.rs runs: one job in JSON, sharp found from the folder it is started in, one picture at a time, no cache.
// {file, width, format, options, animated, seconds, output}: renders for so long, keeps one; prints ms and
// CPU ms a picture, and the process's peak in KiB.
// {file, pixels}: writes the first frame as RGB on white; prints width and height.
const fs = require('fs')
const sharp = require(require.resolve('sharp', { paths: [process.cwd()] }))
sharp.cache(false)
sharp.concurrency(1)
const job = JSON.parse(process.argv[2])
const bytes = fs.readFileSync(job.file)
const one = () => sharp(bytes, { animated: !!job.animated }).resize(job.width).toFormat(job.format, job.options).toBuffer()

async function render() {
  fs.writeFileSync(job.output, await one())
  const times = []
  const before = process.cpuUsage()
  const end = process.hrtime.bigint() + BigInt(Math.round(job.seconds * 1e9))
  while (process.hrtime.bigint() < end) {
    const start = process.hrtime.bigint()
    await one()
    times.push(Number(process.hrtime.bigint() - start) / 1e6)
  }
  // Not resourceUsage: what that says begins with the parent's peak.
  const [, peak] = /VmHWM:\s+(\d+)/.exec(fs.readFileSync('/proc/self/status', 'utf8'))
  const { user, system } = process.cpuUsage(before)
  const cpu = (user + system) / 1000 / Math.max(times.length, 1)
  times.sort((a, b) => a - b)
  console.log(times[times.length >> 1] ?? 0, cpu, peak)
}

async function pixels() {
  const upright = sharp(bytes).flatten({ background: '#fff' }).toColourspace('srgb').removeAlpha()
  const { data, info } = await upright.raw().toBuffer({ resolveWithObject: true })
  fs.writeFileSync(job.pixels, data)
  console.log(info.width, info.height)
}

;(job.pixels ? pixels : render)()
