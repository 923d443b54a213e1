//#if modules
import cf from 'cloudfront';

//#end
// The first step of afterimage as a CloudFront Function (cloudfront-js-2.0, viewer request), made by
// `afterimage cloudfront-function` from the configuration. Do not edit it: change the configuration and make it anew.
//
// A request leaves with its canonical path and without a query, or is refused as the server would refuse it. Every rule has
// its counterpart in the crate `variant`, whose names are used here.
//
// Two engines read this, and they differ: in one `$` also matches before a last line break. So no pattern is trusted to
// have matched to the end; `exactly` looks.
const crypto = require('crypto');

// Parameters: 2 may stand beside a preset, 1 may be used unsigned, 0 needs a signature or a preset.
const ranks = $ranks;
const aliases = $aliases;
// Names that would change the geometry and are not understood.
const lacking = $lacking;
//#if ladder
const ladder = $ladder;
const ratios = $ratios;
//#end
const qualities = $qualities;
//#if presets
// Their names begin with a dot, so that none of them is a name that every object has.
const presets = $presets;
//#end
//#if hosts
// Which prefix a host has to itself; a key below a prefix is nothing that any other host has.
const hosts = $hosts;
const prefixes = $prefixes;
//#end

// Why a request is refused, by status: the reason and title of the problem document. 1 is a 403 too.
const kinds = {
  1: ['expired', 'The URL has expired'],
  400: ['bad-request', 'The URL cannot be understood'],
  403: ['forbidden', 'Not allowed'],
  404: ['not-found', 'No such picture'],
  405: ['method', 'Method not allowed'],
  414: ['uri-too-long', 'The URL is too long']
};

// Ends the work on a request, with the parameter at fault if it is one's.
function refuse(kind, parameter) {
  throw [kind, parameter];
}

function exactly(pattern, text) {
  const found = pattern.exec(text);
  return found && found[0] == text ? found : 0;
}

// A text of a table; what every object has is none of its texts.
function lookUp(table, name) {
  return typeof table[name] == 'string' ? table[name] : undefined;
}

// Decodes `%XX`, which must come to UTF-8.
function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch (broken) {
    refuse(400);
  }
}

// ---- the query

// The pairs of a query by the parameter's own name. In a signed one every name must be known.
function readQuery(text, signed) {
  const pairs = {};
  text.split('&').forEach(piece => {
    if (!piece) return;
    const at = piece.indexOf('=');
    const raw = at < 0 ? '' : piece.slice(at + 1);
    const name = decode((at < 0 ? piece : piece.slice(0, at)).replace(/\+/g, ' '));
    let plain = name;
    let encoded = false;
    let id = lookUp(aliases, plain) || plain;
    if (typeof ranks[id] != 'number' && name.slice(-2) == '64') {
      encoded = true;
      plain = name.slice(0, -2);
      id = lookUp(aliases, plain) || plain;
    }
    if (typeof ranks[id] != 'number') {
      if (signed || lacking.indexOf(plain) >= 0) refuse(400, name.slice(0, 40));
      return;
    }
    if (pairs[id] !== undefined) refuse(400, id);
    if (encoded) {
      const value = Buffer.from(raw, 'base64url').toString();
      // Anything but the one spelling of valid UTF-8 comes back as something else.
      if (Buffer.from(value).toString('base64url') != raw) refuse(400, id);
      pairs[id] = value;
    } else {
      pairs[id] = decode(raw.replace(/\+/g, ' '));
    }
  });
  return pairs;
}

//#if presets
// A preset's pairs with those of the request on top; `d` names both sides.
function overlay(preset, request) {
  const pairs = Object.assign({}, request);
  const put = (id, text) => {
    if (request[id] === undefined && !(request.d !== undefined && (id == 'w' || id == 'h'))) pairs[id] = text;
  };
  for (const id in preset) {
    if (id != 'd') {
      put(id, preset[id]);
      continue;
    }
    const sides = splitSides(preset.d);
    put('w', sides[0]);
    put('h', sides[1]);
    if (preset.fit === undefined) put('fit', 'crop');
  }
  return pairs;
}

//#end
// ---- values: what does not parse comes to NaN or undefined

// A decimal number in units of 10^-decimals; further decimals are cut off.
function fixed(text, decimals) {
  const found = exactly(/^(\d{1,9})(?:\.(\d{1,30}))?$/, text);
  return found ? +(found[1] + ((found[2] || '') + '0000').slice(0, decimals)) : NaN;
}

function within(number, least, most) {
  return number >= least && number <= most ? number : NaN;
}

function whole(text, least, most) {
  return exactly(/^\d{1,9}$/, text) ? within(+text, least, most) : NaN;
}

function side(text) {
  return within(fixed(text, 2), 100, 1e8);
}

function splitSides(text) {
  const at = text.indexOf('x');
  return at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + 1)];
}

function commonDivisor(a, b) {
  return b ? commonDivisor(b, a % b) : a;
}

// Width and height in lowest terms.
function ratio(text) {
  const at = text.indexOf(':');
  const width = fixed(text.slice(0, at), 3);
  const height = fixed(text.slice(at + 1), 3);
  const divisor = commonDivisor(width, height);
  if (at < 0 || !(width > 0 && height > 0 && width < 4294967296 && height < 4294967296)) return;
  const lowest = [width / divisor, height / divisor];
  return Math.max(lowest[0], lowest[1]) <= 10000 ? lowest : undefined;
}

function fitName(text) {
  return lookUp({cover: 'crop', contain: 'fill', inside: 'max', outside: 'min'}, text) ||
    ['max', 'clip', 'crop', 'min', 'cropmax', 'fill', 'fillmax', 'scale', 'scalemax', 'clamp'].find(fit => fit == text);
}

// A point in ten-thousandths; the points that have a name are called by it, the middle by none.
function pointName(x, y) {
  const across = {0: 'left', 5000: '', 10000: 'right'}[x];
  const down = {0: 'top', 5000: '', 10000: 'bottom'}[y];
  return across === undefined || down === undefined ? 'fp' + x + 'x' + y : down + across;
}

// The anchor that `crop` names, null where it names none; the focal point is called ' '.
function cropAnchor(text) {
  let x;
  let y;
  let first;
  let torn = false;
  text.split(',').forEach(word => {
    const across = {left: 0, right: 10000}[word];
    const down = {top: 0, bottom: 10000}[word];
    if (typeof across == 'number') {
      torn = torn || x !== undefined && x != across;
      x = across;
    } else if (typeof down == 'number') {
      torn = torn || y !== undefined && y != down;
      y = down;
    } else if (word != 'center' && word != 'focalpoint' && word != 'edges' && word != 'entropy') {
      return;
    }
    first = first || word;
  });
  if (torn) return;
  if (!first) return null;
  if (first == 'focalpoint') return ' ';
  if (first == 'edges' || first == 'entropy') return first;
  return pointName(x === undefined ? 5000 : x, y === undefined ? 5000 : y);
}

function formatName(text) {
  return text == 'jpeg' ? 'jpg' : ['jpg', 'pjpg', 'png', 'webp', 'avif', 'gif', 'json'].find(format => format == text);
}

//#if bg
// Hex digits with opacity first, or a name of CSS, as it stands in a canonical name.
function color(text) {
  const names = {
    aqua: '0ff', black: '000', blue: '00f', fuchsia: 'f0f', gray: '808080', green: '008000', lime: '0f0', maroon: '800000',
    navy: '000080', olive: '808000', orange: 'ffa500', purple: '800080', red: 'f00', silver: 'c0c0c0', teal: '008080',
    transparent: '0000', white: 'fff', yellow: 'ff0'
  };
  text = text.toLowerCase();
  let hex = lookUp(names, text) || text.replace(/^#/, '');
  if (!exactly(/^[\da-f]{3,8}$/, hex) || hex.length == 5 || hex.length == 7) return;
  if (hex.length < 6) hex = hex.replace(/./g, '$&$&');
  if (hex.length == 6) return hex;
  const opacity = hex.slice(0, 2);
  return opacity == '00' ? '00000000' : hex.slice(2) + (opacity == 'ff' ? '' : opacity);
}

//#end
//#if rect
// Where a `rect` begins on one axis, or with no words how long it is there; as in a canonical name.
function span(text, words) {
  if (words) {
    const at = words.indexOf(text);
    if (at >= 0) return '0ce'[at];
  } else if (text == 'full') {
    return 'p10000';
  }
  const least = words ? 0 : 1;
  const part = text.indexOf('.') >= 0;
  const number = part ? within(fixed(text, 4), least, 10000) : whole(text, least, 65535);
  if (number >= 0) return (part && number ? 'p' : '') + number;
}

function rectangle(text) {
  const fields = text.split(',');
  if (fields.length != 4) return;
  const width = span(fields[2]);
  const height = span(fields[3]);
  let x = span(fields[0], ['left', 'center', 'right']);
  let y = span(fields[1], ['top', 'middle', 'bottom']);
  if (!x || !y || !width || !height) return;
  if (width == 'p10000' && (x == 'c' || x == 'e')) x = '0';
  if (height == 'p10000' && (y == 'c' || y == 'e')) y = '0';
  const rect = x + 'x' + y + 'x' + width + 'x' + height;
  return rect == '0x0xp10000xp10000' ? '' : 'rect' + rect;
}

//#end
// What the pairs ask for, value by value: a draft of the variant before dpr, policy and canonical form. 0, '' and null mean that
// something is not named.
function readWish(pairs) {
  const take = (id, read, otherwise) => {
    if (pairs[id] === undefined) return otherwise;
    const value = read(pairs[id]);
    if (value === undefined || value !== value) refuse(400, id);
    return value;
  };
  const wish = {
    _width: take('w', side, 0),
    _height: take('h', side, 0),
    _ratio: take('ar', ratio, null),
    _fit: take('fit', fitName, ''),
    _format: take('fm', formatName, ''),
    _quality: take('q', text => whole(text, 1, 100), 0),
    _dpr: take('dpr', text => within(fixed(text, 2), 10, $dprMost), 100)
  };
  const words = (pairs.auto || '').split(',');
  wish._auto = words.indexOf('format') >= 0;
  if (!wish._quality && words.indexOf('compress') >= 0) wish._quality = $qualityCompressed;
  //#if bg
  wish._background = take('bg', color, '');
  //#end
  //#if turn
  const degrees = take('rot', text => {
    const turned = whole(text, 0, 360);
    return turned % 90 ? NaN : turned % 360;
  }, 0);
  const flips = take('flip', text => ['h', 'v', 'hv', 'vh'].find(flip => flip == text), '');
  // A half turn is both flips, and flips go first: the name with the smallest rotation.
  const both = (degrees + (flips.indexOf('v') < 0 ? 0 : 180)) % 360;
  const mirrored = flips.length == 1;
  const flipped = mirrored && both >= 180;
  wish._turn = (both - (flipped ? 180 : 0) ? '-rot' + (both - (flipped ? 180 : 0)) : '') + (mirrored ? flipped ? '-flipv' : '-fliph' : '');
  //#end
  //#if blur
  wish._blur = take('blur', text => whole(text, 0, 2000), 0);
  //#end
  //#if sharp
  wish._sharpen = take('sharp', text => whole(text, 0, 100), 0);
  //#end
  //#if rect
  wish._rect = take('rect', rectangle, '');
  //#end
  //#if trim
  wish._trim = take('trim', text => lookUp({auto: 'trim', color: 'trimcolor', alpha: 'trimalpha'}, text), '');
  //#end
  wish._padding = 0;
  //#if pad
  wish._padding = take('pad', text => whole(text, 0, 4000), 0);
  //#end
  //#if bounds
  const bound = text => whole(text, 1, 16383);
  wish._widthMost = take('max-w', bound, 0);
  wish._heightMost = take('max-h', bound, 0);
  wish._widthLeast = take('min-w', bound, 0);
  wish._heightLeast = take('min-h', bound, 0);
  if (wish._widthMost && wish._widthLeast > wish._widthMost) refuse(400, 'min-w');
  if (wish._heightMost && wish._heightLeast > wish._heightMost) refuse(400, 'min-h');
  //#end
  if (pairs.d !== undefined) {
    const sides = splitSides(pairs.d);
    wish._width = whole(sides[0], 1, 1e6) * 100;
    wish._height = whole(sides[1], 1, 1e6) * 100;
    if (!(wish._width && wish._height) || pairs.w !== undefined || pairs.h !== undefined) refuse(400, 'd');
    wish._fit = wish._fit || 'crop';
  }
  let anchor = take('crop', cropAnchor, null);
  //#if fp
  const part = text => within(fixed(text, 4), 0, 10000);
  const x = take('fp-x', part);
  const y = take('fp-y', part);
  if (anchor === null && (x !== undefined || y !== undefined)) anchor = ' ';
  if (anchor == ' ') anchor = pointName(x === undefined ? 5000 : x, y === undefined ? 5000 : y);
  //#else
  if (anchor == ' ') anchor = '';
  //#end
  // Whether naming that means a cut.
  if (!wish._fit && (wish._width && wish._height ? anchor !== null : wish._ratio)) wish._fit = 'crop';
  wish._anchor = anchor || '';
  wish._fit = wish._fit || 'max';
  return wish;
}

// ---- the box

function times(hundredths, dpr) {
  return hundredths && Math.max(Math.floor((hundredths * dpr + 5000) / 10000), 1);
}

// Sides in pixels instead of hundredths of CSS pixels.
function multiply(wish, dpr) {
  wish._width = times(wish._width, dpr);
  wish._height = times(wish._height, dpr);
  //#if bounds
  wish._widthMost = times(wish._widthMost * 100, dpr);
  wish._heightMost = times(wish._heightMost * 100, dpr);
  wish._widthLeast = times(wish._widthLeast * 100, dpr);
  wish._heightLeast = times(wish._heightLeast * 100, dpr);
  //#end
  //#if pad
  wish._padding = times(wish._padding * 100, dpr);
  //#end
}

// side * a / b, rounded to the nearest pixel, at least 1.
function scaled(side, a, b) {
  return Math.min(Math.max(Math.floor((side * a * 2 + b) / (b * 2)), 1), 4294967295);
}

//#if ladder
// Snaps the box to the ladder and the ratio to the list.
function snapBox(wish) {
  const width = wish._width;
  const height = wish._height;
  const asked = width && height ? width / height : wish._ratio && wish._ratio[0] / wish._ratio[1];
  if (!asked) {
    wish._width = width && snapUp(ladder, width);
    wish._height = height && snapUp(ladder, height);
    return;
  }
  let nearest;
  let distance = Infinity;
  ratios.forEach(listed => {
    const far = asked / (listed[0] / listed[1]);
    if (Math.max(far, 1 / far) < distance) {
      distance = Math.max(far, 1 / far);
      nearest = listed;
    }
  });
  if (!nearest || Math.abs(asked / (nearest[0] / nearest[1]) - 1) > 0.02 + 1e-9) refuse(403, width && height ? 'w' : 'ar');
  wish._ratio = nearest;
  if (!width && !height) return;
  // The smallest allowed box of this ratio whose named side reaches the one that was asked for; else the largest there is.
  const byWidth = height ? width >= height : true;
  let box;
  ladder.some(rung => {
    const next = byWidth ? [rung, scaled(rung, nearest[1], nearest[0])] : [scaled(rung, nearest[0], nearest[1]), rung];
    if (Math.max(next[0], next[1]) > $sideMost || next[0] * next[1] > $pixelsMost) return false;
    box = next;
    return rung >= Math.max(width, height);
  });
  wish._width = box ? box[0] : 0;
  wish._height = box ? box[1] : 0;
  if (box) wish._ratio = null;
}

//#end
//#if dims
// Replaces `d` by the square whose band holds its width, the default where none does; whether there is anything to replace.
function settleDims(pairs) {
  if (pairs.d == '') {
    delete pairs.d;
    return false;
  }
  // The text before the first `x`, read as the published functions read it.
  const space = '[\\t-\\r \\x85\\xa0\\u1680\\u2000-\\u200a\\u2028\\u2029\\u202f\\u205f\\u3000]*';
  const number = new RegExp('^' + space + '([+-]?(?:[0-9]+\\.?[0-9]*|\\.[0-9]+)(?:e[+-]?[0-9]+)?)?' + space + '$', 'i');
  const text = splitSides(pairs.d)[0];
  const found = exactly(number, text);
  const width = found ? +(found[1] || 0) : NaN;
  const square = $dims.find(size => width >= size - (size * $dimsVariance) / 100 && width <= size + (size * $dimsVariance) / 100);
  pairs.d = '' + (square === undefined ? $dimsDefault : square);
  return true;
}

//#end
// The smallest value of an ascending list that is not below this one; the last where there is none.
function snapUp(ascending, asked) {
  const found = ascending.find(value => value >= asked);
  return found === undefined ? ascending[ascending.length - 1] : found;
}

// Holds named sides within their limits, and derives the side that a ratio gives away.
function settleSides(wish) {
  //#if bounds
  holdSides(wish);
  //#end
  const ratio = wish._ratio;
  if (ratio && wish._width && !wish._height) wish._height = scaled(wish._width, ratio[1], ratio[0]);
  else if (ratio && wish._height && !wish._width) wish._width = scaled(wish._height, ratio[0], ratio[1]);
  //#if bounds
  holdSides(wish);
  //#end
  if (wish._width || wish._height) wish._ratio = null;
  //#if bounds
  if (wish._widthLeast < 2) wish._widthLeast = 0;
  if (wish._heightLeast < 2) wish._heightLeast = 0;
  if (wish._fit == 'max' && !wish._ratio && !wish._padding) wish._widthLeast = wish._heightLeast = 0;
  //#end
}

//#if bounds
function holdSides(wish) {
  if (wish._width) {
    wish._width = Math.max(Math.min(wish._width, wish._widthMost || Infinity), wish._widthLeast || 1);
    wish._widthMost = wish._widthLeast = 0;
  }
  if (wish._height) {
    wish._height = Math.max(Math.min(wish._height, wish._heightMost || Infinity), wish._heightLeast || 1);
    wish._heightMost = wish._heightLeast = 0;
  }
}

//#end
//#if shrink
// Shrinks a box that only its dpr has made too large, its ratio kept.
function shrink(wish) {
  //#if bounds
  wish._widthMost = Math.min(wish._widthMost, $sideMost);
  wish._heightMost = Math.min(wish._heightMost, $sideMost);
  wish._widthLeast = Math.min(wish._widthLeast, $sideMost);
  wish._heightLeast = Math.min(wish._heightLeast, $sideMost);
  //#end
  const asked = Object.assign({}, wish);
  settleSides(asked);
  const width = asked._width || 1;
  const height = asked._height || 1;
  const scale = Math.min($sideMost / Math.max(width, height), Math.sqrt($pixelsMost / (width * height)));
  if (scale < 1) {
    wish._width = wish._width && Math.max(Math.floor(wish._width * scale), 1);
    wish._height = wish._height && Math.max(Math.floor(wish._height * scale), 1);
  }
}

//#end
// Of the fits that come to the same for such a box, the first in the order of their strength.
function settleFit(wish) {
  const fit = wish._fit;
  //#if bounds
  if (wish._widthMost || wish._heightMost || wish._widthLeast || wish._heightLeast) return;
  //#end
  if (wish._width && wish._height) return;
  if (wish._width || wish._height) {
    if (!wish._padding) wish._fit = ['clip', 'crop', 'fill', 'scale', 'clamp'].indexOf(fit) < 0 ? 'max' : 'clip';
  } else if (wish._ratio) {
    wish._fit = {clip: 'max', min: 'crop', cropmax: 'crop', scalemax: 'scale', fillmax: 'fill'}[fit] || fit;
  } else {
    wish._fit = 'max';
  }
}

// Refuses what is over the hard limits.
function checkLimits(wish) {
  const sides = [wish._width, wish._height/*#if bounds*/, wish._widthMost, wish._heightMost, wish._widthLeast, wish._heightLeast/*#end*/];
  if (Math.max.apply(null, sides) > $sideMost || wish._width * wish._height > $pixelsMost) refuse(400, 'w');
  //#if pad
  // At least one pixel of picture has to be left between the paddings.
  const narrowest = Math.min.apply(null, sides.slice(0, 4).filter(side => side).concat($sideMost));
  if (wish._padding > Math.floor((narrowest - 1) / 2)) refuse(400, 'pad');
  //#end
}

// ---- the format

// The quality in thousandths that `Accept` gives to a media type, 0 where it does not name it.
function weight(accept, type) {
  let most = 0;
  accept.split(',').forEach(entry => {
    const fields = entry.split(';').map(field => field.trim());
    if (fields[0] != type) return;
    let quality = 1000;
    fields.slice(1).some(field => {
      const at = field.indexOf('=');
      if (at < 0 || field.slice(0, at).trim() != 'q') return false;
      // A weight that is not one is no consent.
      quality = within(fixed(field.slice(at + 1).trim(), 3), 0, 1000) || 0;
      return true;
    });
    most = Math.max(most, quality);
  });
  return most;
}

// Several lines are one list; a line with a byte outside ASCII is none.
function acceptOf(request) {
  const header = request.headers.accept;
  const lines = header ? header.multiValue || [header] : [];
  return lines.map(line => line.value).filter(line => exactly(/^[\t -~]*$/, line)).join().toLowerCase();
}

// What `auto=format` comes to; '' where neither is taken.
function negotiate(accept) {
  const avif = weight(accept, 'image/avif');
  const webp = weight(accept, 'image/webp');
  return avif || webp ? avif >= webp ? 'auto-avif' : 'webp' : '';
}

// ---- names

// The canonical name of what is wanted: `w300-h200-crop-top-q75.webp`; '' for the original as it is.
function variantName(wish) {
  let name = '';
  const word = (text, value) => {
    if (value) name += '-' + text + value;
  };
  //#if turn
  name += wish._turn;
  //#end
  //#if rect
  word('', wish._rect);
  //#end
  //#if trim
  word('', wish._trim);
  //#end
  word('w', wish._width);
  word('h', wish._height);
  //#if bounds
  word('maxw', wish._widthMost);
  word('maxh', wish._heightMost);
  word('minw', wish._widthLeast);
  word('minh', wish._heightLeast);
  //#end
  word('ar', wish._ratio && wish._ratio.join('x'));
  word('', wish._fit != 'max' && wish._fit);
  if (['crop', 'min', 'cropmax'].indexOf(wish._fit) >= 0) word('', wish._anchor);
  //#if bg
  word('bg', wish._background);
  //#end
  //#if blur
  word('blur', wish._blur);
  //#end
  //#if sharp
  word('sharp', wish._sharpen);
  //#end
  //#if pad
  word('pad', wish._padding);
  //#end
  if (takesQuality(wish._format)) word('q', wish._quality);
  name = (name.slice(1) || 'full') + '.' + wish._format;
  return name == 'full.same' ? '' : name;
}

function takesQuality(format) {
  return ['png', 'gif', 'json'].indexOf(format) < 0;
}

// A key as it stands in canonical paths; one that is too long stands as its digest.
function escapeKey(encoded, key) {
  const escaped = encoded.replace(/~/g, '=7E').replace(/%/g, '=');
  const fits = escaped.length <= 700 && escaped.split('/').every(segment => segment.length <= 200);
  return fits ? escaped : '=.' + crypto.createHash('sha256').update(key).digest('hex');
}

// Everything but unreserved letters and the slash as `%XX`.
function encodePath(key) {
  const encoded = encodeURIComponent(key).replace(/%2F/g, '/');
  return encoded.replace(/[!'()*]/g, letter => '%' + letter.charCodeAt(0).toString(16).toUpperCase());
}

// The key of the original that a path names.
function readKey(path) {
  const key = decode(path.slice(1));
  if (/%2f/i.test(path)) refuse(400);
  checkLength(key);
  if (/[\0-\x1f\x7f-\x9f]/.test(key)) refuse(400);
  key.split('/').forEach(segment => {
    if (segment == '' || segment == '-') refuse(404);
    if (segment == '.' || segment == '..') refuse(400);
  });
  return key;
}

function checkLength(key) {
  if (Buffer.byteLength(key) > 4096) refuse(414);
}

//#if hosts
// The prefix that the asked host has to itself; '' on hosts that have none.
function prefixOf(request) {
  const header = request.headers.host;
  if (!header || !header.value) return '';
  const found = exactly(/^((?:[\w-]{1,63}\.)*[\w-]{1,63})\.?(?::\d*)?$/, header.value.toLowerCase());
  if (!found || found[1].length > 253) refuse(400);
  const name = found[1];
  const at = name.indexOf('.');
  return lookUp(hosts, name) || at >= 0 && lookUp(hosts, '*' + name.slice(at)) || '';
}

//#end
// ---- signatures

//#if keys
// As long as the texts are, whatever they are.
function equal(a, b) {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return difference == 0;
}

// Whether a key of the store has signed this. Every key is tried, so that the time taken tells nothing of which.
async function isSigned(signed, signature) {
  const store = cf.kvs();
  const names = $keys;
  let found = false;
  for (let at = 0; at < names.length; at++) {
    let item = '';
    try {
      item = await store.get('signing.' + names[at]);
    } catch (absent) {
      continue;
    }
    const cut = item.indexOf(' ');
    const scheme = item.slice(0, cut);
    const secret = item.slice(cut + 1);
    if (scheme == 'hmac-sha256' && secret.length > 15) {
      const mac = crypto.createHmac('sha256', secret).update('afterimage-url-v1\n' + signed).digest('hex');
      if (equal(mac, signature)) found = true;
      if (equal(Buffer.from(mac, 'hex').toString('base64url'), signature)) found = true;
    }
    if (scheme == 'imgix-md5' && secret.length > 7) {
      if (equal(crypto.createHash('md5').update(secret + signed).digest('hex'), signature)) found = true;
    }
  }
  return found;
}

//#end
// Whether a key has signed the target, and it has not expired.
/*#if keys*/async /*#end*/function verify(path, query) {
  const pieces = (query || '').split('&');
  const last = pieces.pop();
  const names = /^(s|%73)((6|%36)(4|%34))?(=|$)/;
  const begins = last.slice(0, 2) == 's=';
  if (pieces.some(piece => names.test(piece)) || names.test(last) && !begins) refuse(400, 's');
  if (!begins) return false;
  //#if keys
  const before = pieces.join('&');
  const signed = path + (pieces.length ? '?' + before : '');
  if (!await isSigned(signed, last.slice(2))) refuse(403, 's');
  const expires = readQuery(before).expires;
  if (expires === undefined) return true;
  if (!exactly(/^\d{1,11}$/, expires)) refuse(400, 'expires');
  if (Math.floor(Date.now() / 1000) >= +expires) refuse(1, 'expires');
  return true;
  //#else
  // There is no key that could have signed it.
  refuse(403, 's');
  //#end
}

// ---- the whole

// The path that the request goes on with.
/*#if keys*/async /*#end*/function rewrite(request) {
  const query = request.rawQueryString();
  const path = request.uri;
  // Whatever is no visible letter of ASCII is percent-encoded by those who mean it.
  if (!exactly(/^\/[!-~]*$/, path + (query || '')) || /#/.test(path + query)) refuse(400);
  //#if hosts
  const prefix = prefixOf(request);
  //#end
  const signed = /*#if keys*/await /*#end*/verify(path, query);
  const asked = readQuery(query || '', signed);
  // Canonical paths are the cache's names, not the viewers'.
  if (path.indexOf('/-/') >= 0) {
    for (const id in asked) if (id != 's' && id != 'expires' && id != 'ixlib') refuse(400, id);
    refuse(404);
  }
  let key = readKey(path);
  if (!signed) {
    for (const id in asked) {
      if (ranks[id] < 1 || asked.p !== undefined && ranks[id] < 2) refuse(403, id);
      //#if dims
      if (ranks[id] < 2 && id != 'd' || id == 'dpr' && asked.p === undefined) refuse(403, id);
      //#end
    }
  }
  //#if dims
  const squared = !signed && asked.d !== undefined && settleDims(asked);
  //#end
  let pairs = asked;
  if (asked.p !== undefined) {
    //#if presets
    const preset = presets['.' + asked.p];
    if (preset === undefined) refuse(400, 'p');
    pairs = overlay(readQuery(preset), asked);
    //#else
    refuse(400, 'p');
    //#end
  }
  const wish = readWish(pairs);
  // Unsigned, a preset is made at whole dprs.
  const dpr = !signed && asked.p !== undefined && asked.dpr !== undefined ? Math.ceil(wish._dpr / 100) * 100 : wish._dpr;
  multiply(wish, dpr);
  //#if ladder
  if (!signed && asked.p === undefined) snapBox(wish);
  //#end
  //#if shrinkElse
  else if (dpr > 100) shrink(wish);
  //#end
  //#if shrinkAlone
  if (dpr > 100) shrink(wish);
  //#end
  //#if dims
  if (squared && !wish._format && !wish._auto) wish._format = weight(acceptOf(request), 'image/webp') ? 'webp' : 'same';
  //#end
  if (wish._auto && wish._format != 'json') wish._format = negotiate(acceptOf(request)) || wish._format || 'any';
  wish._format = wish._format || 'same';
  if (!signed && asked.q !== undefined && wish._quality) wish._quality = snapUp(qualities, wish._quality);
  settleSides(wish);
  settleFit(wish);
  checkLimits(wish);
  const name = variantName(wish);
  //#if hosts
  if (prefix) checkLength(key = prefix + key);
  else if (prefixes.some(other => key.slice(0, other.length) == other)) refuse(404);
  //#end
  //#if required
  if (!signed) refuse(403);
  //#end
  if (/(^|\/)\./.test(key)) refuse(404);
  const encoded = encodePath(key);
  if (name) return '/' + escapeKey(encoded, key) + '/-/' + name;
  //#if deny
  if (!signed) refuse(403);
  //#end
  //#if cheap
  cf.selectRequestOriginById($originalsOrigin);
  return '/' + encoded;
  //#else
  return '/' + escapeKey(encoded, key);
  //#end
}

// What every answer of ours has.
function answer(request, status, fields) {
  const headers = Object.assign({}, $headers, fields);
  //#if origins
  const origin = request.headers.origin;
  if (origin && $origins.indexOf(origin.value) >= 0) {
    headers['access-control-allow-origin'] = origin;
    headers['access-control-expose-headers'] = {value: 'cache-status, afterimage-changed, afterimage-ignored, server-timing'};
  }
  //#end
  return {statusCode: status, headers: headers};
}

/*#if keys*/async /*#end*/function handler(event) {
  const request = event.request;
  const methods = {value: 'GET, HEAD, OPTIONS'};
  if (request.method == 'OPTIONS') {
    return answer(request, 204, {
      allow: methods,
      'access-control-allow-methods': methods,
      'access-control-allow-headers': {value: 'range, if-none-match, if-range'},
      'access-control-max-age': {value: '$corsAge'}
    });
  }
  try {
    if (request.method != 'GET' && request.method != 'HEAD') refuse(405);
    request.uri = /*#if keys*/await /*#end*/rewrite(request);
    request.querystring = {};
    return request;
  } catch (refusal) {
    if (!Array.isArray(refusal)) throw refusal;
    const status = refusal[0] == 1 ? 403 : refusal[0];
    const kind = kinds[refusal[0]];
    const fields = {
      'content-type': {value: 'application/problem+json'},
      'cache-control': {value: status == 405 ? 'no-store' : 'public, max-age=$errorAge, s-maxage=$errorAge'},
      'cache-status': {value: 'afterimage; detail=' + kind[0]}
    };
    if (status == 405) fields.allow = methods;
    const refused = answer(request, status, fields);
    const problem = {type: 'about:blank', title: kind[1], status: status, reason: kind[0], parameter: refusal[1]};
    if (request.method != 'HEAD') refused.body = JSON.stringify(problem);
    return refused;
  }
}
