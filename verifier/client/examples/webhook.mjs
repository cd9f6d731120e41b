// Takes what the verifier sends to a webhook, behind a proxy that ends TLS. Needs Node 20.
// usage: VERIFIER=https://verifier.example PARTY=bank-tegata PORT=8080 node webhook.mjs
import { createPublicKey, verify } from "node:crypto";
import { createServer } from "node:http";

const { VERIFIER, PARTY, PORT } = process.env;
const EVENT = "urn:tegata:verifier:event:transaction:1";
class Refused extends Error {}

// The keys are asked for again after five minutes, and when a new one signs.
let keys = [];
let asked = 0;
async function keyOf(kid) {
  const find = () => keys.find((key) => key.kid === kid && key.use === "sig" && key.alg === "ES256");
  const age = Date.now() - asked;
  if (age > 300_000 || (!find() && age > 10_000)) {
    const response = await fetch(`${VERIFIER}/webhooks/jwks`);
    if (!response.ok) throw new Error(`keys: ${response.status}`);
    ({ keys } = await response.json());
    asked = Date.now();
  }
  return find();
}

async function read(token) {
  const parts = token.split(".");
  if (parts.length !== 3) throw new Refused("no token");
  const [header, claims] = parts.slice(0, 2).map((part) => JSON.parse(Buffer.from(part, "base64url")));
  if (header.alg !== "ES256" || header.typ !== "secevent+jwt") throw new Refused("another kind of token");
  const jwk = await keyOf(header.kid);
  if (!jwk) throw new Refused("another key");
  const key = { key: createPublicKey({ key: jwk, format: "jwk" }), dsaEncoding: "ieee-p1363" };
  if (!verify("sha256", Buffer.from(`${parts[0]}.${parts[1]}`), key, Buffer.from(parts[2], "base64url"))) throw new Refused("signature");
  if (claims.iss !== VERIFIER || claims.aud !== PARTY) throw new Refused("from or for somebody else");
  if (!(Math.abs(Date.now() / 1000 - claims.iat) <= 300)) throw new Refused("not of now");
  return { id: claims.jti, ...claims.events[EVENT] };
}

const seen = new Set(); // in a database, together with the work to be done
createServer(async (request, response) => {
  let status = 202;
  try {
    const chunks = [];
    for await (const chunk of request) if (chunks.push(chunk) > 16) throw new Refused("too long");
    if (request.method !== "POST" || request.headers["content-type"] !== "application/secevent+jwt") throw new Refused("no message");
    const { id, transaction, state } = await read(Buffer.concat(chunks).toString());
    if (!seen.has(id)) console.log(transaction, state); // get the result, outside of this request
    seen.add(id);
  } catch (error) {
    status = error instanceof Refused || error instanceof SyntaxError || error instanceof TypeError ? 400 : 503; // 503: it is sent again
    console.error(error.message);
  }
  response.writeHead(status).end();
}).listen(Number(PORT), "127.0.0.1");
