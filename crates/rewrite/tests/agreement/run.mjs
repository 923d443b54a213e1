// Reads what Rust has written, one JSON document a line: first the functions, then requests with what the server says of them.
// Prints what the functions say otherwise. With mutants, it prints which of them nobody has noticed.
import readline from 'node:readline';
import {EdgeFunction} from './runtime.mjs';

const lines = readline.createInterface({input: process.stdin, crlfDelay: Infinity});
const SHOWN_MAX = 20;
let functions;
let wrong = 0;
let count = 0;
let slowest = 0;
let spent = 0;

async function outcome(edge, request) {
  try {
    const result = await edge.run(request);
    return result.path === undefined ? [result.status, result.reason ?? null] : [result.path, result.origin];
  } catch (error) {
    return ['threw', String(error)];
  }
}

for await (const line of lines) {
  if (!functions) {
    functions = JSON.parse(line).map(one => ({...one, edge: new EdgeFunction(one.code, one.items), noticed: false}));
    continue;
  }
  const [policy, method, uri, query, host, accept, now, ...expected] = JSON.parse(line);
  const request = {method, uri, query, host, accept, now};
  for (const one of functions.filter(one => one.policy == policy && !one.noticed)) {
    const before = performance.now();
    const found = await outcome(one.edge, request);
    const took = performance.now() - before;
    slowest = Math.max(slowest, took);
    spent += took;
    count++;
    if (found[0] === expected[0] && found[1] === expected[1]) continue;
    if (one.mutant) {
      one.noticed = true;
    } else if (++wrong <= SHOWN_MAX) {
      console.log(`${one.name}: ${JSON.stringify(request)}\n  server ${JSON.stringify(expected)}\n  edge   ${JSON.stringify(found)}`);
    }
  }
}
for (const one of functions) if (one.mutant && !one.noticed) console.log(`NOT NOTICED: ${one.name}`), wrong++;
console.log(`${count} verdicts, ${wrong} wrong; ${(spent * 1000 / count).toFixed(1)} us on average, ${(slowest * 1000).toFixed(0)} us at most`);
process.exit(wrong ? 1 : 0);
