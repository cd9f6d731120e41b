// Asks by a link or a QR code whether somebody is 20 or over. Needs Node 20.
// usage: VERIFIER=https://verifier.example API_KEY=… node agecheck.mjs
const { VERIFIER, API_KEY } = process.env;

async function api(path, options = {}) {
  const headers = { authorization: `Bearer ${API_KEY}`, "content-type": "application/json", ...options.headers };
  const response = await fetch(`${VERIFIER}/api/transactions${path}`, { ...options, headers });
  if (!response.ok) {
    const problem = await response.json();
    throw new Error(`${response.status} ${problem.reason}: ${problem.detail}`);
  }
  return response;
}

const created = await api("", {
  method: "POST",
  headers: { "idempotency-key": crypto.randomUUID() },
  body: JSON.stringify({ preset: "age_check", flow: "cross_device", acknowledge: true }),
});
const { id, link } = await created.json();
console.log(link); // show this as a QR code

// Server-sent events say when a wallet has answered. A stream ends after 20
// seconds at most.
let state = "waiting";
while (state === "waiting") {
  const events = await (await api(`/${id}/events`)).text();
  state = JSON.parse(events.match(/data: .*/g).at(-1).slice("data: ".length)).state;
}

const result = await (await api(`/${id}`)).json();
console.log(JSON.stringify(result));
await api(`/${id}`, { method: "DELETE" }); // acknowledges: nothing of it is kept
process.exit(result.state === "verified" ? 0 : 1);
