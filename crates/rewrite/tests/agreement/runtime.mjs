// CloudFront's JavaScript runtime 2.0 as its documentation has it, and no more: what it lacks is not there. Functions run in a
// context of their own, in strict mode, without dynamic code.
import crypto from 'node:crypto';
import vm from 'node:vm';

// Features of ES 6 to 12 that "JavaScript runtime 2.0 features for CloudFront Functions" does not list.
const LACKING = ['Map', 'Set', 'WeakMap', 'WeakSet', 'WeakRef', 'FinalizationRegistry', 'Proxy', 'Reflect', 'BigInt',
  'BigInt64Array', 'BigUint64Array', 'Intl', 'SharedArrayBuffer', 'Atomics', 'WebAssembly', 'eval', 'escape', 'unescape',
  'Iterator', 'AggregateError'];

function checkedDigest(mac) {
  return {
    update(text) {
      if (typeof text != 'string' && !Buffer.isBuffer(text)) throw new TypeError('data is no string and no Buffer');
      mac.update(text);
      return this;
    },
    digest(encoding) {
      if (![undefined, 'hex', 'base64', 'base64url'].includes(encoding)) throw new TypeError(`no encoding ${encoding}`);
      return mac.digest(encoding);
    }
  };
}

function algorithm(name) {
  if (!['md5', 'sha1', 'sha256'].includes(name)) throw new TypeError(`no algorithm ${name}`);
  return name;
}

const modules = {
  crypto: {
    createHash: name => checkedDigest(crypto.createHash(algorithm(name))),
    createHmac: (name, key) => checkedDigest(crypto.createHmac(algorithm(name), key))
  }
};

const FORBIDDEN = /^(connection|expect|keep-alive|proxy-.*|trailer|upgrade|x-accel-.*|x-amz-cf-.*|x-amzn-.*|x-cache|x-edge-.*|x-forwarded-proto|x-real-ip)$/;

/** A function, loaded once as CloudFront loads it. `items` is its KeyValueStore; null is none. */
export class EdgeFunction {
  constructor(code, items) {
    this.origin = null;
    this.now = 0;
    const store = {
      async get(name) {
        if (!Object.hasOwn(items, name)) throw new Error('KeyNotFound');
        return items[name];
      }
    };
    const cf = {
      kvs: () => {
        if (!items) throw new Error('no KeyValueStore is associated');
        return store;
      },
      selectRequestOriginById: id => {
        if (typeof id != 'string') throw new TypeError('an origin has an id');
        this.origin = id;
      }
    };
    const imported = /^import cf from 'cloudfront';\n/;
    const body = code.replace(imported, '');
    const context = vm.createContext({Buffer, console}, {codeGeneration: {strings: false, wasm: false}});
    for (const name of LACKING) delete context[name], vm.runInContext(`delete globalThis.${name}`, context);
    context.require = name => {
      if (!Object.hasOwn(modules, name)) throw new Error(`there is no module ${name}`);
      return modules[name];
    };
    vm.runInContext('Date', context).now = () => this.now * 1000;
    const wrapped = `'use strict';(function(${imported.test(code) ? 'cf' : ''}){${body}\nreturn handler})`;
    this.handler = vm.runInContext(wrapped, context)(cf);
    this.isArray = vm.runInContext('Array', context).isArray;
  }

  /** What comes of a request: the request that goes on, or the response that goes back; checked as CloudFront checks it. */
  async run({method, uri, query, host, accept, origin, now}) {
    this.now = now;
    this.origin = null;
    const headers = {};
    if (host !== null) headers.host = {value: host};
    if (origin) headers.origin = {value: origin};
    if (accept.length) headers.accept = {value: accept[0]};
    if (accept.length > 1) headers.accept.multiValue = accept.map(value => ({value}));
    const request = {method, uri, querystring: parsed(query), headers, cookies: {}};
    Object.defineProperty(request, 'rawQueryString', {value: () => query === null ? undefined : query});
    Object.defineProperty(request, 'method', {writable: false});
    const event = {version: '1.0', context: {eventType: 'viewer-request'}, viewer: {ip: '192.0.2.1'}, request};
    const result = await this.handler(event);
    if (result !== request) return response(result, method);
    if (method == 'OPTIONS') return {path: result.uri, origin: this.origin};
    if (!/^\/[!-~]*$/.test(result.uri) || /[?#]/.test(result.uri)) throw new Error(`no URI: ${result.uri}`);
    if (Object.keys(result.querystring).length) throw new Error('the query is still there');
    return {path: result.uri, origin: this.origin};
  }
}

// The query as the event has it; our function must not need it, since it is not the raw one.
function parsed(query) {
  const fields = {};
  for (const piece of (query || '').split('&').filter(Boolean)) {
    const [name, value = ''] = piece.split(/=(.*)/s);
    fields[name] = {value};
  }
  return fields;
}

function response(result, method) {
  const {statusCode, headers, body} = result;
  if (!Number.isInteger(statusCode)) throw new Error('statusCode is no integer');
  for (const [name, field] of Object.entries(headers)) {
    if (name != name.toLowerCase() || typeof field.value != 'string') throw new Error(`no header: ${name}`);
    if (FORBIDDEN.test(name)) throw new Error(`${name} may not be set`);
  }
  if (typeof body != 'string' || method == 'HEAD' && body) throw new Error('the body is no text');
  const detail = headers['cache-status'].value.split('detail=')[1];
  const problem = method == 'HEAD' ? {status: statusCode, reason: detail} : JSON.parse(body);
  if (problem.status !== statusCode || problem.reason != detail) throw new Error('status, Cache-Status and body differ');
  return {status: statusCode, reason: detail, title: problem.title, headers};
}
