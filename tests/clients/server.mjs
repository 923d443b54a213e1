// The built binary, started the way a person starts it: on free ports, over a folder of its own, with its state below it.

import { spawn } from "node:child_process";
import { once } from "node:events";
import fs from "node:fs/promises";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { fileURLToPath } from "node:url";

const PICTURES = fileURLToPath(new URL("../../examples/pictures/", import.meta.url));
const READY_MS_MAX = 30_000;

/** The token that imgix's clients and the server share here. */
export const TOKEN = "imgix-token-for-tests";

const CONFIGURATION = `
[source]
settle = "20ms"
[signing]
required = REQUIRED
[[signing.keys]]
name = "imgix"
scheme = "imgix-md5"
secret = "${TOKEN}"
`;

/**
 * Starts a server over `pictures`: names of sample pictures, or pairs of a name and its bytes or the sample it is a copy of.
 * `settings` are further lines of its configuration.
 * Resolves once it says that it is ready; rejects with all it said when it does not.
 */
export async function start(pictures, { signatureRequired = false, settings = "" } = {}) {
  const binary = process.env.AFTERIMAGE_BIN;
  if (!binary) throw new Error("AFTERIMAGE_BIN does not name the built binary; ./check sets it");
  const home = await fs.mkdtemp(path.join(os.tmpdir(), "afterimage-clients-"));
  try {
    const originals = path.join(home, "originals");
    for (const picture of pictures) {
      const [name, bytes] = Array.isArray(picture) ? picture : [picture, picture];
      const file = path.join(originals, name);
      await fs.mkdir(path.dirname(file), { recursive: true });
      if (typeof bytes === "string") await fs.copyFile(path.join(PICTURES, bytes), file);
      else await fs.writeFile(file, bytes);
    }
    const configuration = path.join(home, "afterimage.toml");
    await fs.writeFile(configuration, CONFIGURATION.replace("REQUIRED", String(signatureRequired)) + settings);
    const folders = { XDG_CACHE_HOME: "cache", XDG_STATE_HOME: "state", XDG_RUNTIME_DIR: "run" };
    // Settings of whoever runs the tests must not reach the server.
    const own = Object.entries(process.env).filter(([name]) => !name.startsWith("AFTERIMAGE_"));
    const env = Object.fromEntries(own);
    for (const [name, folder] of Object.entries(folders)) {
      env[name] = path.join(home, folder);
      await fs.mkdir(env[name]);
    }
    const child = spawn(
      binary,
      ["serve", originals, "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--config", configuration],
      { env, stdio: ["ignore", "pipe", "pipe"] },
    );
    return await greeted(child, home);
  } catch (error) {
    await fs.rm(home, { recursive: true, force: true });
    throw error;
  }
}

async function greeted(child, home) {
  let log = "";
  child.stderr.on("data", (bytes) => (log += bytes));
  const lines = readline.createInterface({ input: child.stdout });
  const base = await new Promise((resolve, reject) => {
    let greeting = "";
    const fail = (why) => {
      clearTimeout(timer);
      child.kill("SIGKILL");
      reject(new Error(`${why}\n${greeting}${log}`));
    };
    const timer = setTimeout(fail, READY_MS_MAX, "the server did not become ready");
    child.once("error", fail);
    child.once("exit", (code, signal) => fail(`the server ended with ${code ?? signal} before it was ready`));
    lines.on("line", (line) => {
      greeting += `${line}\n`;
      if (!line.startsWith("ready")) return;
      clearTimeout(timer);
      const address = /^pictures\s+(http:\/\/[^\s/]+)/m.exec(greeting);
      if (address) resolve(address[1]);
      else fail("the server did not say where its pictures are");
    });
  });
  child.removeAllListeners("exit");
  const ended = once(child, "exit");
  return {
    base,
    /** The folder of originals. */
    originals: path.join(home, "originals"),
    /** Ends it as an operator does, and fails unless it ends well. */
    async stop() {
      child.kill("SIGTERM");
      const [code, signal] = await ended;
      await fs.rm(home, { recursive: true, force: true });
      if (code !== 0) throw new Error(`the server ended with ${code ?? signal}\n${log}`);
    },
  };
}
