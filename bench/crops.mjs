// Where crops are taken, beside libvips: node crops.mjs AFTERIMAGE PICTURES [SHEET]
// For every picture of a folder and four ratios: the overlap (intersection over union) with libvips' attention crop of each of our ways to
// crop, of the middle and of libvips' entropy. With SHEET, a picture of them all is written: red is attention, green is crop=smart.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';

const [binary, folder, sheet] = process.argv.slice(2);
const RATIOS = [[1, 1], [4, 5], [16, 9], [9, 16]];
const OURS = ['smart', 'entropy', 'edges', 'center'];
const LONGER = 480;
const scratch = mkdtempSync(join(tmpdir(), 'crops-'));

// What our command makes of a file.
const rendered = (file, words) => {
  const out = join(scratch, 'out.png');
  execFileSync(binary, ['render', file, '-o', out, ...words, 'fm=png'], { stdio: ['ignore', 'ignore', 'inherit'] });
  return sharp(out).flatten().toColourspace('srgb').removeAlpha().raw().toBuffer({ resolveWithObject: true });
};

// Where a crop lies in the picture that it was cut from: the place where it differs least.
const placeOf = (whole, part) => {
  let best = { off: Infinity };
  for (let y = 0; y <= whole.info.height - part.info.height; y++) {
    for (let x = 0; x <= whole.info.width - part.info.width; x++) {
      let off = 0;
      for (let row = 0; row < part.info.height && off < best.off; row += 7) {
        for (let column = 0; column < part.info.width; column += 7) {
          const a = (row * part.info.width + column) * 3;
          const b = ((row + y) * whole.info.width + column + x) * 3;
          off += Math.abs(part.data[a] - whole.data[b]) + Math.abs(part.data[a + 1] - whole.data[b + 1]);
        }
      }
      if (off < best.off) best = { x, y, off };
    }
  }
  return best;
};

const overlap = (a, b, width, height) => {
  const both = Math.max(0, width - Math.abs(a.x - b.x)) * Math.max(0, height - Math.abs(a.y - b.y));
  return both / (2 * width * height - both);
};

const frame = (at, width, height, colour) =>
  `<rect x="${at.x + 2}" y="${at.y + 2}" width="${width - 4}" height="${height - 4}" fill="none" stroke="${colour}" stroke-width="4"/>`;

const columns = [...OURS, 'libvips entropy'];
const all = new Map(columns.map(name => [name, []]));
const tiles = [];
console.log(`| picture | ratio | ${columns.join(' | ')} |\n|---|---|${'---|'.repeat(columns.length)}`);
const names = readdirSync(folder).filter(name => /\.(jpe?g|png|webp|avif|gif)$/.test(name));
for (const name of names.sort()) {
  const file = join(folder, name);
  let whole;
  try {
    whole = await rendered(file, [`w=${LONGER}`, `h=${LONGER}`]);
  } catch {
    console.error(`${name} is left out`);
    continue;
  }
  const { width: across, height: down } = whole.info;
  const raw = { raw: { width: across, height: down, channels: 3 } };
  for (const [a, b] of RATIOS) {
    const width = Math.min(across, Math.round(down * a / b));
    const height = Math.min(down, Math.round(across * b / a));
    const theirs = async position => {
      const { info } = await sharp(whole.data, raw).resize(width, height, { position }).raw().toBuffer({ resolveWithObject: true });
      return { x: -(info.cropOffsetLeft ?? 0), y: -(info.cropOffsetTop ?? 0) };
    };
    const attention = await theirs('attention');
    const places = new Map();
    for (const crop of OURS) {
      places.set(crop, placeOf(whole, await rendered(file, [`w=${width}`, `h=${height}`, 'fit=crop', `crop=${crop}`])));
    }
    places.set('libvips entropy', await theirs('entropy'));
    const found = columns.map(column => overlap(places.get(column), attention, width, height));
    found.forEach((value, at) => all.get(columns[at]).push(value));
    console.log(`| ${name} | ${a}:${b} | ${found.map(value => value.toFixed(2)).join(' | ')} |`);
    const frames = frame(attention, width, height, 'red') + frame(places.get('smart'), width, height, 'lime');
    const drawn = Buffer.from(`<svg xmlns="http://www.w3.org/2000/svg" width="${across}" height="${down}">${frames}</svg>`);
    if (sheet) tiles.push(await sharp(await sharp(whole.data, raw).composite([{ input: drawn }]).png().toBuffer()).resize(240, 240, { fit: 'contain' }).png().toBuffer());
  }
}
const mean = values => (values.reduce((sum, value) => sum + value, 0) / values.length).toFixed(3);
console.log(`| mean of ${all.get('smart').length} | | ${columns.map(column => mean(all.get(column))).join(' | ')} |`);
RATIOS.forEach(([a, b], at) => {
  const of = column => all.get(column).filter((_, index) => index % RATIOS.length === at);
  console.log(`| mean | ${a}:${b} | ${columns.map(column => mean(of(column))).join(' | ')} |`);
});
if (sheet) {
  const side = RATIOS.length * 2;
  const composed = tiles.map((input, at) => ({ input, left: at % side * 240, top: Math.floor(at / side) * 240 }));
  const background = { create: { width: side * 240, height: Math.ceil(tiles.length / side) * 240, channels: 3, background: '#555' } };
  await sharp(background).composite(composed).png().toFile(sheet);
}
rmSync(scratch, { recursive: true });
