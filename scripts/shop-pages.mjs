// The scenarios of scripts/shop-pages.
import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const { SHOP, BANK, SMS_PORT, LETTERS, PICTURES, PATHS, CHROMIUM } = process.env;
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const PASSWORD = "верный конь везёт сено";
const WORDS = {
  ru: { register: "Зарегистрировать", registered: "Вы зарегистрированы", logIn: "Войти", logOut: "Выйти", end: "Завершить", change: "Сменить пароль", data: "Изменить данные", save: "Сохранить", verify: "Подтвердить адрес", verified: "Адрес подтверждён", notVerified: "не подтверждён", again: "Отправить письмо ещё раз", forgotten: "Забыли пароль?", send: "Прислать письмо", set: "Задать пароль", phone: "Подтвердить телефон", confirm: "Подтвердить", balance: "21,00\u00a0₽", operations: "Операции", older: "Более ранние операции", account: "Личный кабинет", wishes: "Уведомления", find: "Найти", add: "Добавить в корзину", cart: "Моя корзина", changeLine: "Изменить", removeLine: "Удалить товар из корзины", remove: "Удалить", orders: "Мои заказы", stock: "В наличии:", milk: "89,90\u00a0₽", two: "134,90\u00a0₽", four: "314,70\u00a0₽", three: "269,70\u00a0₽", checkOut: "Оформить заказ", byCourier: "Доставка курьером", atPoint: "Забрать товар на пункте выдачи", pay: "Оплатить заказ", agree: "Подтвердить стоимость доставки", options: "Показать варианты", cost: "199,00\u00a0₽", withDelivery: "468,70\u00a0₽", changeDelivery: "Изменить доставку", chooseWay: "Выберите, как получить заказ", time: "Время доставки", card: "Банковской картой", sbp: "Через систему быстрых платежей", wallet: "Из кошелька", payNow: "Оплатить", paid: "Оплачено", short: "не хватает", cancelOrder: "Отменить заказ", canceled: "отменён" },
  en: { register: "Register", registered: "You are registered", logIn: "Log in", logOut: "Log out", end: "End", change: "Change the password", data: "Change your data", save: "Save", verify: "Confirm the address", verified: "The address is confirmed", notVerified: "is not confirmed", again: "Send the letter again", forgotten: "Forgotten your password?", send: "Send the letter", set: "Choose the password", phone: "Confirm the phone", confirm: "Confirm", balance: "₽21.00", operations: "Operations", older: "Earlier operations", account: "My account", wishes: "Notifications", find: "Find", add: "Add to the basket", cart: "My basket", changeLine: "Change", removeLine: "Remove from the basket", remove: "Remove", orders: "My orders", stock: "In stock:", milk: "₽89.90", two: "₽134.90", four: "₽314.70", three: "₽269.70", checkOut: "Check out", byCourier: "Delivery by courier", atPoint: "Collect at a pickup point", pay: "Pay for the order", agree: "Confirm the delivery cost", options: "Show the options", cost: "₽199.00", withDelivery: "₽468.70", changeDelivery: "Change the delivery", chooseWay: "Choose how the order comes", time: "Delivery time", card: "By bank card", sbp: "By the faster payments system (SBP)", wallet: "From the wallet", payNow: "Pay", paid: "Paid", short: "not enough", cancelOrder: "Cancel the order", canceled: "cancelled" },
};
let count = 0;
let faults = 0;
let pictures = 0;

const ready = async () => {
  const deadline = Date.now() + 20_000;
  while (!(await fetch(`${SHOP}/readyz`).catch(() => undefined))?.ok) {
    if (Date.now() > deadline) throw new Error("the shop did not start within 20 s");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
};

/** The provider of short messages: keeps the last text to each number. */
const messages = new Map();
const provider = createServer((request, response) => {
  let body = "";
  request.on("data", (part) => (body += part));
  request.on("end", () => {
    const { to, text } = JSON.parse(body);
    messages.set(to, text);
    response.writeHead(202).end();
  });
}).listen(Number(SMS_PORT), "127.0.0.1");

/** Waits for a short message. Returns its code. */
async function code(number) {
  const deadline = Date.now() + 20_000;
  while (!messages.has(number)) {
    if (Date.now() > deadline) throw new Error(`no message to ${number} within 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  return messages.get(number).match(/\d{6}/)[0];
}

/** The letters to an address so far. */
const lettersTo = (address) => readFileSync(LETTERS, "utf8").split("\n").filter(Boolean).map(JSON.parse).filter(({ to }) => to === address);

/** Waits for the nth letter to an address, counted from 1. Returns its link. */
async function link(address, number) {
  const deadline = Date.now() + 20_000;
  while (lettersTo(address).length < number) {
    if (Date.now() > deadline) throw new Error(`letter ${number} to ${address} did not arrive within 20 s`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const letter = lettersTo(address)[number - 1];
  const [found] = letter.text.match(/http\S+/);
  assert.ok(letter.html.includes(`href="${found}"`), "both parts of a letter have the link");
  return found;
}

/** The operator gives a rouble to a client's wallet. */
async function credit(username, number) {
  const headers = { authorization: "Bearer token-of-the-operator", "content-type": "application/json", "idempotency-key": `${username}-${number}` };
  const body = JSON.stringify({ amount: 1, reason: `Спасибо за ожидание ${number}` });
  const given = await fetch(`${SHOP}/admin/v1/shop/wallets/${username}/credits`, { method: "POST", headers, body });
  assert.equal(given.status, 200, await given.text());
}

/** Follows a link of a page, by its words. */
async function follow(page, path, name) {
  const anchor = page.getByRole("link", { name, exact: true });
  if (path.hands === "keyboard") {
    await anchor.focus();
    await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  } else await Promise.all([page.waitForEvent("load"), anchor.click()]);
}

/** Takes a picture of a page, and checks its accessibility. */
async function look(page, path, name) {
  await page.screenshot({ path: `${PICTURES}/${name}-${path.name}.png`, fullPage: true });
  pictures += 1;
  if (!path.scripts) return; // axe is a script
  // The page's own rules of what is loaded stay in force: the protocol of the
  // browser's tools is not bound by them.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => globalThis.axe.run());
  for (const { id, impact, help, nodes } of violations) {
    console.log(`${name} ${path.name}: ${impact}: ${id}: ${help}: ${nodes[0].html.slice(0, 120)}`);
    if (impact === "serious" || impact === "critical") faults += 1;
  }
  if (await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)) {
    console.log(`${name} ${path.name}: the page is wider than the screen`);
    faults += 1;
  }
}

/** Fills in a form as a person does: field by field, with the mouse or the keyboard. */
async function fill(page, path, values) {
  for (const [name, value] of Object.entries(values)) {
    const field = page.locator(`[name="${name}"]`);
    if (path.hands === "keyboard") {
      await tabTo(page, name);
      if (value === true) await page.keyboard.press("Space");
      else {
        await page.keyboard.press("Control+A");
        await page.keyboard.type(value);
      }
    } else if (value === true) await field.check();
    else await field.fill(value);
  }
}

const focused = (page) => page.evaluate(() => document.activeElement?.name || document.activeElement?.type || "");

async function tabTo(page, wanted) {
  for (let step = 0; step < 40; step += 1) {
    if ((await focused(page)) === wanted) return;
    await page.keyboard.press("Tab");
  }
  throw new Error(`the keyboard does not reach ${wanted}`);
}

async function press(page, path, name) {
  const button = page.getByRole("button", { name, exact: true });
  if (path.hands === "keyboard") {
    await button.focus();
    await Promise.all([page.waitForEvent("load"), page.keyboard.press("Enter")]);
  } else await Promise.all([page.waitForEvent("load"), button.click()]);
}

/** Scenario 1: registration of a new client; then a log-in on another device. */
async function register(browser, path) {
  const words = WORDS[path.lang];
  count += 1;
  const email = `buyer${count}@example.org`;
  const context = await browser.newContext(path.options);
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    console.log(`${path.name}: ${error}`);
    faults += 1;
  });
  await page.goto(`${SHOP}/login`);
  await follow(page, path, path.lang === "ru" ? "Зарегистрироваться" : "Register");
  await page.waitForURL("**/register");
  for (const name of ["firstName", "password", "email", "phone"]) {
    assert.ok(await page.locator(`[name="${name}"]`).isVisible(), name);
  }
  assert.equal(await page.locator('[name="password"]').getAttribute("type"), "password");
  const button = page.getByRole("button", { name: words.register, exact: true });
  await look(page, path, "register");
  if (path.scripts) assert.ok(await button.isDisabled(), "the button waits for the form");

  await fill(page, path, { firstName: "Анна", password: PASSWORD, email, phone: `+7 999 000-00-${10 + count}` });
  if (path.scripts) assert.ok(await button.isDisabled(), "the consent is missing");
  await fill(page, path, { consent: true });
  assert.ok(await button.isEnabled(), "the form is complete");
  await look(page, path, "register-filled");
  await press(page, path, words.register);
  await page.waitForURL("**/account?new");
  assert.ok((await page.content()).includes(words.registered));
  await look(page, path, "registered");

  // The address is confirmed by the link of the letter, and the button behind it.
  assert.ok((await page.content()).includes(words.notVerified));
  const first = await link(email, 1);
  await press(page, path, words.again);
  await look(page, path, "letter-sent");
  const second = await link(email, 2);
  assert.notEqual(first, second);
  await page.goto(second);
  await look(page, path, "verify");
  await press(page, path, words.verify);
  assert.ok((await page.content()).includes(words.verified));
  await look(page, path, "verified");
  await page.goto(`${SHOP}/account`);
  assert.ok(!(await page.content()).includes(words.notVerified));

  // The telephone number is confirmed by a code.
  await press(page, path, words.phone);
  await look(page, path, "phone-code");
  const sent = await code(`+799900000${10 + count}`);
  await fill(page, path, { code: sent === "123456" ? "123457" : "123456" });
  await press(page, path, words.confirm);
  assert.ok((await page.locator("#code-fault").textContent()).length > 0);
  await look(page, path, "phone-wrong");
  await fill(page, path, { code: sent });
  await press(page, path, words.confirm);
  await page.waitForURL("**/account");
  assert.equal(await page.getByRole("button", { name: words.phone, exact: true }).count(), 0);

  // The client's own data: a mistake is shown at its field.
  await follow(page, path, words.data);
  assert.equal(await page.locator('[name="email"]').inputValue(), email);
  await fill(page, path, { lastName: "Иванова", phone: "12" });
  await press(page, path, words.save);
  assert.ok((await page.locator("#phone-fault").textContent()).length > 0);
  await look(page, path, "data-mistake");
  await fill(page, path, { phone: "+7 999 000-11-22" });
  await press(page, path, words.save);
  await page.waitForURL("**/account");
  assert.ok((await page.content()).includes("Иванова"));
  await look(page, path, "account-own");
  await press(page, path, words.logOut);
  await page.waitForURL("**/login");
  await context.close();

  const other = await browser.newContext(path.options);
  const device = await other.newPage();
  await device.goto(`${SHOP}/login`);
  await look(device, path, "login");
  await fill(device, path, { username: email, password: "неверный пароль" });
  await press(device, path, words.logIn);
  assert.ok(await device.getByRole("alert").isVisible(), "a wrong password is refused");
  await look(device, path, "login-wrong");
  await fill(device, path, { username: email, password: PASSWORD });
  await press(device, path, words.logIn);
  await device.waitForURL("**/account");
  assert.ok((await device.content()).includes(email));

  // A third device logs in; the second one sees and ends its session.
  const third = await browser.newContext({ ...path.options, userAgent: "Third device" });
  const lent = await third.newPage();
  await lent.goto(`${SHOP}/login`);
  await fill(lent, path, { username: email, password: PASSWORD });
  await press(lent, path, words.logIn);
  await device.goto(`${SHOP}/account`);
  await look(device, path, "account");
  await press(device, path, `${words.end}: Third device`);
  assert.ok(!(await device.content()).includes("Third device"), "its session has ended");
  await lent.goto(`${SHOP}/account`);
  await lent.waitForURL("**/login");
  await third.close();

  // The client switches off letters about the wallet: the next letter is another one.
  const username = await device.locator("dl dd").first().innerText();
  await follow(device, path, words.wishes);
  await look(device, path, "wishes");
  const box = device.locator("#wallet");
  if (path.hands === "keyboard") {
    await box.focus();
    await device.keyboard.press("Space");
  } else await box.uncheck();
  await press(device, path, words.save);
  await device.waitForURL("**/account");

  // The shop gives money to the wallet; the client sees how much, and why.
  for (let number = 1; number <= 21; number += 1) await credit(username, number);
  await device.goto(`${SHOP}/account`);
  assert.ok((await device.locator(".balance").innerText()) === words.balance, "the account shows the balance");
  await follow(device, path, words.operations);
  assert.ok((await device.content()).includes("Спасибо за ожидание 21"), "the reason is shown");
  await look(device, path, "wallet");
  await follow(device, path, words.older);
  assert.ok((await device.content()).includes("Спасибо за ожидание 1<"), "the first one is on the next page");
  await look(device, path, "wallet-older");
  await follow(device, path, words.account);

  // The password is changed; a weak one is refused at its field.
  await follow(device, path, words.change);
  await fill(device, path, { password: PASSWORD, newPassword: "qwerty1234" });
  await press(device, path, words.change);
  assert.ok((await device.locator("#newPassword-fault").textContent()).length > 0);
  await look(device, path, "password-weak");
  await fill(device, path, { password: PASSWORD, newPassword: "lantern-copper-77-road" });
  await press(device, path, words.change);
  await device.waitForURL("**/account");
  assert.equal(await device.getByRole("alert").count(), 0);
  await other.close();

  // A forgotten password is replaced by the link of a letter.
  const forgetful = await browser.newContext(path.options);
  const reader = await forgetful.newPage();
  await reader.goto(`${SHOP}/login`);
  await follow(reader, path, words.forgotten);
  await look(reader, path, "forgotten");
  await fill(reader, path, { username: email });
  await press(reader, path, words.send);
  assert.ok(await reader.getByRole("status").isVisible());
  await look(reader, path, "reset-sent");
  await reader.goto(await link(email, 3));
  await fill(reader, path, { password: "qwerty1234" });
  await press(reader, path, words.set);
  assert.ok((await reader.locator("#password-fault").textContent()).length > 0);
  await look(reader, path, "reset-weak");
  await fill(reader, path, { password: "window-garden-31-lamp" });
  await press(reader, path, words.set);
  await reader.waitForURL("**/account");
  assert.ok((await reader.content()).includes(email));
  await forgetful.close();
}

/** Searches for something, and opens the page of a product that is found. */
async function open(page, path, query, name) {
  await fill(page, path, { query });
  await press(page, path, WORDS[path.lang].find);
  await follow(page, path, name);
}

/** Scenarios 2 to 5: a product is searched for and put into the basket, another one is added, one is removed; the order is delivered. */
async function buy(browser, path) {
  const words = WORDS[path.lang];
  count += 1;
  const username = `buyer-${count}`;
  const body = JSON.stringify({ username, password: PASSWORD, email: `${username}@example.org` });
  const registered = await fetch(`${SHOP}/shop/auth/register`, { method: "POST", headers: { "content-type": "application/json" }, body });
  assert.equal(registered.status, 200, await registered.text());
  const context = await browser.newContext(path.options);
  const page = await context.newPage();
  page.on("pageerror", (error) => {
    console.log(`${path.name}: ${error}`);
    faults += 1;
  });
  page.on("request", (request) => {
    // The buyer pays at the payment system's own page.
    if (request.url().startsWith(SHOP) || request.url().startsWith(BANK)) return;
    console.log(`${path.name}: a request leaves the shop: ${request.url()}`);
    faults += 1;
  });

  // A card has the name, the price, and the shops that have it.
  await page.goto(SHOP);
  await look(page, path, "home");
  await fill(page, path, { query: "малоко" });
  await press(page, path, words.find);
  const card = page.locator(".card");
  assert.equal(await card.count(), 1, "a word with a typo is found");
  for (const shown of ["Молоко топлёное 1 л", words.milk, words.stock, "На Тверской", "На Арбате"]) {
    assert.ok((await card.innerText()).includes(shown), shown);
  }
  await look(page, path, "search");
  await follow(page, path, "Молоко топлёное 1 л");
  assert.ok((await page.content()).includes("Томлёное в печи."));
  const picture = page.getByRole("img", { name: "Молоко топлёное 1 л", exact: true });
  if (path.scripts) await until(() => picture.evaluate((image) => image.complete && image.naturalWidth === 640), "the picture is shown");
  await look(page, path, "goods");
  await weigh(page, path);

  // Who is not logged in is led through the log-in to the basket, with the product in it.
  await press(page, path, words.add);
  await page.waitForURL("**/login?next=**");
  await fill(page, path, { username, password: PASSWORD });
  await press(page, path, words.logIn);
  await page.waitForURL("**/cart");
  assert.equal(await page.locator(".lines > li").count(), 1);
  await open(page, path, "хлеба", "Хлеб ржаной");
  await press(page, path, words.add);
  await page.waitForURL("**/cart");
  assert.equal(await page.locator(".lines > li").count(), 2);
  const text = await page.locator("main").innerText();
  for (const shown of ["Молоко топлёное 1 л", "Хлеб ржаной", words.milk, words.two]) assert.ok(text.includes(shown), shown);
  await look(page, path, "cart");

  // The quantity is changed; a window with the basket of before changes nothing.
  const late = await context.newPage();
  await late.goto(`${SHOP}/cart`);
  await set(page, path, "Молоко топлёное 1 л", "3");
  assert.ok((await page.locator("main").innerText()).includes(words.four));
  await set(late, path, "Хлеб ржаной", "7");
  assert.ok(await late.getByRole("alert").isVisible(), "the other window is warned");
  assert.ok((await late.locator("main").innerText()).includes(words.four), "it shows what is there now");
  await look(late, path, "cart-changed");
  await late.close();

  // A product is removed after a question.
  await page.goto(`${SHOP}/cart`);
  const link = page.getByRole("link", { name: `${words.removeLine}: Хлеб ржаной`, exact: true });
  if (path.hands === "keyboard") {
    await link.focus();
    await page.keyboard.press("Enter");
  } else await link.click();
  const button = page.getByRole("button", { name: words.remove, exact: true });
  await button.waitFor();
  await look(page, path, "cart-remove");
  await press(page, path, words.remove);
  await page.waitForURL("**/cart");
  assert.equal(await page.locator(".lines > li").count(), 1);
  assert.ok((await page.locator("main").innerText()).includes(words.three));
  await follow(page, path, words.orders);
  assert.ok((await page.locator("main").innerText()).includes(words.three));
  await look(page, path, "orders");
  await checkOut(page, path);
  await payOrder(page, path);
  await context.close();
}

/** Scenario 5: the order is to be fetched at a point; then a courier is to bring it. */
async function checkOut(page, path) {
  const words = WORDS[path.lang];
  const main = page.locator("main");
  const pay = page.getByRole("button", { name: words.pay, exact: true });
  const way = (name) => page.getByRole("radio", { name, exact: true });

  // «Оформить заказ» opens a form with two ways.
  await page.goto(`${SHOP}/cart`);
  await press(page, path, words.checkOut);
  await page.waitForURL("**/checkout");
  for (const name of [words.byCourier, words.atPoint]) assert.ok(await way(name).isVisible(), name);
  await look(page, path, "checkout");
  if (path.scripts) assert.ok(await pay.isDisabled(), "the button waits");
  else {
    await press(page, path, words.pay);
    assert.ok((await page.getByRole("alert").innerText()).includes(words.chooseWay), "the server says what is missing");
  }

  // «Забрать товар на пункте выдачи» wakes the list; a point in it wakes the button.
  await choose(page, path, way(words.atPoint));
  const filter = page.locator("#filter");
  if (path.scripts) assert.ok(await page.locator("#address").isHidden(), "only the chosen way is shown");
  await write(page, path, filter, "улица королева");
  if (!path.scripts) await Promise.all([page.waitForEvent("load"), page.locator('button[value="points"]').click()]);
  const points = page.locator('#points input[type="radio"]');
  await until(async () => (await points.count()) === 1, "the list has the point that was written");
  if (path.scripts) {
    await write(page, path, filter, "Омск");
    await until(async () => (await points.count()) === 0, "there is no point in Omsk");
    assert.ok(await pay.isDisabled(), "no point is there: the button waits");
    await write(page, path, filter, "улица королева");
    await until(async () => (await points.count()) === 1, "the point is there again");
  }
  if (path.scripts) assert.ok(await pay.isDisabled(), "no point is chosen");
  await choose(page, path, points.first());
  await look(page, path, "checkout-point");
  if (path.scripts) assert.ok(await pay.isEnabled(), "the button is awake");
  await press(page, path, words.pay);
  await page.waitForURL("**/checkout/pay");
  assert.ok((await main.innerText()).includes("У метро"));
  assert.ok((await main.innerText()).includes(words.three));
  await look(page, path, "ready-point");

  // «Доставка курьером»: the address and a company bring the cost and its box; the box wakes the button.
  await follow(page, path, words.changeDelivery);
  await page.waitForURL("**/checkout");
  await choose(page, path, way(words.byCourier));
  await write(page, path, page.locator("#address"), "170100, Тверь, Советская, 1");
  if (!path.scripts) await press(page, path, words.options);
  await until(() => page.locator("#couriers [role=alert]").isVisible(), "nobody delivers to Tver");
  await look(page, path, "checkout-outside");
  if (path.scripts) assert.ok(await pay.isDisabled(), "nobody delivers: the button waits");
  await write(page, path, page.locator("#address"), "125009, Москва, Тверская улица, 1");
  if (!path.scripts) await press(page, path, words.options);
  const own = page.locator(".variant").filter({ hasText: "Свои курьеры" });
  await until(() => own.isVisible(), "companies that deliver there");
  if (path.scripts) assert.ok(await own.getByText(words.cost).isHidden(), "no company is chosen");
  await choose(page, path, own.getByRole("radio"));
  await until(() => own.getByText(words.cost).isVisible(), "the cost");
  const time = own.getByRole("combobox");
  await time.selectOption({ index: 1 });
  const agree = own.getByRole("checkbox", { name: words.agree, exact: true });
  assert.ok(await agree.isVisible(), "the box of the cost");
  if (path.scripts) assert.ok(await pay.isDisabled(), "the cost is not confirmed");
  await choose(page, path, agree);
  await look(page, path, "checkout-courier");
  if (path.scripts) assert.ok(await pay.isEnabled(), "the button is awake");
  await press(page, path, words.pay);
  await page.waitForURL("**/checkout/pay");
  for (const shown of [words.cost, words.withDelivery, "Тверская улица"]) assert.ok((await main.innerText()).includes(shown), shown);
  await look(page, path, "ready-courier");
}

/** Scenario 6: a bank card pays, the order is agreed on, and withdrawn; another is paid by SBP. */
async function payOrder(page, path) {
  const words = WORDS[path.lang];
  const main = page.locator("main");
  const pay = page.getByRole("button", { name: words.payNow, exact: true });
  const means = (name) => page.getByRole("radio", { name, exact: true });

  // «Выбор способа оплаты»: what is too little cannot be chosen, and the button waits for a choice.
  for (const name of [words.card, words.sbp]) assert.ok(await means(name).isEnabled(), name);
  assert.ok(await means(words.wallet).isDisabled(), "the wallet holds too little");
  assert.ok((await main.innerText()).includes(words.short));
  if (path.scripts) assert.ok(await pay.isDisabled(), "nothing is chosen: the button waits");
  else {
    await press(page, path, words.payNow);
    await page.getByRole("alert").waitFor();
  }
  await choose(page, path, means(words.card));
  await look(page, path, "pay");
  await press(page, path, words.payNow);
  await atBank(page, path);
  await page.waitForURL("**/orders/*");
  // The page follows by itself until the order is agreed on.
  await page.getByText(words.paid, { exact: true }).waitFor({ timeout: 20_000 });
  await look(page, path, "paid");
  await press(page, path, words.cancelOrder);
  await until(async () => (await main.innerText()).includes(words.canceled), "the order is withdrawn");
  await look(page, path, "withdrawn");
}

/** The payment system's page, which is the sandbox's. */
async function atBank(page, path) {
  const isThere = () => page.url().startsWith(`${BANK}/order/`);
  await until(() => isThere() || page.url().includes("/pay/"), "the buyer is sent away");
  // A payment that waits for its buyer is created by the button of our own page.
  if (!isThere()) await page.locator('form[method="post"] button').first().click();
  await until(isThere, "the payment system's page");
  await page.locator("button.go").click();
}

/** Waits until something is so. */
async function until(isSo, what) {
  const deadline = Date.now() + 20_000;
  while (!(await isSo())) {
    if (Date.now() > deadline) throw new Error(`not within 20 s: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Chooses a radio button or a box. */
async function choose(page, path, field) {
  if (path.hands === "keyboard") {
    await field.focus();
    await page.keyboard.press("Space");
  } else await field.check();
}

/** Writes into a field, letter by letter. */
async function write(page, path, field, text) {
  if (path.hands === "keyboard") {
    await field.focus();
    await page.keyboard.press("Control+A");
    await page.keyboard.type(text);
  } else await field.fill(text);
}

/** The first view of a page is small, and nothing moves in it. */
async function weigh(page, path) {
  let bytes = 0;
  let script = 0;
  const count = async (response) => {
    const { length } = await response.body();
    bytes += length;
    if (response.url().endsWith(".js")) script += length;
  };
  const counted = [];
  const seen = (response) => counted.push(count(response));
  page.on("response", seen);
  await page.reload({ waitUntil: "networkidle" });
  page.off("response", seen);
  await Promise.all(counted);
  assert.ok(bytes > 1000 && bytes <= 120_000, `${bytes} bytes`);
  assert.ok(script <= 20_000, `${script} bytes of script`);
  if (!path.scripts) return;
  assert.equal(await shift(page), 0, "nothing moves after the first paint");
}

/** How far the parts of a page have moved without the client's doing. */
const shift = (page) =>
  page.evaluate(
    () =>
      new Promise((resolve) => {
        let sum = 0;
        new PerformanceObserver((list) => {
          for (const { hadRecentInput, value } of list.getEntries()) sum += hadRecentInput ? 0 : value;
        }).observe({ type: "layout-shift", buffered: true });
        requestAnimationFrame(() => setTimeout(() => resolve(sum), 0));
      }),
  );

/** Sets the quantity of a product in the basket. */
async function set(page, path, name, quantity) {
  const line = page.locator(".lines > li").filter({ hasText: name });
  const field = line.locator('input[type="number"]');
  if (path.hands === "keyboard") {
    await field.focus();
    await page.keyboard.press("Control+A");
    await page.keyboard.type(quantity);
  } else await field.fill(quantity);
  await press(page, path, `${WORDS[path.lang].changeLine}: ${name}`);
}

const sizes = { phone: { width: 390, height: 844 }, desktop: { width: 1280, height: 800 } };
const locales = { ru: "ru-RU", en: "en-GB" };
const paths = [];
for (const lang of ["ru", "en"]) {
  for (const size of ["phone", "desktop"]) {
    for (const way of ["mouse", "keyboard", "no-scripts"]) {
      const scripts = way !== "no-scripts";
      const options = { locale: locales[lang], viewport: sizes[size], javaScriptEnabled: scripts };
      const hands = way === "keyboard" ? "keyboard" : "mouse";
      paths.push({ name: `${lang}-${size}-${way}`, lang, scripts, hands, options });
    }
  }
}

await ready();
const browser = await chromium.launch({
  executablePath: CHROMIUM,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
});
for (const path of PATHS === "one" ? paths.slice(0, 1) : paths) {
  await register(browser, path);
  await buy(browser, path);
  console.log(`scenarios 1 to 6, ${path.name}: done`);
}
await browser.close();
provider.close();
console.log(`${pictures} pictures in ${PICTURES}, ${faults} serious faults`);
process.exit(faults > 0 ? 1 : 0);
