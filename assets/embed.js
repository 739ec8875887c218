// A pay button on somebody else's page:
//
//   <script src="https://pay.shop.example/embed.js" defer></script>
//   <div data-tillgate="the order's payment.url"></div>
//
// It shows what the order's payment page shows, in the browser's language, and leads there. It asks for no card and sees
// none; without it, or while the gateway cannot be reached, there is a plain link.
(() => {
  const own = new URL(document.currentScript.src).origin;
  const style = `
    a, span { display: inline-block; box-sizing: border-box; min-height: 3rem; padding: .75rem 1.5rem; border-radius: .7rem;
      font: 600 1rem/1.5rem system-ui, sans-serif; text-decoration: none; }
    a { background: #0a6b4d; color: #fff; }
    a:focus-visible { outline: 3px solid #0a6b4d; outline-offset: 3px; }
    span { border: 1px solid #8795a3; color: inherit; }`;
  const show = (place, address, { title, pay, shop }) => {
    const root = place.shadowRoot || place.attachShadow({ mode: "open" });
    const sheet = document.createElement("style");
    sheet.textContent = style;
    const button = document.createElement(pay ? "a" : "span");
    button.textContent = shop ? `${pay || title} · ${shop}` : pay || title;
    if (pay) button.href = address;
    else button.setAttribute("role", "status");
    root.replaceChildren(sheet, button);
  };
  const look = async (place) => {
    const address = new URL(place.dataset.tillgate, own);
    // A link of another gateway, or none at all, is not ours to follow.
    if (address.origin !== own || !address.pathname.startsWith("/pay/")) return;
    try {
      const answer = await fetch(`${address.href}/status`, { credentials: "omit", referrerPolicy: "no-referrer" });
      show(place, address.href, await answer.json());
    } catch {
      show(place, address.href, { pay: document.documentElement.lang.startsWith("en") ? "Pay" : "Оплатить" });
    }
  };
  const all = () => document.querySelectorAll("[data-tillgate]").forEach(look);
  all();
  // A buyer who comes back from the payment page sees the current state.
  addEventListener("pageshow", (event) => { if (event.persisted) all(); });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) all(); });
})();
