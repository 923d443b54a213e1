// What beside_sharp.rs runs: sharp alone, for SECONDS, one picture at a time, without its cache. Prints milliseconds a picture.
// node sharp.cjs FILE WIDTH FORMAT SECONDS OUTPUT
const [, , file, width, format, seconds, output] = process.argv
const fs = require('fs')
const sharp = require(require.resolve('sharp', { paths: [process.cwd()] }))
sharp.cache(false)
sharp.concurrency(1)
const bytes = fs.readFileSync(file)
const one = () => sharp(bytes).resize(Number(width)).toFormat(format, format === 'avif' ? {} : { quality: 80 }).toBuffer()
;(async () => {
  fs.writeFileSync(output, await one())
  await one()
  const times = []
  const end = process.hrtime.bigint() + BigInt(Math.round(Number(seconds) * 1e9))
  while (process.hrtime.bigint() < end || times.length < 3) {
    const start = process.hrtime.bigint()
    await one()
    times.push(Number(process.hrtime.bigint() - start) / 1e6)
  }
  times.sort((a, b) => a - b)
  console.log(times[times.length >> 1], process.resourceUsage().maxRSS)
})()
