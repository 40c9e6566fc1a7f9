// Opens a page in headless Chromium, light and dark, on a phone and on a desk, and ends with 1 where one of these does not hold:
// nothing is written to the console; nothing is loaded from elsewhere; the page does not scroll sideways; links lead somewhere;
// text can be read on its ground; in plots no text is cut off or lies on another.
//
//   look.mjs PAGE SCREENSHOTS   with NODE_LIBRARY, where puppeteer-core lies, and BROWSER, the program
import { createRequire } from "node:module";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const [page, screenshots] = process.argv.slice(2);
const puppeteer = createRequire(join(process.env.NODE_LIBRARY, "x.js"))("puppeteer-core");

const WIDTHS = [360, 1280];
const SCHEMES = ["light", "dark"];

// Runs inside the page.
function faults() {
  const faults = [];
  document.querySelectorAll("details").forEach((details) => (details.open = true));
  const root = document.documentElement;
  if (root.scrollWidth > root.clientWidth) faults.push(`the page is ${root.scrollWidth} wide and scrolls sideways`);
  if (!document.querySelector("h1")?.textContent) faults.push("there is no heading");
  for (const link of document.querySelectorAll('a[href^="#"]')) {
    if (!document.getElementById(link.getAttribute("href").slice(1))) faults.push(`${link.href} leads nowhere`);
  }

  const color = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => {
    const linear = [r, g, b].map((v) => (v / 255 <= 0.04045 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
  };
  const ground = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, alpha = 1] = color(getComputedStyle(at).backgroundColor);
      if (alpha === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const seen = new Set();
  for (const element of document.querySelectorAll("body *")) {
    const hasText = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim());
    if (!hasText || element.closest("title, style")) continue;
    const style = getComputedStyle(element);
    const ink = color(element instanceof SVGElement ? style.fill : style.color);
    const [one, other] = [luminance(ink), luminance(ground(element))];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const what = `<${element.tagName.toLowerCase()} class="${element.getAttribute("class") ?? ""}">`;
    if (contrast < 4.5 && !seen.has(what)) faults.push(`${what} has a contrast of ${contrast.toFixed(1)}, less than 4.5`);
    seen.add(what);
  }

  for (const plot of document.querySelectorAll("svg")) {
    const name = plot.getAttribute("aria-label");
    const { width, height } = plot.viewBox.baseVal;
    if (plot.getBoundingClientRect().width < 200) faults.push(`plot ${name} is not drawn`);
    const texts = [...plot.querySelectorAll("text")].map((text) => ({ text: text.textContent, box: text.getBBox() }));
    if (texts.length < 4 || !plot.querySelector(".fill")) faults.push(`plot ${name} has no axes or no data`);
    texts.forEach(({ text, box }, index) => {
      if (box.x < 0 || box.y < 0 || box.x + box.width > width || box.y + box.height > height) {
        faults.push(`plot ${name}: "${text}" is cut off`);
      }
      for (const { text: other, box: b } of texts.slice(index + 1)) {
        const meet = box.x < b.x + b.width && b.x < box.x + box.width && box.y < b.y + b.height && b.y < box.y + box.height;
        if (meet) faults.push(`plot ${name}: "${text}" lies on "${other}"`);
      }
    });
    for (const shape of plot.querySelectorAll("rect, circle, path, line")) {
      const box = shape.getBBox();
      const ends = [box.x, box.y, width - box.x - box.width, height - box.y - box.height];
      if (!ends.every((end) => end >= 0)) faults.push(`plot ${name}: a shape lies outside`);
    }
  }
  return faults;
}

async function look(browser, url, scheme, width, screenshot) {
  const tab = await browser.newPage();
  const found = [];
  tab.on("console", (message) => found.push(`console: ${message.text()}`));
  tab.on("pageerror", (error) => found.push(`error: ${error.message}`));
  tab.on("request", (request) => {
    if (request.url() !== url && !request.url().startsWith("data:")) found.push(`loads ${request.url()}`);
  });
  await tab.emulateMediaFeatures([{ name: "prefers-color-scheme", value: scheme }]);
  await tab.setViewport({ width, height: 800, isMobile: width < 600, deviceScaleFactor: 1 });
  await tab.goto(url, { waitUntil: "load" });
  found.push(...(await tab.evaluate(faults)));
  if (screenshot) await tab.screenshot({ path: screenshot, fullPage: true });
  await tab.close();
  return found;
}

// A page with each of the faults, so that it is known that they are found.
const BROKEN = `<!doctype html><meta charset="utf-8"><body style="background:#fff"><a href="#nowhere">link</a>
<div style="width:2000px">wide</div><p style="color:#ccc">pale</p><img src="elsewhere.png" alt="">
<script>console.error("loud"); throw new Error("thrown");</script>
<svg viewBox="0 0 100 50" width="300" aria-label="p"><text x="0" y="20">lies on</text><text x="4" y="22">another</text>
<text x="90" y="40">cut off</text><rect x="90" y="0" width="20" height="5"/></svg>`;
const EXPECTED = [
  "scrolls sideways", "no heading", "leads nowhere", "contrast of", "loads ", "console: loud", "error: thrown", "is cut off",
  'lies on "', "shape lies outside", "no axes or no data",
];

const browser = await puppeteer.launch({
  executablePath: process.env.BROWSER,
  // The sandbox wants rights that containers and root do not have; the page is our own.
  args: ["--no-sandbox", "--disable-gpu"],
});
let failed = false;
try {
  mkdirSync(screenshots, { recursive: true });
  const broken = join(screenshots, "broken.html");
  writeFileSync(broken, BROKEN);
  const found = await look(browser, pathToFileURL(broken).href, "light", 360);
  for (const fault of EXPECTED.filter((fault) => !found.some((line) => line.includes(fault)))) {
    failed = true;
    console.log(`NOT FOUND on a page that has it: ${fault}`);
  }
  for (const scheme of SCHEMES) {
    for (const width of WIDTHS) {
      const picture = join(screenshots, `${scheme}-${width}.png`);
      const found = await look(browser, pathToFileURL(page).href, scheme, width, picture);
      failed ||= found.length > 0;
      console.log(`${scheme}, ${width} pixels: ${found.length === 0 ? "as it must be" : `${found.length} faults`}; ${picture}`);
      found.forEach((fault) => console.log(`  ${fault}`));
    }
  }
} finally {
  await browser.close();
}
process.exit(failed ? 1 : 0);
