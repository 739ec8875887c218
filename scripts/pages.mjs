// The scenario of scripts/pages: brings an order into every state that a buyer
// can see, and checks its pages.
import { createServer } from "node:http";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { SHOP, BANK, PICTURES, CHROMIUM } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const json = { "Content-Type": "application/json" };
const site = { ...json, Authorization: "Bearer key-of-the-pictured-site" };
const operator = { Authorization: "Bearer the-operators-token" };
let count = 0;

const until = async (what, look) => {
  const deadline = Date.now() + 20_000;
  for (;;) {
    const seen = await look().catch(() => undefined);
    if (seen) return seen;
    if (Date.now() > deadline) throw new Error(`${what} did not happen within 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};
const order = async (number) => (await fetch(`${SHOP}/v1/orders/${number}`, { headers: site })).json();
const inState = (number, state) =>
  until(`${number} in state ${state}`, async () => (await order(number)).payment.state === state);
const trouble = (wanted) =>
  fetch(`${BANK}/sandbox/troubles`, { method: "POST", headers: json, body: JSON.stringify(wanted) });

async function place(more = {}) {
  count += 1;
  const body = JSON.stringify({
    merchant_order_id: `A-${1000 + count}`,
    description: `Заказ A-${1000 + count}`,
    customer: { name: "Анна", email: "anna@example.org" },
    items: [
      { sku: "100201", name: "Молоко 3,2 %, 930 мл", quantity: "2", price: "129.90", vat: "RUS_VAT10" },
      { sku: "310077", name: "Сыр «Костромской»", quantity: "0.355", price: "899.00", vat: "RUS_VAT10" },
    ],
    fail_url: `${SHOP}/docs`,
    ...more,
  });
  const headers = { ...site, "Idempotency-Key": `key-${count}` };
  const answer = await fetch(`${SHOP}/v1/orders`, { method: "POST", headers, body });
  if (answer.status !== 201) throw new Error(await answer.text());
  const { number, payment } = await answer.json();
  return { number, pay: payment.url, back: payment.url.replace("/pay/", "/return/") };
}

/** The address of the payment page of an order, and what the buyer does there. */
const pageOf = async (placed) => (await fetch(placed.pay, { redirect: "manual" })).headers.get("location");
const act = async (placed, what) => fetch(`${await pageOf(placed)}/${what}`, { method: "POST", redirect: "manual" });

async function states() {
  await until("the gateway", async () => (await fetch(`${SHOP}/readyz`)).ok);
  const seen = {};
  const unpaid = await place();
  seen.unpaid = `${unpaid.back}?from=fail`;
  seen.waiting = unpaid.back;
  seen.slip = `${unpaid.pay}/slip`;
  seen.sandbox = await pageOf(unpaid);
  seen.embed_unpaid = `embed:${unpaid.pay}`;

  const paid = await place();
  await act(paid, "pay");
  await inState(paid.number, "paid");
  seen.paid = paid.back;
  seen.embed_paid = `embed:${paid.pay}`;

  const held = await place();
  await act(held, "hold");
  await inState(held.number, "held");
  seen.held = held.back;

  const refunded = await place();
  await act(refunded, "pay");
  await inState(refunded.number, "paid");
  const headers = { ...site, "Idempotency-Key": "refund" };
  await fetch(`${SHOP}/v1/orders/${refunded.number}/refunds`, { method: "POST", headers, body: "{}" });
  await inState(refunded.number, "refunded");
  seen.refunded = refunded.back;

  const review = await place();
  const page = await pageOf(review);
  await trouble({ on: "other", next: ["broken", "broken", "broken"] });
  const items = [{ sku: "1", name: "Чай", quantity: "1", price: "10.00", vat: "RUS_VAT10" }];
  await fetch(`${SHOP}/v1/orders/${review.number}`, { method: "PATCH", headers: site, body: JSON.stringify({ items }) });
  await fetch(`${page}/pay`, { method: "POST", redirect: "manual" });
  await inState(review.number, "review");
  await trouble({ on: "other", clear: true });
  seen.review = review.back;

  const cancelled = await place();
  await fetch(`${SHOP}/v1/orders/${cancelled.number}/cancel`, { method: "POST", headers: site });
  await inState(cancelled.number, "cancelled");
  seen.cancelled = cancelled.back;

  const expired = await place({ expires_at: new Date(Date.now() + 1500).toISOString() });
  await inState(expired.number, "expired");
  seen.expired = expired.back;

  await trouble({ on: "create", next: ["refused"] });
  const failed = await place();
  await inState(failed.number, "failed");
  seen.failed = failed.back;

  // The outcome is unknown: for two minutes the payment is only looked up.
  await trouble({ on: "create", next: ["broken"] });
  const preparing = await place();
  seen.preparing = preparing.pay;

  seen.unknown = `${SHOP}/pay/123456789012-nothing`;
  seen.docs = `${SHOP}/docs`;
  await fetch(`${SHOP}/admin/v1/orders`, { headers: operator });
  return seen;
}

/** Somebody else's page, with the two lines of the pay button. */
const embedding = createServer((request, response) => {
  const pay = decodeURIComponent(request.url.slice(1));
  const lang = (request.headers["accept-language"] || "ru").slice(0, 2);
  response.setHeader("Content-Type", "text/html; charset=utf-8");
  response.end(`<!doctype html><html lang="${lang}"><title>Лавка</title><meta name="viewport" content="width=device-width">
    <body style="font-family: sans-serif; margin: 2rem"><main><h1>Лавка</h1><p>A-1001</p>
    <script src="${SHOP}/embed.js" defer></script><div data-tillgate="${pay}"></div></main>`);
});
await new Promise((resolve) => embedding.listen(0, "127.0.0.1", resolve));
const elsewhere = `http://127.0.0.1:${embedding.address().port}/`;

const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
const seen = await states();
let faults = 0;
let pictures = 0;
for (const [lang, tongue] of [["ru", "ru-RU"], ["en", "en-GB"]]) {
  for (const [size, viewport] of [["phone", { width: 390, height: 844 }], ["desktop", { width: 1280, height: 800 }]]) {
    const context = await browser.newContext({ locale: tongue, viewport, deviceScaleFactor: size === "phone" ? 2 : 1, bypassCSP: true });
    for (const [name, address] of Object.entries(seen)) {
      const page = await context.newPage();
      const errors = [];
      page.on("pageerror", (error) => errors.push(String(error)));
      const url = address.startsWith("embed:") ? elsewhere + encodeURIComponent(address.slice(6)) : address;
      await page.goto(url, { waitUntil: "load" });
      if (address.startsWith("embed:")) await page.locator("[data-tillgate] >> css=a, span").first().waitFor();
      await page.screenshot({ path: `${PICTURES}/${name}-${size}-${lang}.png` });
      pictures += 1;
      await page.evaluate(axe);
      const { violations } = await page.evaluate(() => globalThis.axe.run());
      for (const { id, impact, help, nodes } of violations) {
        console.log(`${name} ${size} ${lang}: ${impact}: ${id}: ${help}: ${nodes[0].html.slice(0, 120)}`);
        if (impact === "serious" || impact === "critical") faults += 1;
      }
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
      if (wide) errors.push("the page is wider than the screen");
      for (const error of errors) {
        console.log(`${name} ${size} ${lang}: ${error}`);
        faults += 1;
      }
      await page.close();
    }
    await context.close();
  }
}
await browser.close();
embedding.close();
console.log(`${pictures} pictures in ${PICTURES}, ${faults} serious faults`);
process.exit(faults > 0 ? 1 : 0);
