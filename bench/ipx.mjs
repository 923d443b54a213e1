// ipx on loopback, over a folder: node ipx.mjs FOLDER PORT. Its own sharp (see package-lock.json), one libuv thread per core.
import { createServer } from "node:http";
import { createIPX, createIPXNodeServer, ipxFSStorage } from "ipx";

const [, , folder, port] = process.argv;
const ipx = createIPX({ storage: ipxFSStorage({ dir: folder }) });
createServer(createIPXNodeServer(ipx)).listen(Number(port), "127.0.0.1");
