"use strict";
// The pages work without this script.

// A page that the browser remembers may show a person's data after the
// procedure has ended; the server knows better.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});

// A second press while the first is under way would take its answer, or begin
// another procedure.
let sent = 0;
addEventListener("submit", (event) => {
  if (Date.now() - sent < 10000) event.preventDefault();
  else sent = Date.now();
});
