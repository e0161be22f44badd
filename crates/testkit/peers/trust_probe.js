// Node's TLS as a judge of trust anchors.
// In: lines "PORT CA-FILE" on standard input. Out: a line each, "ok" or "no REASON".
const fs = require("node:fs");
const tls = require("node:tls");

function probe(port, roots) {
  return new Promise((resolve) => {
    const ca = fs.readFileSync(roots);
    const socket = tls.connect({ host: "127.0.0.1", port: Number(port), servername: "localhost", ca, timeout: 20000 });
    const end = (answer) => { socket.destroy(); resolve(answer); };
    socket.on("secureConnect", () => end("ok"));
    socket.on("timeout", () => end("no timeout"));
    socket.on("error", (error) => end("no " + error.message.replaceAll("\n", " ")));
  });
}

(async () => {
  for (const line of fs.readFileSync(0, "utf8").trim().split("\n")) {
    console.log(await probe(...line.split(" ")));
  }
})();
