// ---- values

const within = (number, least, most) => number >= least && number <= most ? number : bad;

// A decimal number in units of 10^-decimals; further decimals are cut off.
const fixed = (text, decimals) => {
  const found = exactly(/(\d{1,9})(?:\.(\d{1,30}))?/, text);
  return found ? +(found[1] + ((found[2] || '') + '0000').slice(0, decimals)) : bad;
};

const whole = (text, least, most) => exactly(/\d{1,9}/, text) ? within(+text, least, most) : bad;

const readSide = text => within(fixed(text, 2), 100, 1e8);

const commonDivisor = (a, b) => b ? commonDivisor(b, a % b) : a;

// Width and height in lowest terms.
const readRatio = text => {
  const at = text.indexOf(':');
  const width = fixed(text.slice(0, max(at, 0)), 3);
  const height = fixed(text.slice(at + 1), 3);
  const divisor = commonDivisor(width, height);
  const longer = max(width, height);
  return width && height && longer < 4294967296 && longer / divisor <= 10000 ? [width / divisor, height / divisor] : bad;
};

// The anchor that `crop` names, null where it names none; the focal point is called ' '.
const cropAnchor = text => {
  const words = text.split(',').filter(word => exactly(/top|bottom|left|right|center|focalpoint|edges|entropy|smart|attention/, word));
  const said = word => words.includes(word) ? word : '';
  if (said('top') && said('bottom') || said('left') && said('right')) return bad;
  const first = words[0];
  return !first ? null : first == 'focalpoint' ? ' ' : first == 'attention' ? 'smart' : /^[es]/.test(first) ? first : said('top') + said('bottom') + said('left') + said('right');
};

//#if fp
// A point in ten-thousandths; the points that have a name are called by it, the middle by none.
const pointName = (x, y) => {
  const word = (at, near, far) => at ? at == 5000 ? '' : at == 10000 ? far : ' ' : near;
  const name = word(y, 'top', 'bottom') + word(x, 'left', 'right');
  return / /.test(name) ? 'fp' + x + 'x' + y : name;
};

//#end
//#if bg
// Hex digits with opacity first, or a name of CSS, as it stands in a canonical name.
const color = text => {
  const lower = text.toLowerCase();
  const named = lookUp({
    aqua: '0ff', black: '000', blue: '00f', fuchsia: 'f0f', gray: '808080', green: '008000', lime: '0f0', maroon: '800000',
    navy: '000080', olive: '808000', orange: 'ffa500', purple: '800080', red: 'f00', silver: 'c0c0c0', teal: '008080',
    transparent: '0000', white: 'fff', yellow: 'ff0'
  }, lower);
  let hex = exactly(/([\da-f]{2}){3,4}|[\da-f]{3,4}/, named || lower.replace(/^#/, ''));
  if (!hex) return bad;
  hex = hex[0];
  if (hex.length < 6) hex = hex.replace(/./g, '$&$&');
  if (hex.length < 8) return hex;
  const opacity = hex.slice(0, 2);
  return opacity == '00' ? '00000000' : hex.slice(2) + (opacity == 'ff' ? '' : opacity);
};

//#end
//#if rect
// Where a `rect` begins on one axis, or with no words how long it is there; as in a canonical name.
const span = (text, words) => {
  const at = words ? words.indexOf(text) : text == 'full' ? 3 : -1;
  if (at >= 0) return ['0', 'c', 'e', 'p10000'][at];
  const least = words ? 0 : 1;
  const part = text.includes('.');
  const number = part ? within(fixed(text, 4), least, 10000) : whole(text, least, 65535);
  return (part && number ? 'p' : '') + number;
};

const rectangle = text => {
  const fields = text.split(',');
  if (fields.length != 4) return bad;
  const width = span(fields[2]);
  const height = span(fields[3]);
  // What is as long as the picture begins where it begins.
  const begin = (start, length) => length == 'p10000' && /[ce]/.test(start) ? '0' : start;
  const x = begin(span(fields[0], ['left', 'center', 'right']), width);
  const y = begin(span(fields[1], ['top', 'middle', 'bottom']), height);
  const rect = x + 'x' + y + 'x' + width + 'x' + height;
  return /N/.test(rect) ? bad : rect == '0x0xp10000xp10000' ? '' : rect;
};

//#end
// A word of a canonical name; nothing where there is no value.
const labelled = (label, value) => value ? '-' + label + value : '';

// What the pairs ask for, value by value: a draft of the variant before dpr, policy and canonical form.
const readWish = pairs => {
  const take = (id, read, otherwise) => {
    if (!(id in pairs)) return otherwise;
    const value = read(pairs[id]);
    refuseIf(value !== value, 400, id);
    return value;
  };
  const count = (id, least, most) => take(id, text => whole(text, least, most), 0);
  const words = (pairs.auto || '').split(',');
  const wish = {
    _sides: [take('w', readSide, 0), take('h', readSide, 0)],
    _ratio: take('ar', readRatio, null),
    _fit: take('fit', text => lookUp({cover: 'crop', contain: 'fill', inside: 'max', outside: 'min'}, text) ||
      oneOf('max clip crop min cropmax fill fillmax scale scalemax clamp')(text), ''),
    _format: take('fm', text => text == 'jpeg' ? 'jpg' : oneOf('jpg pjpg png png8 png16 webp avif gif json thumbhash blurhash')(text), ''),
    _quality: take('q', text => text == 'auto' ? text : whole(text, 1, 100), words.includes('compress') && 'auto'),
    _dpr: take('dpr', text => within(fixed(text, 2), 10, $dprMost), 100),
    _auto: words.includes('format'),
    // Words of the canonical name that no dpr and no policy changes.
    _head: '',
    _tail: '',
    //#if cs
    _gamut: take('cs', text => lookUp({tinysrgb: 'srgb', strip: 'srgb', adobergb1998: 'adobergb'}, text) || oneOf('srgb origin')(text), ''),
    //#end
    _padding: 0/*#if pad*/ + count('pad', 0, 4000)/*#end*/,
    // Greatest width and height, least width and height.
    _bounds: []
  };
  //#if turn
  const degrees = take('rot', text => {
    const turned = whole(text, 0, 360);
    return turned % 90 ? bad : turned % 360;
  }, 0);
  const flips = take('flip', oneOf('h v hv vh'), '');
  // A half turn is both flips, and flips go first: the name with the smallest rotation.
  const both = (degrees + (/v/.test(flips) ? 180 : 0)) % 360;
  const mirrored = flips.length == 1;
  const flipped = mirrored && both >= 180;
  wish._head += labelled('rot', both - (flipped ? 180 : 0)) + labelled('flip', mirrored && (flipped ? 'v' : 'h'));
  //#end
  //#if rect
  wish._head += labelled('rect', take('rect', rectangle, ''));
  //#end
  //#if trim
  wish._head += labelled('trim', take('trim', oneOf('auto color alpha'), '')).replace('auto', '');
  //#end
  //#if bg
  wish._tail += labelled('bg', take('bg', color, ''));
  //#end
  //#if blur
  wish._tail += labelled('blur', count('blur', 0, 2000));
  //#end
  //#if sharp
  wish._tail += labelled('sharp', count('sharp', 0, 100));
  //#end
  //#if bounds
  const bounds = wish._bounds = ['max-w', 'max-h', 'min-w', 'min-h'].map(id => count(id, 1, 16383));
  refuseIf(bounds[0] && bounds[2] > bounds[0] || bounds[1] && bounds[3] > bounds[1], 400, 'min-w');
  //#end
  if ('d' in pairs) {
    wish._sides = splitSides(pairs.d).map(text => whole(text, 1, 1e6) * 100);
    refuseIf(!wish._sides[0] || !wish._sides[1] || 'w' in pairs || 'h' in pairs, 400, 'd');
    wish._fit = wish._fit || 'crop';
  }
  let anchor = take('crop', cropAnchor, null);
  //#if fp
  const part = text => within(fixed(text, 4), 0, 10000);
  const x = take('fp-x', part, 5000);
  const y = take('fp-y', part, 5000);
  if (anchor === null && ('fp-x' in pairs || 'fp-y' in pairs)) anchor = ' ';
  if (anchor == ' ') anchor = pointName(x, y);
  //#else
  if (anchor == ' ') anchor = '';
  //#end
  wish._anchor = anchor;
  // Whether naming that means a cut.
  wish._fit = wish._fit || ((wish._sides[0] && wish._sides[1] ? anchor !== null : wish._ratio) ? 'crop' : 'max');
  return wish;
};

