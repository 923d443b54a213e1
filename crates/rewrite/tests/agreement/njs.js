// The function's surroundings for njs, an engine that is not V8: no JIT, PCRE's regular expressions, and a subset of the
// language much like that of CloudFront's runtime. It stands before the function's own code; `check` comes after it.
var items = null;
var chosen = null;
var now = 0;
Date.now = function() { return now * 1000; };
var cf = {
  kvs: function() {
    return {get: async function(name) { if (items[name] === undefined) throw new Error('KeyNotFound'); return items[name]; }};
  },
  selectRequestOriginById: function(id) { chosen = id; }
};

async function check(store, vectors) {
  items = store;
  var wrong = 0;
  for (var at = 0; at < vectors.length; at++) {
    var vector = vectors[at];
    var headers = {};
    if (vector[4] !== null) headers.host = {value: vector[4]};
    if (vector[5].length) headers.accept = {value: vector[5][0], multiValue: vector[5].map(function(value) { return {value: value}; })};
    var request = {method: vector[1], uri: vector[2], querystring: {}, headers: headers};
    request.rawQueryString = raw(vector[3] === null ? undefined : vector[3]);
    chosen = null;
    now = vector[6];
    var found;
    try {
      var result = await handler({request: request});
      found = result === request ? [request.uri, chosen] : [result.statusCode, result.headers['cache-status'].value.split('detail=')[1]];
    } catch (error) {
      found = ['threw', String(error)];
    }
    if (found[0] !== vector[7] || found[1] !== vector[8]) {
      wrong++;
      console.log(JSON.stringify(vector) + ' came to ' + JSON.stringify(found));
    }
  }
  console.log(vectors.length + ' verdicts, ' + wrong + ' wrong');
}

function raw(query) {
  return function() { return query; };
}
