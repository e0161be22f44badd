// Node's fetch. In: SIDE_URL, SIDE_CA, SIDE_PROXY if there is one, UNDICI (the module that brings a proxy agent; else Node's own fetch as it is). Out: the bodies on standard output.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";

let fetch = globalThis.fetch;
let dispatcher;
if (process.env.UNDICI) {
  const undici = createRequire(import.meta.url)(process.env.UNDICI);
  const ca = readFileSync(process.env.SIDE_CA);
  const proxy = process.env.SIDE_PROXY;
  fetch = undici.fetch;
  dispatcher = proxy
    ? new undici.ProxyAgent({ uri: `http://${proxy}`, requestTls: { ca } })
    : new undici.Agent({ connect: { ca } });
}
const base = process.env.SIDE_URL;
const large = Buffer.from(await (await fetch(`${base}/bytes/700001`, { dispatcher })).arrayBuffer());
const sent = await fetch(`${base}/hash`, { method: "POST", body: large, dispatcher });
if (!sent.ok) throw new Error(`status ${sent.status}`);
process.stdout.write(large);
process.stdout.write(await sent.text());
await dispatcher?.close();
