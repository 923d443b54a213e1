// ---- signatures

//#if keys
// In a time that does not tell where they differ.
const equal = (a, b) => {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at++) difference |= a.charCodeAt(at) ^ b.charCodeAt(at);
  return !difference;
};

//#end
// Whether a key has signed the target, and it has not expired.
/*#if keys*/async /*#end*/function verify(path, query) {
  const pieces = query.split('&');
  const last = pieces.pop();
  const begins = /^s=/.test(last);
  const named = piece => /^(s|%73)((6|%36)(4|%34))?(=|$)/.test(piece);
  refuseIf(pieces.some(named) || named(last) && !begins, 400, 's');
  if (!begins) return false;
  //#if keys
  const before = pieces.join('&');
  const signed = path + (pieces.length ? '?' + before : '');
  const signature = last.slice(2);
  const store = cf.kvs();
  const keys = $keys;
  let found = false;
  // Every key is tried, so that the time taken tells nothing of which.
  for (let at = 0; at < keys.length; at++) {
    let item = '';
    try {
      item = await store.get('signing.' + keys[at]);
    } catch (absent) {
      continue;
    }
    const words = item.split(' ');
    const secret = words[1] || '';
    if (words[0] == 'hmac-sha256' && secret.length > 15) {
      const mac = crypto.createHmac('sha256', secret).update('afterimage-url-v1\n' + signed).digest('hex');
      if (equal(mac, signature) | equal(Buffer.from(mac, 'hex').toString('base64url'), signature)) found = true;
    }
    if (words[0] == 'imgix-md5' && secret.length > 7) {
      if (equal(crypto.createHash('md5').update(secret + signed).digest('hex'), signature)) found = true;
    }
  }
  refuseIf(!found, 403, 's');
  const expires = readQuery(before).expires;
  if (expires === undefined) return true;
  refuseIf(!exactly(/\d{1,11}/, expires), 400, 'expires');
  refuseIf(Date.now() >= expires * 1000, 1, 'expires');
  return true;
  //#else
  // There is no key that could have signed it.
  refuseIf(1, 403, 's');
  //#end
}

