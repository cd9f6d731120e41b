// The waiting page listens for the wallet's answer, and is replaced only then, so
// that neither focus nor a screen reader loses its place. Where no events come
// through, it asks again and again.
const page = document.documentElement;

async function changed() {
  const answer = await fetch(location.href, { redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") return true;
  if (answer.status >= 500) return false;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  return next.getElementById("state")?.dataset.state !== "waiting";
}

async function ask() {
  page.dataset.watch = "asking";
  // Without a network there is nothing to say; ask again.
  if (await changed().catch(() => false)) location.reload();
  else setTimeout(ask, 2000);
}

function listen() {
  const events = new EventSource(location.pathname + "/events");
  const giveUp = () => { events.close(); ask(); };
  // What stands in between may keep the events to itself.
  const late = setTimeout(giveUp, 3000);
  events.addEventListener("state", (event) => {
    clearTimeout(late);
    page.dataset.watch = "listening";
    if (JSON.parse(event.data).state === "waiting") return;
    events.close();
    location.reload();
  });
  // It connects again by itself, unless it was refused.
  events.addEventListener("error", () => {
    if (events.readyState !== EventSource.CLOSED) return;
    clearTimeout(late);
    giveUp();
  });
}

if (page.dataset.watch !== undefined) listen();
