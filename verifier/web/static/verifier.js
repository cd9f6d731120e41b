// The waiting page asks whether the wallet has answered, and is replaced only
// then, so that neither focus nor a screen reader loses its place.
async function changed() {
  const answer = await fetch(location.href, { redirect: "manual", cache: "no-store" });
  if (answer.type === "opaqueredirect") return true;
  if (answer.status >= 500) return false;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  return page.getElementById("state")?.dataset.state !== "waiting";
}

async function watch() {
  // Without a network there is nothing to say; ask again.
  if (await changed().catch(() => false)) location.reload();
  else setTimeout(watch, 2000);
}

if (document.documentElement.dataset.watch !== undefined) setTimeout(watch, 2000);
