// The pages in a real browser: what people see and do, with and without JavaScript. make test-browser runs it.
import { test, before, after, beforeEach, afterEach } from "node:test";
import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { chromium } from "playwright-core";
import { AxeBuilder } from "@axe-core/playwright";
import { Canteen } from "./canteen.mjs";

const patience = 20_000;
let browser, canteen, contexts;

before(async () => {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox"] });
});
after(() => browser.close());
beforeEach(async () => { contexts = []; canteen = await Canteen.open(); });
afterEach(async () => { for (const c of contexts) await c.close(); await canteen.close(); });

// person opens a browser of somebody's own.
const person = async (options = {}) => {
  const context = await browser.newContext({ locale: "en-GB", ...options });
  context.setDefaultTimeout(patience);
  contexts.push(context);
  return context.newPage();
};

const staff = async (key, options) => {
  const page = await person(options);
  await page.goto(canteen.url + "/kitchen");
  await page.getByLabel("Device key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Kitchen" }).waitFor();
  return page;
};

const dish = (page, id) => page.locator(`#q-${id}`);

// orders orders one katsu curry and returns the short id of the order.
const orders = async (page) => {
  await page.goto(canteen.url + "/");
  await dish(page, "katsu-curry").fill("1");
  await page.getByRole("button", { name: "Order", exact: true }).click();
  await page.getByText("Waiting to be paid").waitFor();
  return (await page.getByRole("heading", { level: 1 }).textContent()).replace("Order ", "").trim();
};

const press = (page, action, short) => page.getByRole("button", { name: `${action}: ${short}` }).click();

test("a guest orders, the kitchen moves it on, and the guest's page turns READY by itself", async () => {
  const guest = await person(), second = await staff("kitchen-key");
  const till = await staff("cashier-key"), kitchen = await staff("kitchen-key");
  const short = await orders(guest);
  await press(till, "Take cash", short); // the till's page has come up to date by itself
  await guest.getByText("Paid", { exact: true }).waitFor();
  await press(kitchen, "Start", short);
  await second.getByRole("button", { name: `Ready: ${short}` }).waitFor(); // the other screen is the same
  await press(second, "Ready", short);
  await guest.getByText("READY", { exact: true }).waitFor();
  await press(kitchen, "Picked up", short);
  await guest.getByText("Picked up").waitFor();
});

test("portions that are left follow what others order", async () => {
  const guest = await person(), other = await person();
  await guest.goto(canteen.url + "/");
  await guest.getByText("left 4").waitFor();
  await dish(guest, "green-tea").fill("3"); // what was typed stays
  await orders(other);
  await guest.getByText("left 3").waitFor();
  assert.equal(await dish(guest, "green-tea").inputValue(), "3");
  assert.equal(await dish(guest, "curry").isDisabled(), true);
});

test("pages recover when the server restarts", async () => {
  const guest = await person();
  const short = await orders(guest);
  const address = new URL(canteen.url).host;
  await canteen.stop();
  await guest.getByText("Offline").waitFor();
  await canteen.start(address);
  await guest.locator("#offline").waitFor({ state: "hidden" });
  const till = await staff("cashier-key");
  await press(till, "Take cash", short);
  await guest.getByText("Paid", { exact: true }).waitFor();
});

test("everything works without JavaScript", async () => {
  const guest = await person({ javaScriptEnabled: false }), till = await staff("cashier-key", { javaScriptEnabled: false });
  const short = await orders(guest);
  await till.reload();
  await press(till, "Take cash", short);
  await guest.reload();
  await guest.getByText("Paid", { exact: true }).waitFor();
});

test("an order can be placed by keyboard alone", async () => {
  const page = await person();
  await page.goto(canteen.url + "/");
  for (let i = 0; i < 40 && (await page.evaluate(() => document.activeElement.id)) !== "q-katsu-curry"; i++) await page.keyboard.press("Tab");
  await page.keyboard.type("2");
  await page.keyboard.press("Enter");
  await page.getByText("Waiting to be paid").waitFor();
  await page.getByText("¥1,360").waitFor();
});

// everyPage calls f with each page, filled.
const everyPage = async (options, f) => {
  const guest = await person(options);
  await orders(guest);
  await f("order", guest);
  await guest.goto(canteen.url + "/");
  await f("menu", guest);
  const kitchen = await staff("kitchen-key", options);
  await f("kitchen", kitchen);
  const stranger = await person(options);
  await stranger.goto(canteen.url + "/signin");
  await f("signin", stranger);
};

for (const width of [360, 1920]) {
  test(`pages fit into ${width} pixels`, () => everyPage({ viewport: { width, height: 900 } }, async (name, page) => {
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= width, `${name} is ${wide} pixels wide`);
  }));
}

for (const colorScheme of ["light", "dark"]) {
  test(`axe finds nothing, ${colorScheme}`, () => everyPage({ colorScheme }, async (name, page) => {
    const { violations } = await new AxeBuilder({ page }).withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]).analyze();
    assert.deepEqual(violations.map((v) => `${name}: ${v.id}: ${v.nodes.map((n) => n.html).join(" ")}`), []);
  }));
}

if (process.env.PICTURES) {
  test("pictures for the README", async () => {
    mkdirSync(process.env.PICTURES, { recursive: true });
    await everyPage({ viewport: { width: 900, height: 560 } }, async (name, page) => {
      if (name !== "signin") await page.screenshot({ path: `${process.env.PICTURES}/${name}.png` });
    });
  });
}
