// ---- the query

// The pairs of a query by the parameter's own name. In a signed one every name must be known.
const readQuery = (text, signed) => {
  const pairs = {};
  text.split('&').forEach(piece => {
    if (!piece) return;
    const halves = /([^=]*)=?(.*)/.exec(piece);
    const raw = halves[2];
    let name = formDecode(halves[1]);
    let id = lookUp(aliases, name) || name;
    const encoded = !names.includes(id) && /64$/.test(name);
    if (encoded) {
      name = name.replace(/64$/, '');
      id = lookUp(aliases, name) || name;
    }
    if (!names.includes(id)) {
      refuseIf(signed || lacking.includes(name), 400, name);
      return;
    }
    refuseIf(id in pairs, 400, id);
    pairs[id] = encoded ? Buffer.from(raw, 'base64url').toString() : formDecode(raw);
    // Anything but the one spelling of valid UTF-8 comes back as something else.
    refuseIf(encoded && Buffer.from(pairs[id]).toString('base64url') != raw, 400, id);
  });
  return pairs;
};

const splitSides = text => {
  const at = text.indexOf('x');
  return at < 0 ? [text, text] : [text.slice(0, at), text.slice(at + 1)];
};

//#if presets
// A preset's pairs with those of the request on top; `d` names both sides.
const overlay = (preset, request) => {
  if (preset.d) {
    const sides = splitSides(preset.d);
    preset.w = sides[0];
    preset.h = sides[1];
    preset.fit = preset.fit || 'crop';
    delete preset.d;
  }
  if ('d' in request) {
    delete preset.w;
    delete preset.h;
  }
  return Object.assign(preset, request);
};

//#end
