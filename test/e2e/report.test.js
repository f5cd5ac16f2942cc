// The reports of load tests, in a browser, as files and without a network.

import assert from "node:assert/strict";
import { execFile, execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { open, shoot, until, useBrowser } from "./browser.js";
import { root } from "./pages.js";
import { serve } from "./server.js";

useBrowser();

const phone = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true };

let folder;
before(() => {
  folder = mkdtempSync(join(tmpdir(), "stentor-reports-"));
  execFileSync("go", ["test", "-count=1", "-run=^TestSamples$", "./loadtest/report"], { cwd: root, env: { ...process.env, REPORT_SAMPLES: folder } });
});
after(() => { if (folder) rmSync(folder, { recursive: true }); });

// look opens a report without a network. It must ask for nothing but itself.
async function look(t, name, options) {
  const http = pathToFileURL(join(folder, `${name}.html`)).href;
  const page = await open(t, { http, beforeStop: (f) => t.after(f) }, "", { offline: true, ...options });
  const asked = [];
  page.on("request", (request) => asked.push(request.url()));
  await page.reload();
  assert.deepEqual(asked, [http]);
  return page;
}

const figures = (page) => page.locator("figure").evaluateAll((list) => list.map((f) => f.id));

const time = ["connections-over-time", "messages-over-time", "latency-over-time", "errors-over-time", "cpu-over-time", "memory-over-time", "lag-over-time"];
const without = (...names) => time.filter((id) => !names.includes(id.replace("-over-time", "")));

// charts are those that each sample has, in order.
const charts = {
  idle: [...without("messages", "latency", "errors"), "percentiles", "histogram-connect"],
  broadcast: [...without("errors"), "percentiles", "histogram-message", "histogram-publish", "histogram-connect"],
  losses: [...time, "percentiles", "histogram-message", "histogram-publish", "histogram-connect"],
  echo: [...without("errors"), "percentiles", "histogram-message", "histogram-connect"],
  storm: [...time, "percentiles", "histogram-message", "histogram-connect"],
  churn: [...without("messages", "latency", "errors"), "percentiles", "histogram-churn", "histogram-connect"],
  failed: ["errors-over-time", "cpu-over-time", "lag-over-time"],
  interrupted: [...without("errors"), "percentiles", "histogram-message", "histogram-publish", "histogram-connect"],
  hostile: [...time, "percentiles", "histogram-message", "histogram-publish", "histogram-connect"],
  long: [...without("messages", "latency", "errors"), "percentiles", "histogram-connect"],
  moment: [],
  empty: [],
};

// drawn counts, within the scales of each chart and for each of its lines, the
// pixels that have the line's colour.
function drawn(page) {
  return page.evaluate(() => JSON.parse(document.getElementById("data").textContent).charts.map(({ id, series }) => {
    const canvas = document.querySelector(`#${id} canvas`);
    const inside = document.querySelector(`#${id} .u-over`);
    const area = [inside.offsetLeft, inside.offsetTop, inside.offsetWidth, inside.offsetHeight].map((n) => Math.round(n * devicePixelRatio));
    const { data } = canvas.getContext("2d").getImageData(...area);
    return series.map(({ label, color }) => {
      const hex = getComputedStyle(document.documentElement).getPropertyValue(`--s${color}`).trim().slice(1);
      const want = [0, 2, 4].map((i) => parseInt(hex.slice(i, i + 2), 16));
      let n = 0;
      for (let i = 0; i < data.length; i += 4) {
        if (data[i + 3] > 200 && want.every((v, k) => Math.abs(data[i + k] - v) < 24)) n++;
      }
      return { chart: id, label, n };
    });
  }).flat());
}

test("the charts' library is what its package has", () => {
  const assets = join(root, "loadtest/report/assets");
  const library = join(root, "test/e2e/node_modules/uplot");
  for (const [ours, theirs] of [["uPlot.iife.min.js", "dist/uPlot.iife.min.js"], ["uPlot.min.css", "dist/uPlot.min.css"], ["uPlot.LICENSE", "LICENSE"]]) {
    assert.ok(readFileSync(join(assets, ours)).equals(readFileSync(join(library, theirs))), ours);
  }
});

for (const [name, expected] of Object.entries(charts)) {
  test(`the report of the sample "${name}" has its charts, and each is drawn`, async (t) => {
    const page = await look(t, name);
    await shoot(page, `report-${name}`);
    assert.deepEqual(await figures(page), expected);
    for (const line of await drawn(page)) assert.ok(line.n > 30, JSON.stringify(line));
    const left = await page.locator("#left-out li").allTextContents();
    for (const text of left) assert.match(text.trim(), /^No chart of .+: .+\.$/);
    for (const id of expected) {
      const picture = page.locator(`#${id} .u-wrap`);
      assert.equal(await picture.getAttribute("role"), "img");
      assert.equal(await picture.getAttribute("aria-labelledby"), `${id}-title`);
      assert.match(await page.locator(`#${await picture.getAttribute("aria-describedby")}`).textContent(), /\d.*\.$/);
    }
  });

  test(`the report of the sample "${name}" fits a phone`, async (t) => {
    const page = await look(t, name, phone);
    await shoot(page, `report-${name}-phone`);
    const wide = () => page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.deepEqual(await wide(), [390, 390]);
    await page.setViewportSize({ width: 320, height: 600 });
    if (expected.length) await until(page, () => document.querySelector("figure canvas").clientWidth < 300);
    assert.deepEqual(await wide(), [320, 320]);
  });
}

test("the report of a run tells what the run has found", async (t) => {
  const server = await serve(t);
  const file = join(folder, "real.html");
  const { stdout } = await promisify(execFile)(process.env.E2E_STENTOR, ["loadtest", "broadcast", `${server.ws}/ws`,
    "--connections", "100", "--messages", "30", "--rate", "20", "--fail-if", "lost>0", "--quiet", "--html", file]);
  assert.match(stdout, /\nPASSED: 1 of 1 threshold kept; no message lost, duplicated or corrupted\n$/);
  const page = await look(t, "real");
  await shoot(page, "report-real");
  assert.match(await page.locator("#verdict").innerText(), /^PASSED/);
  assert.match(await page.locator("#messages").innerText(), /due\s+3,000\s+received\s+3,000, in /);
  const found = await figures(page);
  for (const id of ["connections-over-time", "messages-over-time", "latency-over-time", "percentiles", "histogram-message", "histogram-publish", "histogram-connect"]) {
    assert.ok(found.includes(id), `${id} is not among ${found}`);
  }
  // Of few messages a moment the longest and p99 are one line, that of p99.
  for (const line of await drawn(page)) assert.ok(line.n > 30 || line.label === "max", JSON.stringify(line));
});

test("the verdict, the figures and the command are on the page", async (t) => {
  const page = await look(t, "losses");
  const text = async (selector) => (await page.locator(selector).innerText()).replaceAll(/\s+/g, " ");
  assert.equal(await text("#verdict"), "FAILED 1 of 2 thresholds MISSED; 10 messages LOST; 4 messages DUPLICATED; 2 messages CORRUPTED; "
    + "7 messages OUT OF ORDER; 1 message UNEXPECTED; 3 publications NOT ACCEPTED; 12 connections FAILED; 7 connections DROPPED by the server or the network");
  assert.match(await text("#bottleneck"), /^THE TOOL ITSELF may have been the bottleneck: one worker used 98% of its core/);
  assert.match(await text("#tiles"), /Lost 10 4 duplicated, 2 corrupted p99 delivery 23\.4 ms p50 8\.20 ms, max 54\.3 ms/);
  assert.match(await text("#messages"), /received 8,399,990, in 40\.3 s \(199 k\/s\) LOST 10, 0\.000119% of what was due DUPLICATED 4 CORRUPTED 2/);
  assert.match(await text("#latency"), /min p50 p90 p95 p99 p99\.9 max delivery 2\.13 ms 8\.20 ms 14\.6 ms/);
  assert.match(await text("#errors"), /12 handshake: 503 Service Unavailable 7 closed by the server with 1013: overflow/);
  assert.match(await text("#thresholds"), /kept 23\.4 ms p99 > 50ms MISSED 10 lost > 0/);
  assert.equal(await text("#command"), "stentor loadtest broadcast --url ws://127.0.0.1:8080/ws --connections 20000 --fail-if 'p99 > 50ms' --fail-if 'lost > 0'");
  assert.match(await text("header"), /2026-03-01 12:30:05 UTC .* stentor 0\.4\.0, go1\.26\.8; AMD EPYC 7763, 2 cores, 8\.33 GB of memory, Linux 6\.18\.5, amd64$/);
  const good = await look(t, "broadcast");
  assert.match(await good.locator("#verdict").innerText(), /^PASSED\s+2 of 2 thresholds kept; no message lost, duplicated or corrupted$/);
  assert.equal(await good.locator(".bad").count(), 0);
});

test("hostile texts stay text", async (t) => {
  const page = await look(t, "hostile");
  page.on("dialog", (dialog) => assert.fail(dialog.message()));
  assert.deepEqual(await page.evaluate(() => ["script", "img", "iframe", "a", "h1", "base"].map((n) => document.querySelectorAll(n).length)), [2, 0, 0, 0, 1, 0]);
  const shown = "</script><script>alert(1)</script><img src=x onerror=alert(2)>";
  assert.ok((await page.locator("h1").textContent()).includes(shown));
  assert.ok((await page.locator("#errors").textContent()).includes(shown));
  assert.ok((await page.locator("#command").textContent()).includes(shown));
  assert.equal(await page.evaluate(() => JSON.parse(document.getElementById("data").textContent).phases[0].name.startsWith("</script>")), true);
});

test("the page's policy keeps scripts and requests out", async (t) => {
  const clean = await look(t, "idle");
  const context = await clean.context().browser().newContext(); // whose faults are wanted
  t.after(() => context.close());
  const page = await context.newPage();
  await page.goto(clean.url());
  const broken = await page.evaluate(async () => {
    const rules = new Set();
    addEventListener("securitypolicyviolation", (e) => rules.add(e.effectiveDirective));
    const script = document.createElement("script");
    script.textContent = "window.hacked = 1";
    const button = document.createElement("button");
    button.setAttribute("onclick", "window.hacked = 1");
    const image = document.createElement("img");
    image.src = "http://127.0.0.1:9/";
    document.body.append(script, button, image);
    button.click();
    await fetch("http://127.0.0.1:9/").catch(() => {});
    while (rules.size < 4) await new Promise((resolve) => setTimeout(resolve));
    return { hacked: window.hacked, rules: [...rules].sort() };
  });
  assert.deepEqual(broken, { hacked: undefined, rules: ["connect-src", "img-src", "script-src-attr", "script-src-elem"] });
});

test("dark and light have colours of their own, also when they change", async (t) => {
  const page = await look(t, "broadcast", { colorScheme: "dark" });
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const marker = () => page.locator("#latency-over-time .u-marker").nth(1).evaluate((m) => m.style.background);
  await shoot(page, "report-broadcast-dark");
  const dark = [await ground(), await marker()];
  for (const line of await drawn(page)) assert.ok(line.n > 30, `dark: ${JSON.stringify(line)}`);
  await page.emulateMedia({ colorScheme: "light" });
  await until(page, (was) => document.querySelectorAll("#latency-over-time .u-marker")[1].style.background !== was, dark[1]);
  assert.notEqual(await ground(), dark[0]);
  for (const line of await drawn(page)) assert.ok(line.n > 30, `light: ${JSON.stringify(line)}`);
});

test("headings, captions and heads of tables tell what is what", async (t) => {
  const page = await look(t, "losses");
  const levels = await page.locator("h1, h2, h3").evaluateAll((list) => list.map((h) => Number(h.tagName[1])));
  assert.equal(levels[0], 1);
  levels.forEach((level, i) => assert.ok(i === 0 || level <= levels[i - 1] + 1 && level > 1, `heading ${i} is of level ${level}`));
  const tables = await page.locator("main .card table").evaluateAll((list) => list.map((t) => ({
    caption: t.caption?.textContent, rows: t.tBodies[0].rows.length, heads: t.querySelectorAll("tbody th[scope=row]").length,
  })));
  assert.ok(tables.length >= 9);
  for (const table of tables) {
    assert.ok(table.caption);
    assert.equal(table.heads, table.rows, table.caption);
  }
  assert.equal(new Set(await page.locator("[id]").evaluateAll((list) => list.map((e) => e.id))).size, await page.locator("[id]").count());
});

test("without JavaScript the figures are there", async (t) => {
  const page = await look(t, "broadcast", { javaScriptEnabled: false });
  assert.match(await page.locator("#messages").innerText(), /8,400,000/);
});
