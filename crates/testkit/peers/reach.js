// Node's https. In: a URL, HTTPS_PROXY (which Node itself does not read before release 24). Out: the status; 1 when it is not reached.
const http = require("node:http");
const https = require("node:https");

const url = new URL(process.argv[2]);
const failed = (error) => { console.error(error.code, error.message); process.exit(1); };

function get(options) {
  https.get(url, { agent: false, timeout: 30000, ...options }, (answer) => {
    console.log(answer.statusCode);
    process.exit(answer.statusCode === 200 ? 0 : 1);
  }).on("error", failed).on("timeout", () => failed(new Error("timeout")));
}

if (process.env.HTTPS_PROXY) {
  const proxy = new URL(process.env.HTTPS_PROXY);
  const path = `${url.hostname}:${url.port || 443}`;
  http.request({ host: proxy.hostname, port: proxy.port, method: "CONNECT", path })
    .on("connect", (_, socket) => get({ socket, servername: url.hostname })).on("error", failed).end();
} else {
  get({});
}
