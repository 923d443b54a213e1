// Fetching what a client's URL names, and decoding every answer with somebody else's decoder.

import assert from "node:assert/strict";
import http from "node:http";

import sharp from "sharp";

const AT_ONCE_MAX = 8;
/** How far JPEG of quality 20 may be from the colour that went in; the colours of the tests are further apart. */
const COLOUR_STEPS_MAX = 9;
const agent = new http.Agent({ keepAlive: true, maxSockets: AT_ONCE_MAX });
// The tests decode while the server renders; more threads would only take turns.
sharp.concurrency(1);
sharp.cache(false);

/** What a browser says that takes WebP, and one that takes AVIF too. */
export const WEBP = "image/webp,image/apng,*/*;q=0.8";
export const AVIF = "image/avif,image/webp,image/apng,*/*;q=0.8";

/** Sends `target` byte for byte; no library between it and the server may repair it. */
export function get(base, target, headers = {}) {
  const { hostname, port } = new URL(base);
  return new Promise((resolve, reject) => {
    const request = http.get({ hostname, port, path: target, headers, agent, timeout: 60_000 }, (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) }),
      );
    });
    request.on("timeout", () => request.destroy(new Error(`${target}: no answer in a minute`)));
    request.on("error", reject);
  });
}

/** Path and query of a URL as it is spelled, which is what is signed; a browser must not spell it otherwise. */
export function targetOf(url) {
  const target = url.replace(/^https?:\/\/[^/]+/, "");
  const { pathname, search } = new URL(url);
  assert.equal(pathname + search, target, "a browser sends another target than the one that the library built");
  return target;
}

/** The parameters of a URL. */
export const parametersOf = (url) => Object.fromEntries(new URL(url).searchParams);

/** The URLs of a `srcset`, with what stands behind them (`300w`, `2x`). */
export function candidatesOf(srcset) {
  return srcset.split(",\n").map((candidate) => {
    const at = candidate.lastIndexOf(" ");
    return { url: candidate.slice(0, at), descriptor: candidate.slice(at + 1) };
  });
}

/**
 * Fetches a picture and decodes all of it; fails unless it has this format and size and, where `colour` is given, this
 * colour on average.
 */
export async function check(base, url, { format, width, height, changed, colour }, headers = {}) {
  const target = targetOf(url);
  const answer = await get(base, target, headers);
  assert.equal(answer.status, 200, `${target}: ${answer.body.toString("utf8", 0, 500)}`);
  assert.equal(answer.headers["content-type"], `image/${format}`, target);
  assert.equal(Number(answer.headers["content-length"]), answer.body.length, target);
  const { format: container, compression } = await sharp(answer.body).metadata();
  assert.equal(container === "heif" && compression === "av1" ? "avif" : container, format, target);
  const { data, info } = await sharp(answer.body).raw().toBuffer({ resolveWithObject: true });
  assert.deepEqual([info.width, info.height], [width, height], target);
  assert.equal(data.length, width * height * info.channels, target);
  if (changed !== undefined) {
    assert.equal("afterimage-changed" in answer.headers, changed, `${target}: ${answer.headers["afterimage-changed"]}`);
  }
  for (const [channel, wanted] of colour?.entries() ?? []) {
    let sum = 0;
    for (let at = channel; at < data.length; at += info.channels) sum += data[at];
    const mean = (sum * info.channels) / data.length;
    assert.ok(Math.abs(mean - wanted) <= COLOUR_STEPS_MAX, `${target}: it is another picture: channel ${channel} is ${mean}, not ${wanted}`);
  }
  return answer;
}

/** Runs `work` over all of `items`, some at a time. */
export async function each(items, work) {
  const rest = [...items];
  const worker = async () => {
    while (rest.length > 0) await work(rest.shift());
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, worker));
  return items.length;
}

/** A picture of one colour. */
export function plain(width, height, [r, g, b], format = "jpeg") {
  const create = { width, height, channels: 3, background: { r, g, b } };
  return sharp({ create }).toFormat(format, { quality: 95 }).toBuffer();
}

/** The size of an upright picture, as its own decoder sees it. */
export async function sizeOf(bytes) {
  const { autoOrient } = await sharp(bytes).metadata();
  return { width: autoOrient.width, height: autoOrient.height };
}
