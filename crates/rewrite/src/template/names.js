// ---- names

// The canonical name of what is wanted: `w300-h200-crop-top-q75.webp`; '' for the original as it is.
const variantName = wish => {
  const fit = wish._fit;
  let name = wish._head + labelled('w', wish._sides[0]) + labelled('h', wish._sides[1]);
  //#if bounds
  name += ['maxw', 'maxh', 'minw', 'minh'].map((label, at) => labelled(label, wish._bounds[at])).join('');
  //#end
  name += labelled('ar', wish._ratio && wish._ratio.join('x')) + labelled('', fit != 'max' && fit);
  name += labelled('', /^crop|^min/.test(fit) && wish._anchor) + wish._tail/*#if pad*/ + labelled('pad', wish._padding)/*#end*/;
  if (!/gif|json|hash/.test(wish._format)) {
    name += /*#if cs*/labelled('cs', wish._gamut) + /*#end*/labelled('q', !/png/.test(wish._format) && wish._quality);
  }
  name = (name.slice(1) || 'full') + '.' + wish._format;
  return name == 'full.same' ? '' : name;
};

// Everything but unreserved letters and the slash as `%XX`.
const encodePath = key => encodeURIComponent(key)
  .replace(/[!'()*]/g, letter => '%' + letter.charCodeAt(0).toString(16).toUpperCase()).split('%2F').join('/');

// A key as it stands in canonical paths; one that is too long stands as its digest.
const escapeKey = key => {
  const escaped = encodePath(key).split('~').join('=7E').split('%').join('=');
  return escaped.length > 700 || /[^/]{201}/.test(escaped) ? '=.' + crypto.createHash('sha256').update(key).digest('hex') : escaped;
};

const checkLength = key => refuseIf(Buffer.byteLength(key) > 4096, 414);

// The key of the original that a path names.
const readKey = path => {
  const key = decode(path.slice(1));
  refuseIf(/%2f/i.test(path), 400);
  checkLength(key);
  refuseIf(/[\0-\x1f\x7f-\x9f]/.test(key), 400);
  key.split('/').forEach(segment => {
    refuseIf(segment == '' || segment == '-', 404);
    refuseIf(segment == '.' || segment == '..', 400);
  });
  return key;
};

//#if hosts
// The prefix that the asked host has to itself; '' on hosts that have none.
const prefixOf = request => {
  const header = request.headers.host;
  if (!header || !header.value) return '';
  const found = exactly(/((?:[\w-]{1,63}\.)*[\w-]{1,63})\.?(?::\d*)?/, header.value.toLowerCase());
  refuseIf(!found || found[1].length > 253, 400);
  return lookUp(hosts, found[1]) || lookUp(hosts, found[1].replace(/^[^.]*/, '*')) || '';
};

//#end
