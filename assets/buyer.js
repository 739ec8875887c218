// Follows the payment: when its state differs from the one that the page shows,
// the page is reloaded. Without this script, or when the connection fails, the
// page only does not update by itself.
(() => {
  const { events, state } = document.currentScript.dataset;
  const source = new EventSource(events);
  const note = document.querySelector(".live");
  source.addEventListener("open", () => { note.hidden = false; });
  source.addEventListener("error", () => {
    note.hidden = true;
    // Refused for good, as during a restart: look again the plain way.
    if (source.readyState === EventSource.CLOSED) setTimeout(() => location.replace(location.pathname + location.search), 5000);
  });
  source.addEventListener("state", (event) => {
    if (event.data === state) return;
    source.close();
    if (state === "preparing" && event.data === "ready") location.assign(location.pathname.replace("/return/", "/pay/"));
    else location.replace(location.pathname + location.search);
  });
})();
