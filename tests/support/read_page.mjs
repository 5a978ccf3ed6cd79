// Open a report in Chromium and use it:  node read_page.mjs PAGE CHROMIUM [FOLDER FOR PICTURES]
// playwright-core is taken from the current folder. Prints what was seen, as JSON.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");
const [file, executablePath, pictures] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const said = [];
const requested = [];
const open = async (options) => {
  const page = await browser.newPage({ viewport: { width: 1200, height: 900 }, ...options });
  page.on("console", (message) => said.push(message.text()));
  page.on("pageerror", (error) => said.push(error.message));
  page.on("dialog", (dialog) => { said.push(`dialog: ${dialog.message()}`); dialog.dismiss(); });
  page.on("request", (request) => requested.push(request.url()));
  await page.goto(pathToFileURL(file).href);
  return page;
};
const firstCell = (page) => page.locator("#trials tbody tr").first().locator("td").first().textContent();
const count = (page) => page.locator("#count").textContent();
const rows = (page) => page.locator("#trials tbody tr").count();
const seen = {};

const page = await open({ colorScheme: "light" });
seen.all = await count(page);
seen.rows = await rows(page);
seen.best = await firstCell(page);

// brush the upper half of the first axis, as a hand does
const axis = page.locator(".axis").first();
await axis.scrollIntoViewIfNeeded();
const box = await axis.boundingBox();
await page.mouse.move(box.x + box.width / 2, box.y + 10);
await page.mouse.down();
await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2, { steps: 5 });
await page.mouse.up();
await page.waitForTimeout(100);
seen.brushed = await count(page);
seen.brushedRows = await rows(page);
if (pictures) await page.screenshot({ path: `${pictures}/brushed.png` });

// what is brushed outlasts a reload, as that of a running study
await page.reload();
await page.waitForTimeout(100);
seen.reloaded = await count(page);
await page.locator("#reset").click();
seen.reset = await count(page);

// the same by keys
await page.locator(".axis").first().focus();
await page.keyboard.press("ArrowDown");
await page.waitForTimeout(100);
seen.byKeys = await count(page);
seen.spoken = await page.locator(".axis").first().getAttribute("aria-valuetext");
await page.keyboard.press("Escape");
seen.letGo = await count(page);

const header = page.locator("#trials thead button").nth(0);
await header.click();
await page.waitForTimeout(100);
seen.descending = await firstCell(page);
seen.sorted = await page.locator("#trials th").first().getAttribute("aria-sort");
await header.click();
await page.waitForTimeout(100);
seen.ascending = await firstCell(page);

await page.locator("#find").fill("sgd");
await page.waitForTimeout(100);
seen.found = await count(page);
await page.locator("#find").fill("");

await page.locator("#trials tbody tr").first().hover();
seen.detail = await page.locator("#detail").textContent();
// every drawing has a name, and something on it
seen.drawings = await page.evaluate(() =>
  [...document.querySelectorAll("canvas")].map((canvas) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let ink = 0;
    for (let i = 3; i < data.length; i += 4) if (data[i]) ink++;
    return [canvas.getAttribute("aria-label"), ink];
  }),
);

const narrow = await open({ viewport: { width: 400, height: 800 } });
seen.sideways = await narrow.evaluate(() => document.documentElement.scrollWidth - innerWidth);
const plain = await open({ javaScriptEnabled: false });
seen.withoutScript = [await rows(plain), await plain.locator(".tools").isVisible(), await plain.locator("canvas").count()];
if (pictures) {
  for (const [name, options] of Object.entries({ light: { colorScheme: "light" }, dark: { colorScheme: "dark" }, narrow: { viewport: { width: 400, height: 800 } } })) {
    const shown = await open(options);
    await shown.waitForTimeout(300);
    await shown.screenshot({ path: `${pictures}/${name}.png`, fullPage: true });
  }
}
await browser.close();
console.log(JSON.stringify({ ...seen, said, requested: [...new Set(requested)] }));
