// ---- the format

// Several lines are one list; a line with a byte outside ASCII is none.
const acceptOf = request => {
  const header = request.headers.accept;
  const lines = header ? header.multiValue || [header] : [];
  return lines.map(line => line.value).filter(line => exactly(/[\t -~]*/, line)).join().toLowerCase();
};

// The quality in thousandths that `Accept` gives to a media type, 0 where it does not name it.
const weight = (accept, type) => max.apply(null, accept.split(',').map(entry => {
  const fields = entry.split(';').map(field => field.trim());
  if (fields[0] != type) return 0;
  const named = fields.find(field => /^q[\t ]*=/.test(field));
  // A weight that is not one is no consent.
  return named ? within(fixed(named.replace(/^[^=]*=/, '').trim(), 3), 0, 1000) || 0 : 1000;
}));

// What `auto=format` comes to; '' where neither is taken.
const negotiate = accept => {
  const avif = weight(accept, 'image/avif');
  const webp = weight(accept, 'image/webp');
  return avif || webp ? avif >= webp ? 'auto-avif' : 'webp' : '';
};

