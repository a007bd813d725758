// Stands before the gateway and adds the key, which the conformance suite can't send. Everything else passes as it is: the
// suite's Host and Origin too, which it expects to be checked.
import http from "node:http";

const gateway = new URL(process.env.HEADGATE_URL);
const authorization = `Bearer ${process.env.HEADGATE_ADMIN_KEY}`;

http.createServer((request, response) => {
  const asked = http.request({
    host: gateway.hostname, port: gateway.port, path: request.url, method: request.method,
    headers: { ...request.headers, authorization },
  }, (answer) => {
    response.writeHead(answer.statusCode, answer.headers);
    answer.pipe(response);
  });
  asked.on("error", () => response.destroy());
  response.on("close", () => asked.destroy());
  request.pipe(asked);
}).listen(Number(process.env.PROXY_PORT), "127.0.0.1");
