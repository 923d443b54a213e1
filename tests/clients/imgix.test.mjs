// imgix's own client library against the built binary: every URL of its `srcset`s is fetched and decoded.

import assert from "node:assert/strict";
import fs from "node:fs/promises";
import { after, before, test } from "node:test";

import ImgixClient from "@imgix/js-core";

import { meaning } from "./meaning.mjs";
import { AVIF, WEBP, candidatesOf, check, each, get, parametersOf, plain, sizeOf, targetOf } from "./picture.mjs";
import { TOKEN, start } from "./server.mjs";

// The library takes names with a dot only; the server does not care under which name it is reached.
const domain = "pictures.example";
const unsigned = new ImgixClient({ domain });
const signed = new ImgixClient({ domain, secureURLToken: TOKEN });
const clients = [
  { name: "unsigned", client: unsigned, signed: false },
  { name: "signed", client: signed, signed: true },
];

// Wide, so that each of the 31 widths, up to 8192, is another picture; flat, so that none of them takes long.
const PANORAMA = "panorama.jpg";
const PANORAMA_SIZE = { width: 8192, height: 96 };
const SAMPLES = ["flower.jpg", "landscape.jpg", "park.webp", "portrait-cmyk.jpg", "rose.webp"];
// Each has a colour of its own, so that an answer says which file it was made from.
const NAMES = [
  "a b.jpg",
  "a+b.jpg",
  "a%20b.jpg",
  "a%2Bb.jpg",
  "사진/가족 여행 +1.jpg",
  "emoji 😀/été.jpg".normalize("NFC"),
  "emoji 😀/été.jpg".normalize("NFD"),
  "it's (1) ~ [2], 100%; a&b=c@d:$!*.jpg",
  "what?#.jpg",
  "w300.webp/-w=100.jpg",
];
const NAMED_SIZE = { width: 1200, height: 30 };
const colourOf = (at) => [20 + at * 22, 230 - at * 20, (at * 97) % 200];

let server;
let strict;
before(async () => {
  const named = await Promise.all(
    NAMES.map(async (name, at) => [name, await plain(NAMED_SIZE.width, NAMED_SIZE.height, colourOf(at))]),
  );
  const panorama = [PANORAMA, await plain(PANORAMA_SIZE.width, PANORAMA_SIZE.height, [200, 100, 50])];
  server = await start([...SAMPLES, ...named, panorama]);
  strict = await start([panorama], { signatureRequired: true });
});
after(async () => {
  await server?.stop();
  await strict?.stop();
});

/** Checks every candidate of a `srcset`: the size that the URL means, in `format`. */
function checkAll(srcset, source, isSigned, expected, headers) {
  return each(candidatesOf(srcset), ({ url }) => {
    const parameters = parametersOf(url);
    assert.equal("s" in parameters, isSigned);
    assert.equal(parameters.ixlib, "js-3.8.0", "the library names itself, as it does by default");
    return check(server.base, url, { ...meaning(source, parameters, { signed: isSigned }), ...expected }, headers);
  });
}

for (const { name, client, signed: isSigned } of clients) {
  test(`${name}: each of 31 widths is the picture that it says`, async () => {
    const srcset = client.buildSrcSet(PANORAMA, { fit: "clip" });
    const widths = candidatesOf(srcset).map(({ descriptor }) => parseInt(descriptor));
    assert.equal(widths.length, 31);
    assert.deepEqual([widths[0], widths.at(-1)], [100, 8192]);
    await checkAll(srcset, PANORAMA_SIZE, isSigned, { format: "jpeg", colour: [200, 100, 50] });
  });

  test(`${name}: 31 widths of real pictures, none of them enlarged`, async () => {
    for (const sample of SAMPLES) {
      const source = await sizeOf(await fs.readFile(new URL(`../../examples/pictures/${sample}`, import.meta.url)));
      const srcset = client.buildSrcSet(sample);
      assert.equal(await checkAll(srcset, source, isSigned, { format: sample.endsWith("webp") ? "webp" : "jpeg" }), 31);
    }
  });

  test(`${name}: dpr 1 to 5 multiplies the box, with the qualities that the library varies`, async () => {
    const source = { width: 600, height: 450 };
    for (const parameters of [
      { w: 120 },
      { h: 90, fit: "clip" },
      { w: 160, h: 90, fit: "crop", crop: "top,faces" },
      { w: 90, h: 160, fit: "min" },
      { w: 151, h: 100, fit: "crop" },
    ]) {
      for (const options of [{}, { disableVariableQuality: true }, { variableQualities: { 1: 85, 5: 1 } }]) {
        const srcset = client.buildSrcSet("landscape.jpg", parameters, options);
        assert.equal(await checkAll(srcset, source, isSigned, { format: "jpeg" }), 5);
      }
    }
  });

  test(`${name}: paths with Unicode, spaces, plus and percent signs name their own file and no other`, async () => {
    for (const [at, path] of NAMES.entries()) {
      const expected = { format: "jpeg", colour: colourOf(at) };
      for (const spelled of [path, `/${path}`]) {
        const srcset = client.buildSrcSet(spelled, {}, { widths: [64, 300, 1200] });
        assert.equal(await checkAll(srcset, NAMED_SIZE, isSigned, expected), 3);
      }
      assert.equal(await checkAll(client.buildSrcSet(path), NAMED_SIZE, isSigned, expected), 31);
      assert.equal(await checkAll(client.buildSrcSet(path, { w: 40 }), NAMED_SIZE, isSigned, expected), 5);
    }
  });

  test(`${name}: formats by name, and by what the browser takes`, async () => {
    const source = { width: 600, height: 450 };
    for (const [fm, format] of Object.entries({ jpg: "jpeg", pjpg: "jpeg", png: "png", webp: "webp", avif: "avif", gif: "gif" })) {
      const srcset = client.buildSrcSet("landscape.jpg", { fm }, { widths: [100, 256] });
      await checkAll(srcset, source, isSigned, { format });
    }
    const automatic = client.buildSrcSet("landscape.jpg", { auto: "format,compress" }, { widths: [100, 256] });
    await checkAll(automatic, source, isSigned, { format: "webp" }, { accept: WEBP });
    await checkAll(automatic, source, isSigned, { format: "jpeg" }, { accept: "image/jpeg" });
    // An AVIF that is not there yet is answered as WebP; the AVIF comes.
    for (const { url } of candidatesOf(automatic)) {
      const wanted = meaning(source, parametersOf(url), { signed: isSigned });
      const given = Date.now() + 20_000;
      let type;
      while (type !== "image/avif") {
        assert.ok(Date.now() < given, `${url}: the AVIF never came`);
        type = (await get(server.base, targetOf(url), { accept: AVIF })).headers["content-type"];
        assert.ok(["image/avif", "image/webp"].includes(type), type);
      }
      await check(server.base, url, { ...wanted, format: "avif" }, { accept: AVIF });
    }
  });
}

test("base64 variants and options of the library are understood", async () => {
  const url = signed.buildURL("landscape.jpg", { w64: "300", fm64: "png" });
  assert.match(url, /w64=MzAw/);
  await check(server.base, url, { format: "png", width: 300, height: 225 });
  // A path that was encoded before, as content systems hold it.
  const encoded = signed.buildURL("/a%20b.jpg", { w: 100 }, { disablePathEncoding: true });
  await check(server.base, encoded, { format: "jpeg", width: 100, height: 3, colour: colourOf(0) });
  // What only a signature allows.
  await check(server.base, signed.buildURL("landscape.jpg", { w: 123, h: 77, fit: "crop", blur: 20 }), {
    format: "jpeg",
    width: 123,
    height: 77,
  });
  const refused = await get(server.base, targetOf(unsigned.buildURL("landscape.jpg", { w: 123, blur: 20 })));
  assert.equal(refused.status, 403);
});

test("a signed URL with one flipped byte is refused, whichever byte it is", async () => {
  const target = targetOf(signed.buildURL(PANORAMA, { w: 333, auto: "format", fit: "clip" }));
  assert.equal((await get(server.base, target)).status, 200);
  assert.equal((await get(strict.base, target)).status, 200);
  const joint = target.lastIndexOf("&s=");
  let flipped = 0;
  const flips = [...target].flatMap((_, at) => [0x01, 0x02, 0x04, 0x20].map((bit) => ({ at, bit })));
  await each(flips.slice(4), async ({ at, bit }) => {
    const byte = String.fromCharCode(target.charCodeAt(at) ^ bit);
    if (byte <= " " || byte > "~") return; // No such byte can be in a request line.
    const other = target.slice(0, at) + byte + target.slice(at + 1);
    const isMark = at === target.indexOf("?") || (at >= joint && at < joint + 3);
    // Some bytes may stand in no target, and no other parameter may be `s`. Without its mark a signature is a parameter
    // that nobody knows, or a broken value.
    const isMalformed = '#"<>\\^`{|}'.includes(byte) || /[?&]s=.*&s=/.test(other);
    const statuses = isMark || isMalformed ? [400, 403] : [403];
    const answer = await get(strict.base, other);
    assert.ok(statuses.includes(answer.status), `${other}: ${answer.status}`);
    if (!isMark) {
      // Where unsigned requests are served too, a broken signature is still no unsigned request.
      const lax = await get(server.base, other);
      assert.ok(statuses.includes(lax.status), `${other}: ${lax.status}`);
    }
    flipped += 1;
  });
  assert.ok(flipped > 3 * target.length, `${flipped} bytes were flipped`);
});

test("where signatures are required, nothing comes without one", async () => {
  for (const target of [`/${PANORAMA}`, `/${PANORAMA}?w=100`, targetOf(unsigned.buildURL(PANORAMA, { w: 100 }))]) {
    assert.equal((await get(strict.base, target)).status, 403, target);
  }
  const another = new ImgixClient({ domain, secureURLToken: `${TOKEN}!` });
  assert.equal((await get(strict.base, targetOf(another.buildURL(PANORAMA, { w: 100 })))).status, 403);
  await check(strict.base, signed.buildURL(PANORAMA), { format: "jpeg", ...PANORAMA_SIZE });
});
