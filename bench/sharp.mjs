// Renders with sharp what it is told on standard input, a JSON object a line, and answers each with one.
// { file, widths, format, quality, concurrency, save? } -> { seconds, cpu_s, bytes }
import { readFileSync, writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import sharp from "sharp";

// No result is reused, and parallelism comes from jobs side by side alone, as in a server.
sharp.cache(false);
sharp.concurrency(1);

const files = new Map();

function source(file) {
  if (!files.has(file)) files.set(file, readFileSync(file));
  return files.get(file);
}

async function render({ file, format, quality }, width) {
  const upright = sharp(source(file)).autoOrient().resize(width);
  return (format === "webp" ? upright.webp({ quality }) : upright.jpeg({ quality })).toBuffer();
}

async function run(job) {
  for (const width of job.widths.slice(0, 2)) await render(job, width);
  const widths = [...job.widths];
  const cpu = process.cpuUsage();
  const began = process.hrtime.bigint();
  let bytes = 0;
  const worker = async () => {
    while (widths.length > 0) bytes += (await render(job, widths.pop())).length;
  };
  await Promise.all(Array.from({ length: job.concurrency }, worker));
  const seconds = Number(process.hrtime.bigint() - began) / 1e9;
  const { user, system } = process.cpuUsage(cpu);
  return { seconds, cpu_s: (user + system) / 1e6, bytes };
}

console.log(JSON.stringify({ sharp: sharp.versions.sharp, vips: sharp.versions.vips }));
for await (const line of createInterface({ input: process.stdin })) {
  const job = JSON.parse(line);
  const done = await run(job);
  if (job.save) writeFileSync(job.save, await render(job, job.widths[0]));
  console.log(JSON.stringify(done));
}
