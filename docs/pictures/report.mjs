// Take the pictures of a study's report:  node report.mjs PAGE FOLDER CHROMIUM
// playwright-core is taken from the current folder, where make.py installs it for the moment.
import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

const { chromium } = createRequire(`${process.cwd()}/`)("playwright-core");
const [file, folder, executablePath] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

for (const scheme of ["light", "dark"]) {
  const page = await browser.newPage({ viewport: { width: 1180, height: 1000 }, colorScheme: scheme });
  await page.goto(pathToFileURL(file).href);
  const axis = page.locator(".axis").last();
  await axis.scrollIntoViewIfNeeded();
  const box = await axis.boundingBox();
  await page.mouse.move(box.x + box.width / 2, box.y + 4);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width / 2, box.y + box.height * 0.25, { steps: 5 });
  await page.mouse.up();
  await page.mouse.move(0, 0);
  await page.evaluate(() => scrollTo(0, 0));
  await page.waitForTimeout(200);
  await page.screenshot({ path: `${folder}/report_${scheme}.png` });
  await page.close();
}
await browser.close();
