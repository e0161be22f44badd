// Which of several servers Node trusts, for each way to give it roots. In: ports with commas, then WAY=FILE each, WAY `ca` (the option)
// or `default` (as NODE_EXTRA_CA_CERTS says). Out: a line for each WAY=FILE: 1 (trusted) or 0 for each port.
import { readFileSync } from "node:fs";
import tls from "node:tls";

const [ports, ...files] = process.argv.slice(2);
const verdicts = new Set([
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY", "UNABLE_TO_VERIFY_LEAF_SIGNATURE", "CERT_REJECTED", "CERT_UNTRUSTED", "INVALID_PURPOSE",
  "SELF_SIGNED_CERT_IN_CHAIN", "DEPTH_ZERO_SELF_SIGNED_CERT", "INVALID_CA", "CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID",
]);

function trusts(options, port) {
  return new Promise((resolve, reject) => {
    let socket;
    try {
      socket = tls.connect({ host: "127.0.0.1", port, servername: "localhost", ...options });
    } catch {
      return resolve("0"); // The context could not be made of this file.
    }
    socket.once("secureConnect", () => { socket.destroy(); resolve("1"); });
    socket.once("error", (error) => (verdicts.has(error.code) ? resolve("0") : reject(error)));
  });
}

for (const argument of files) {
  const at = argument.indexOf("=");
  const options = argument.slice(0, at) === "ca" ? { ca: readFileSync(argument.slice(at + 1)) } : {};
  let line = "";
  for (const port of ports.split(",")) line += await trusts(options, Number(port));
  console.log(line);
}
