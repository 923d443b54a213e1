// ---- the whole

// The path that the request goes on with.
/*#if keys*/async /*#end*/function rewrite(request) {
  const path = request.uri;
  const query = request.rawQueryString() || '';
  // Whatever is no visible letter of ASCII is percent-encoded by those who mean it.
  refuseIf(!exactly(/\/[!-~]*/, path + query) || /#/.test(path + query), 400);
  //#if hosts
  const prefix = prefixOf(request);
  //#end
  const signed = /*#if keys*/await /*#end*/verify(path, query);
  const asked = readQuery(query, signed);
  // Canonical paths are the cache's names, not the viewers'.
  if (/\/-\//.test(path)) {
    for (const id in asked) refuseIf(oneOf('s expires ixlib')(id) != id, 400, id);
    refuseIf(1, 404);
  }
  let key = readKey(path);
  if (!signed) {
    for (const id in asked) {
      const rank = names.indexOf(id);
      refuseIf(rank >= $open || 'p' in asked && rank >= $beside, 403, id);
      //#if dims
      refuseIf(rank >= $beside && id != 'd' || id == 'dpr' && !('p' in asked), 403, id);
      //#end
    }
  }
  //#if dims
  const squared = !signed && 'd' in asked && settleDims(asked);
  //#end
  let pairs = asked;
  if ('p' in asked) {
    //#if presets
    const text = presets['.' + asked.p];
    refuseIf(text == null, 400, 'p');
    pairs = overlay(readQuery(text), asked);
    //#else
    refuseIf(1, 400, 'p');
    //#end
  }
  const wish = readWish(pairs);
  //#if sealed
  // Nothing that is left could refuse it otherwise.
  refuseIf(!signed, 403);
  //#end
  let dpr = wish._dpr;
  //#if presets
  // Unsigned, a preset is made at whole dprs.
  if (!signed && 'p' in asked && asked.dpr) dpr = Math.ceil(dpr / 100) * 100;
  //#end
  wish._sides = wish._sides.map(side => times(side, dpr));
  wish._bounds = wish._bounds.map(side => times(side * 100, dpr));
  //#if pad
  wish._padding = times(wish._padding * 100, dpr);
  //#end
  //#if ladder
  if (!signed/*#if presets*/ && !('p' in asked)/*#end*/) snapBox(wish);
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
  if (wish._auto && !/json|hash/.test(wish._format)) wish._format = negotiate(acceptOf(request)) || wish._format || 'any';
  wish._format = wish._format || 'same';
  //#if public
  // `auto` is no number, and stands beside the listed ones.
  if (!signed && +asked.q) wish._quality = snapUp(qualities, wish._quality);
  //#end
  settleSides(wish);
  settleFit(wish);
  checkLimits(wish);
  //#if hosts
  if (prefix) checkLength(key = prefix + key);
  else refuseIf(prefixes.some(other => key.startsWith(other)), 404);
  //#end
  //#if required
  refuseIf(!signed, 403);
  //#end
  refuseIf(/(^|\/)\./.test(key), 404);
  const name = variantName(wish);
  if (name) return '/' + escapeKey(key) + '/-/' + name;
  //#if deny
  refuseIf(!signed, 403);
  //#end
  //#if cheap
  cf.selectRequestOriginById($originalsOrigin);
  return '/' + encodePath(key);
  //#else
  return '/' + escapeKey(key);
  //#end
}

/*#if keys*/async /*#end*/function handler(event) {
  const request = event.request;
  const method = request.method;
  // What is behind this answers preflights, whatever they are about.
  if (method == 'OPTIONS') return request;
  try {
    refuseIf(method != 'GET' && method != 'HEAD', 405);
    request.uri = /*#if keys*/await /*#end*/rewrite(request);
    request.querystring = {};
    return request;
  } catch (refusal) {
    const kind = kinds[refusal[0]];
    // A fault of ours is not the viewer's.
    if (!kind) throw refusal;
    const status = refusal[0] == 1 ? 403 : refusal[0];
    const headers = Object.assign($headers, {
      'content-type': {value: 'application/problem+json'},
      'cache-control': {value: status == 405 ? 'no-store' : 'max-age=$errorAge'},
      'cache-status': {value: 'afterimage; detail=' + kind[0]}
    });
    if (status == 405) headers.allow = {value: 'GET, HEAD, OPTIONS'};
    //#if origins
    // A page has to read errors as well.
    const origin = request.headers.origin;
    if (origin && $origins.includes(origin.value)) headers['access-control-allow-origin'] = origin;
    //#end
    const problem = {title: kind[1], status: status, reason: kind[0], parameter: refusal[1]};
    return {statusCode: status, headers: headers, body: method == 'HEAD' ? '' : JSON.stringify(problem)};
  }
}
