// unpic's imgix provider against the built binary, as the picture components of many frameworks use it: every URL that it
// builds is fetched and decoded.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { transformUrl } from "unpic";
import { extract, generate, transform } from "unpic/providers/imgix";

import { meaning } from "./meaning.mjs";
import { AVIF, WEBP, check, each, parametersOf, plain } from "./picture.mjs";
import { start } from "./server.mjs";

// Common widths of screens and of layouts, as components fill a `srcset` with them.
const WIDTHS = [16, 48, 320, 400, 640, 750, 828, 960, 1080, 1280, 1668, 1920, 2048, 2560, 3200, 3840, 4480, 5120, 6016];
const SOURCE = { width: 1512, height: 2268 };
const COLOURS = { "사진/가족 여행 +1.jpg": [200, 40, 90], "사진/가족 여행  1.jpg": [20, 140, 190] };

let server;
before(async () => {
  const named = Object.entries(COLOURS).map(async ([name, colour]) => [name, await plain(640, 480, colour)]);
  server = await start(["flower.jpg", "landscape.jpg", ...(await Promise.all(named))]);
});
after(() => server?.stop());

/** Checks a URL that the library built; `fit=min` and `auto=format` are what it always asks for. */
function checkUrl(url, source, expected, headers = { accept: WEBP }) {
  const parameters = parametersOf(url);
  assert.equal(parameters.fit, "min");
  return check(server.base, url, { ...meaning(source, parameters, { signed: false }), ...expected }, headers);
}

test("every width of a component's srcset is the picture that it says", async () => {
  const urls = WIDTHS.map((width) => transformUrl({ url: `${server.base}/flower.jpg`, provider: "imgix", width }));
  assert.equal(await each(urls, (url) => checkUrl(url, SOURCE, { format: "webp" })), WIDTHS.length);
  await each(urls, (url) => checkUrl(url, SOURCE, { format: "jpeg" }, {}));
});

test("boxes of the ratios that layouts use are cut, and never enlarged", async () => {
  const ratios = [1, 4 / 3, 3 / 2, 16 / 9, 2, 21 / 9, 3 / 4, 2 / 3, 9 / 16];
  const urls = ratios.flatMap((ratio) =>
    [200, 333, 640, 1080, 1920].map((width) =>
      transformUrl({ url: `${server.base}/landscape.jpg`, provider: "imgix", width, height: width / ratio }),
    ),
  );
  await each(urls, (url) => checkUrl(url, { width: 600, height: 450 }, { format: "webp" }));
});

test("formats and qualities are what was asked for", async () => {
  for (const [format, type] of Object.entries({ jpg: "jpeg", png: "png", webp: "webp", avif: "avif" })) {
    for (const quality of [undefined, 20, 60, 75, 100]) {
      const url = transformUrl({ url: `${server.base}/landscape.jpg`, provider: "imgix", width: 200, format, quality });
      assert.equal(parametersOf(url).auto, undefined);
      // PNG has no quality, and the answer says that it was not used.
      const changed = type === "png" && quality ? { changed: true } : {};
      await checkUrl(url, { width: 600, height: 450 }, { format: type, ...changed }, { accept: AVIF });
    }
  }
});

test("paths with Unicode, space and plus name their own file", async () => {
  for (const [name, colour] of Object.entries(COLOURS)) {
    const path = name.split("/").map(encodeURIComponent).join("/");
    // As a page has it: encoded by its author, or left for the URL parser to encode.
    for (const spelled of [path, name]) {
      const url = transformUrl({ url: `${server.base}/${spelled}`, provider: "imgix", width: 300 });
      await checkUrl(url, { width: 640, height: 480 }, { format: "webp", colour });
    }
  }
});

test("a URL that was built before is changed, not wrapped", async () => {
  const first = generate(`${server.base}/landscape.jpg`, { width: 400, height: 300, quality: 75 });
  const second = transform(first, { width: 200, height: 150 });
  const { src, operations } = extract(second);
  assert.equal(src, `${server.base}/landscape.jpg`);
  assert.deepEqual([operations.width, operations.height, operations.quality], [200, 150, 75]);
  await checkUrl(first, { width: 600, height: 450 }, { format: "webp" });
  await checkUrl(second, { width: 600, height: 450 }, { format: "webp", width: 200, height: 150 });
});
