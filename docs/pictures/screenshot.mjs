// Take the pictures of TensorBoard:  node screenshot.mjs URL FOLDER CHROMIUM
// playwright-core is taken from the current folder, where make.py installs it for the moment.
import { createRequire } from "node:module";

const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");
const [url, folder, executablePath] = process.argv.slice(2);
const COLUMNS = ["optimizer.lr", "objective", "test/accuracy", "val/accuracy", "val/loss"];

const browser = await chromium.launch({
  executablePath,
  args: [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ],
});

const curves = await browser.newPage({ viewport: { width: 1240, height: 640 } });
await curves.goto(`${url}/?darkMode=false&smoothing=0&tagFilter=%5E(train%2Floss%7Cval%2Faccuracy)#timeseries`);
await curves.waitForSelector("scalar-card .line-chart", { timeout: 60_000 });
await curves.getByRole("button", { name: "Settings" }).first().click();
await curves.waitForTimeout(8_000); // the lines are drawn some time after their cards
await curves.screenshot({ path: `${folder}/tensorboard.png` });

const table = await browser.newPage({ viewport: { width: 1240, height: 420 } });
await table.goto(`${url}/?darkMode=false#hparams`);
await table.waitForSelector("vaadin-grid", { timeout: 60_000 });
await table.waitForTimeout(4_000);
await table.evaluate((wanted) => {
  // the page ticks the first few names; tick those that this sweep is about instead
  const found = [];
  const look = (root) => {
    for (const element of root.querySelectorAll("*")) {
      if (element.tagName === "PAPER-CHECKBOX") found.push(element);
      if (element.shadowRoot) look(element.shadowRoot);
    }
  };
  look(document);
  for (const box of found) {
    if (!box.matches(".hparam-checkbox, .metric-checkbox")) continue;
    if (box.checked !== wanted.includes(box.textContent.trim())) box.click();
  }
}, COLUMNS);
await table.waitForTimeout(4_000);
await table.screenshot({ path: `${folder}/hparams.png` });
await browser.close();
