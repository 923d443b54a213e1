// What a URL means, by the documents and not by the code under test: how large the picture is that must come, given the
// size of its original and the parameters of the URL.

// docs/reference/settings.md, `policy.ladder`, `policy.ratios` and `policy.qualities` at their defaults.
const LADDER = [
  16, 32, 48, 64, 96, 100, 128, 160, 200, 256, 300, 320, 384, 400, 480, 512, 640, 750, 768, 800, 828, 960, 1024, 1080,
  1200, 1280, 1440, 1600, 1920, 2048, 2560, 3840,
];
const RATIOS = "1:1 5:4 4:5 4:3 3:4 7:5 5:7 3:2 2:3 16:10 10:16 5:3 3:5 16:9 9:16 40:21 2:1 1:2 21:9 9:21 3:1 1:3 4:1 1:4"
  .split(" ")
  .map((ratio) => ratio.split(":"))
  .map(([width, height]) => width / height);
const QUALITIES = [20, 35, 50, 65, 75, 85, 95];

/** The smallest rung that is not below `value`; the top one clamps. */
const snap = (value, rungs) => rungs.find((rung) => rung >= value) ?? rungs.at(-1);

/**
 * The size that `parameters` (`w h dpr fit q`) mean for an original of this size, and whether policy has changed them.
 * A signed URL means what it says; an unsigned one means the rung of the ladder, and the listed ratio.
 */
export function meaning(source, parameters, { signed }) {
  const dpr = Number(parameters.dpr ?? 1);
  const asked = (side) => (side === undefined ? undefined : Math.round(Number(side) * dpr));
  const wanted = { width: asked(parameters.w), height: asked(parameters.h) };
  const box = signed ? wanted : onTheLadder(wanted);
  const quality = parameters.q === undefined ? undefined : Number(parameters.q);
  const changed =
    box.width !== wanted.width ||
    box.height !== wanted.height ||
    (!signed && quality !== undefined && snap(quality, QUALITIES) !== quality);
  return { ...fitted(source, box, parameters.fit ?? "max"), changed };
}

function onTheLadder({ width, height }) {
  if (width === undefined || height === undefined) {
    return { width: width && snap(width, LADDER), height: height && snap(height, LADDER) };
  }
  const distance = (ratio) => Math.abs(Math.log(width / height / ratio));
  const ratio = RATIOS.reduce((best, ratio) => (distance(ratio) < distance(best) ? ratio : best));
  if (width >= height) {
    const rung = snap(width, LADDER);
    return { width: rung, height: Math.round(rung / ratio) };
  }
  const rung = snap(height, LADDER);
  return { width: Math.round(rung * ratio), height: rung };
}

function fitted(source, box, fit) {
  const width = box.width ?? (box.height * source.width) / source.height;
  const height = box.height ?? (box.width * source.height) / source.width;
  const inside = Math.min(width / source.width, height / source.height);
  const scaled = (scale) => ({ width: source.width * scale, height: source.height * scale });
  const { width: w, height: h } = {
    max: () => scaled(Math.min(inside, 1)),
    clip: () => scaled(inside),
    crop: () => ({ width, height }),
    // The box shrinks, its ratio kept, until nothing need be enlarged.
    min: () => {
      const shrink = Math.min(source.width / width, source.height / height, 1);
      return { width: width * shrink, height: height * shrink };
    },
  }[fit]();
  return { width: Math.max(1, Math.round(w)), height: Math.max(1, Math.round(h)) };
}
