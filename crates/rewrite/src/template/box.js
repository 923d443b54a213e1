// ---- the box

// Pixels for hundredths of CSS pixels.
const times = (hundredths, dpr) => hundredths && max(floor((hundredths * dpr + 5000) / 10000), 1);

// side * a / b, rounded to the nearest pixel, at least 1.
const scaled = (side, a, b) => min(max(floor((side * a * 2 + b) / (b * 2)), 1), 4294967295);

//#if public
// The smallest value of an ascending list that is not below this one; the last where there is none.
const snapUp = (ascending, asked) => ascending.find(value => value >= asked) || ascending[ascending.length - 1];

//#end
//#if ladder
// Snaps the box to the ladder and the ratio to the list.
const snapBox = wish => {
  const width = wish._sides[0];
  const height = wish._sides[1];
  const asked = width && height ? width / height : wish._ratio && wish._ratio[0] / wish._ratio[1];
  if (!asked) {
    wish._sides = wish._sides.map(side => side && snapUp(ladder, side));
    return;
  }
  let nearest;
  let distance = Infinity;
  let off = 1;
  ratios.forEach(listed => {
    const share = asked / (listed[0] / listed[1]);
    const far = max(share, 1 / share);
    if (far < distance) {
      distance = far;
      off = share - 1;
      nearest = listed;
    }
  });
  refuseIf(Math.abs(off) > 0.02 + 1e-9, 403, 'ar');
  wish._ratio = nearest;
  if (!width && !height) return;
  // The smallest allowed box of this ratio whose named side reaches the one that was asked for; else the largest there is.
  wish._sides = [0, 0];
  ladder.some(rung => {
    const box = width >= height ? [rung, scaled(rung, nearest[1], nearest[0])] : [scaled(rung, nearest[0], nearest[1]), rung];
    if (max(box[0], box[1]) > $sideMost || box[0] * box[1] > $pixelsMost) return false;
    wish._sides = box;
    return rung >= max(width, height);
  });
};

//#end
//#if dims
// Replaces `d` by the square whose band holds its width, the default where none does; whether there is anything to replace.
const settleDims = pairs => {
  if (!pairs.d) {
    delete pairs.d;
    return false;
  }
  // The text before the first `x`, read as the published functions read it.
  const space = '[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*';
  const number = '([+-]?([0-9]+\\.?[0-9]*|\\.[0-9]+)(e[+-]?[0-9]+)?)?';
  const found = exactly(new RegExp('^' + space + number + space, 'i'), splitSides(pairs.d)[0]);
  const width = found ? +(found[1] || 0) : bad;
  pairs.d = '' + ($dims.find(size => {
    const band = size * $dimsVariance / 100;
    return width >= size - band && width <= size + band;
  }) || $dimsDefault);
  return true;
};

//#end
//#if bounds
// Holds named sides within their bounds.
const hold = wish => [0, 1].forEach(axis => {
  const bounds = wish._bounds;
  if (wish._sides[axis]) {
    wish._sides[axis] = max(min(wish._sides[axis], bounds[axis] || Infinity), bounds[axis + 2]);
    bounds[axis] = bounds[axis + 2] = 0;
  }
});

//#end
// Derives the side that a ratio gives away.
const settleSides = wish => {
  const sides = wish._sides;
  const ratio = wish._ratio;
  //#if bounds
  hold(wish);
  //#end
  if (ratio) {
    if (sides[0]) sides[1] = sides[1] || scaled(sides[0], ratio[1], ratio[0]);
    else if (sides[1]) sides[0] = scaled(sides[1], ratio[0], ratio[1]);
  }
  //#if bounds
  hold(wish);
  //#end
  if (sides[0] || sides[1]) wish._ratio = null;
  //#if bounds
  const idle = wish._fit == 'max' && !wish._ratio && !wish._padding;
  wish._bounds = wish._bounds.map((side, at) => at > 1 && (idle || side < 2) ? 0 : side);
  //#end
};

//#if shrink
// Shrinks a box that only its dpr has made too large, its ratio kept.
const shrink = wish => {
  wish._bounds = wish._bounds.map(side => min(side, $sideMost));
  const asked = Object.assign({}, wish, {_sides: wish._sides.slice(), _bounds: wish._bounds.slice()});
  settleSides(asked);
  const width = asked._sides[0] || 1;
  const height = asked._sides[1] || 1;
  const scale = min($sideMost / max(width, height), Math.sqrt($pixelsMost / (width * height)), 1);
  wish._sides = wish._sides.map(side => side && max(floor(side * scale), 1));
};

//#end
// Of the fits that come to the same for such a box, the first in the order of their strength.
const settleFit = wish => {
  const fit = wish._fit;
  const sides = wish._sides;
  if (sides[0] && sides[1] || wish._bounds.some(side => side)) return;
  if (!sides[0] && !sides[1]) {
    wish._fit = wish._ratio ? lookUp({clip: 'max', min: 'crop', cropmax: 'crop', scalemax: 'scale', fillmax: 'fill'}, fit) || fit : 'max';
  } else if (!wish._padding) {
    wish._fit = /max|min/.test(fit) ? 'max' : 'clip';
  }
};

// Refuses what is over the hard limits.
const checkLimits = wish => {
  const sides = wish._sides.concat(wish._bounds);
  refuseIf(max.apply(null, sides) > $sideMost || sides[0] * sides[1] > $pixelsMost, 400, 'w');
  //#if pad
  // At least one pixel of picture has to be left between the paddings.
  const narrowest = min.apply(null, sides.slice(0, 4).filter(side => side).concat($sideMost));
  refuseIf(wish._padding > floor((narrowest - 1) / 2), 400, 'pad');
  //#end
};

