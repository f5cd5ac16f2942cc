// Runs Chromium for tests of the pages.

import assert from "node:assert/strict";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { after, before } from "node:test";
import { chromium } from "playwright-core";
import { DEADLINE } from "./server.js";

let browser;

// useBrowser starts one browser for the tests of a file.
export function useBrowser() {
  before(async () => {
    browser = await chromium.launch({
      executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
      ignoreDefaultArgs: ["--disable-back-forward-cache"], // as people have it
      args: [
        "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
        "--disable-background-networking", "--disable-component-update", "--disable-sync",
      ],
    });
  });
  after(() => browser?.close());
}

// open opens a page of a server in a browser profile of its own, which ends
// before the server does. If the page logs an error, throws one or breaks the
// Content-Security-Policy, the test fails, unless it says that failures of the
// network are part of it.
export async function open(t, server, path, { network = false, ...options } = {}) {
  const context = await browser.newContext(options);
  server.beforeStop(() => context.close());
  context.setDefaultTimeout(DEADLINE);
  const faults = [];
  t.after(() => assert.deepEqual(faults, [], "the page has faults"));
  await context.exposeFunction("reportViolation", (text) => faults.push(`CSP: ${text}`));
  await context.addInitScript(() => {
    addEventListener("securitypolicyviolation", (e) => window.reportViolation(`${e.violatedDirective} ${e.blockedURI}`));
  });
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    const lost = network && /WebSocket connection to|ERR_CONNECTION_REFUSED/.test(message.text());
    if (message.type() === "error" && !lost) faults.push(message.text());
  });
  await page.goto(server.http + path);
  return page;
}

// until waits for a condition that a function of the page tells.
export function until(page, condition, arg) {
  return page.waitForFunction(condition, arg, { timeout: DEADLINE });
}

// shoot takes a picture of the whole page if E2E_SHOTS names a folder for it.
export async function shoot(page, name) {
  const folder = process.env.E2E_SHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true });
}
