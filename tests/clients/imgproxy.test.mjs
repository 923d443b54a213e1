// Published builders of imgproxy URLs against the built binary: what they write is fetched and decoded.

import assert from "node:assert/strict";
import fs from "node:fs/promises";
import path from "node:path";
import { after, before, test } from "node:test";

import { generateImageUrl } from "@imgproxy/imgproxy-node";
import Imgproxy from "imgproxy";

import { check, get, plain } from "./picture.mjs";
import { start } from "./server.mjs";

const key = "943b421c9eb07c830af81030552c86009268de4e532ba2ee2eab8247c6da0881";
const salt = "520f986b998545b4785e0defbc4f3c1203f22de2374a3d53cb7a7fe9fea309c5";
const settings = (path) => `
[imgproxy]
path = "${path}"
keys = "${key}:${salt}"
sources = ["s3://old-bucket/"]
[presets]
thumb = "w=90&h=90&fit=crop"
`;
const RED = [200, 40, 30];
const ENDPOINT = "http://pictures.example/imgproxy/";

let below;
let root;
before(async () => {
  const wide = await plain(600, 300, RED);
  const names = ["wide.jpg", "a b+c%20d.jpg", "사진/가족.jpg", "to go.jpg"];
  below = await start(names.map((name) => [name, wide]), { settings: settings("/imgproxy/") });
  root = await start([["wide.jpg", wide]], { settings: settings("/") });
});
after(async () => {
  await below?.stop();
  await root?.stop();
});

const build = (options, url = "local:///wide.jpg") => generateImageUrl({ endpoint: ENDPOINT, url, options, key, salt });

test("imgproxy-node: every common option is the picture that it says", async () => {
  const cases = [
    [{ resizing_type: "fit", width: 300, gravity: { type: "no" } }, 300, 150],
    [{ width: 900 }, 600, 300],
    [{ width: 900, enlarge: true }, 900, 450],
    [{ width: 150, dpr: 2 }, 300, 150],
    [{ resize: { resizing_type: "fill", width: 100, height: 100 } }, 100, 100],
    [{ resize: { resizing_type: "fill", width: 400, height: 400 } }, 400, 300],
    [{ resize: { resizing_type: "fill-down", width: 400, height: 400 } }, 300, 300],
    [{ resize: { resizing_type: "fill", width: 400, height: 400, enlarge: true } }, 400, 400],
    [{ resize: { resizing_type: "force", width: 200, height: 200, enlarge: true } }, 200, 200],
    [{ size: { width: 200, height: 200, extend: { extend: true } }, background: "c8281e" }, 200, 200],
    [{ width: 100, rotate: 90 }, 100, 200],
    [{ crop: { width: 100, height: 0.5, gravity: { type: "so" } } }, 100, 150],
    [{ preset: ["thumb"] }, 90, 90],
    [{ resize: { resizing_type: "fill", width: 50, height: 70 }, gravity: { type: "fp", x: 0.2, y: 0.7 } }, 50, 70],
    [{ width: 80, blur: 2, sharpen: 0.5, quality: 70, expires: 4102444800, cachebuster: "x1", auto_rotate: true }, 80, 40],
  ];
  for (const [options, width, height] of cases) {
    await check(below.base, build(options), { format: "jpeg", width, height, colour: RED });
  }
  for (const format of ["webp", "png", "avif"]) {
    await check(below.base, build({ width: 64, format }), { format, width: 64, height: 32, colour: RED });
  }
});

test("imgproxy-node: names, plain and encoded, and sources by another name", async () => {
  for (const name of ["a b+c%20d.jpg", "사진/가족.jpg"]) {
    for (const scheme of ["local:///", "s3://old-bucket/"]) {
      await check(below.base, build({ width: 60 }, scheme + name), { format: "jpeg", width: 60, height: 30 });
    }
  }
  const shown = build({ width: 60 }, { value: "local:///wide.jpg", displayAs: "plain" });
  await check(below.base, shown, { format: "jpeg", width: 60, height: 30 });
});

test("imgproxy-node: what is not understood, not signed, not there, or over is refused", async () => {
  const answer = async (url, status, said) => {
    const { status: got, body } = await get(below.base, url.slice("http://pictures.example".length));
    assert.equal(got, status, `${url}: ${body}`);
    assert.match(body.toString(), said, url);
  };
  await answer(build({ width: 60, trim: { threshold: 10 } }), 400, /the option `t` is not supported/);
  await answer(build({ width: 60, max_bytes: 1000 }), 400, /the option `mb` is not supported/);
  await answer(build({ width: 60, expires: 100 }), 403, /was good until 100/);
  await answer(build({ width: 60 }, "https://elsewhere.example/a.jpg"), 404, /no source of this server begins like that/);
  await answer(build({ width: 60 }, "local:///../etc/passwd"), 404, /names no picture/);
  await answer(build({ width: 60 }).replace("w:60", "w:61"), 403, /no key and salt of this server/);
});

test("imgproxy: its URLs at the root", async () => {
  const builder = (options) => new (Imgproxy.default ?? Imgproxy)({ baseUrl: "http://pictures.example", ...options });
  const encoded = builder({ key, salt, encode: true }).builder().resize("fill", 300, 200, 0).gravity("noea").dpr(1);
  await check(root.base, encoded.generateUrl("local:///wide.jpg"), { format: "jpeg", width: 300, height: 200 });
  const written = builder({ key, salt, encode: false }).builder().resize("fit", 50, 200, true).quality(80).format("png");
  await check(root.base, written.generateUrl("local:///wide.jpg"), { format: "png", width: 50, height: 25 });
  const unsigned = builder({ encode: false }).builder().resize("fit", 50, 200, true);
  assert.equal((await get(root.base, unsigned.generateUrl("local:///wide.jpg").replace(/^http:\/\/[^/]+/, ""))).status, 403);
});

test("what was asked for in imgproxy's words goes with its original", async () => {
  const targets = [60, 61, 62].map((width) => build({ width }, "local:///to go.jpg").slice("http://pictures.example".length));
  for (const target of targets) assert.equal((await get(below.base, target)).status, 200);
  await fs.rm(path.join(below.originals, "to go.jpg"));
  for (const target of targets) {
    const until = Date.now() + 10_000;
    for (;;) {
      const { status } = await get(below.base, target);
      if (status === 404) break;
      assert.ok(Date.now() < until, `${target} is still ${status}`);
    }
  }
});
