// Reads `{code, items, requests}` and prints what the function makes of each request: path and origin, or status, reason and title.
import {text} from 'node:stream/consumers';
import {EdgeFunction} from './runtime.mjs';

const {code, items, requests} = JSON.parse(await text(process.stdin));
const edge = new EdgeFunction(code, items);
const outcomes = [];
for (const request of requests) outcomes.push(await edge.run({host: null, accept: [], now: Date.now() / 1000, ...request}));
console.log(JSON.stringify(outcomes));
