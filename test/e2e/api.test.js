// The reference of the HTTP API, in a browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { open, shoot, useBrowser } from "./browser.js";
import { dial } from "./client.js";
import { serve } from "./server.js";

useBrowser();

// reference opens the page and waits until it is drawn.
async function reference(t, server, options, path = "/api") {
  const page = await open(t, server, path, options);
  await page.locator("#readDescription").waitFor();
  return page;
}

// operations returns what the document describes.
async function operations(server) {
  const api = await (await fetch(`${server.http}/api/openapi.json`)).json();
  return Object.entries(api.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method: method.toUpperCase(), ...operation })));
}

test("every operation is on the page, with its answers", async (t) => {
  const server = await serve(t);
  const page = await reference(t, server);
  const list = await operations(server);
  assert.ok(list.length > 0);
  assert.equal(await page.locator("#reference section").count(), list.length + 1);
  for (const { path, method, operationId, summary, responses } of list) {
    const section = page.locator(`#${operationId}`);
    assert.equal(await section.locator("h3").textContent(), `${method} ${path}`);
    const rows = await section.locator(".statuses tbody th").allTextContents();
    assert.deepEqual(["200", ...rows], Object.keys(responses));
    await page.getByRole("navigation").getByRole("link", { name: summary, exact: true }).click();
    await section.getByRole("heading", { name: `${method} ${path}`, exact: true }).waitFor();
    assert.equal(new URL(page.url()).hash, `#${operationId}`);
  }
  assert.deepEqual(await page.locator("#publish .fields").first().locator("tbody th code").allTextContents(), [
    "to", "to.channels", "to.users", "to.clients", "to.all", "except", "except.clients", "except.users", "event", "data", "encoding", "wait",
  ]);
  const channels = page.locator("#publish").getByRole("row", { name: "to.channels" });
  assert.match(await channels.textContent(), /list of channel names, at most 10,000/);
  assert.match(await page.locator("#version").textContent(), /^\d+\.\d+\.\d+/);
});

test("a link to an operation leads there", async (t) => {
  const server = await serve(t);
  const page = await reference(t, server, {}, "/api#subscribeClient");
  const top = await page.locator("#subscribeClient").evaluate((e) => e.getBoundingClientRect().top);
  assert.ok(top >= 0 && top < 100, `the operation begins at ${top}`);
});

test("the first page leads here", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/");
  await page.getByRole("link", { name: "HTTP API" }).click();
  await page.locator("#publish").waitFor();
});

test("each command can be copied, and works", async (t) => {
  const server = await serve(t);
  const page = await reference(t, server, { permissions: ["clipboard-read", "clipboard-write"] });
  const ids = await page.locator(".example").count();
  let ran = 0;
  for (let i = 0; i < ids; i++) {
    const example = page.locator(".example").nth(i);
    await example.getByRole("button", { name: "Copy" }).focus();
    await page.keyboard.press("Enter");
    await example.getByText("Copied", { exact: true }).waitFor();
    let command = await page.evaluate(() => navigator.clipboard.readText());
    assert.equal(command, await example.locator("pre").textContent());
    if (command.includes("/api/clients/")) { // of which there must be one
      const client = await dial(t, `${server.ws}/ws`);
      const { client: id } = await client.json();
      command = command.replace(/clients\/[\d.]+/, `clients/${id}`);
    }
    const run = command.replace("curl", "curl --silent --show-error --fail --noproxy '*'");
    const { stdout } = await promisify(execFile)("sh", ["-c", run]);
    if (!command.includes(`${server.http}/api'`)) JSON.parse(stdout);
    ran++;
  }
  assert.ok(ran >= (await operations(server)).length, `${ran} commands`);
});

test("where a browser forbids copying, the command is selected", async (t) => {
  const server = await serve(t);
  const page = await reference(t, server);
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  const example = page.locator("#publish .example").first();
  await example.getByRole("button", { name: "Copy" }).click();
  await example.getByText("Selected: copy it with Ctrl+C").waitFor();
  assert.equal(await page.evaluate(() => getSelection().toString()), await example.locator("pre").textContent());
});

test("a real app's secret is not told", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret}]" });
  const page = await reference(t, server);
  await page.getByText("STENTOR_SECRET is your app's secret").waitFor();
  assert.doesNotMatch(await page.content(), /app-secret|dev-secret/);
  const command = await page.locator("#listChannels pre").first().textContent();
  const { stdout } = await promisify(execFile)("sh", ["-c", command.replace("curl", "curl --silent --fail --noproxy '*'")], {
    env: { ...process.env, STENTOR_SECRET: "app-secret" },
  });
  assert.equal(stdout.trim(), '{"channels":{}}');
});

test("the admin listener has the page, too", async (t) => {
  const server = await serve(t);
  const page = await reference(t, { http: server.admin, beforeStop: (f) => server.beforeStop(f) });
  assert.match(await page.locator("#publish pre").first().textContent(), new RegExp(`'${server.admin}/api/publish'`));
});

// No width makes the page scroll sideways.
for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
  ["phone-dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true }],
  ["narrow", { viewport: { width: 320, height: 600 } }],
]) {
  test(`the reference fits: ${name}`, async (t) => {
    const server = await serve(t);
    const page = await reference(t, server, options);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `the page is ${wide} wide, the window ${room}`);
    const tables = await page.locator("section").evaluateAll((list) => list.filter((e) => e.scrollWidth > e.clientWidth).map((e) => e.id));
    assert.deepEqual(tables, [], "what does not fit into its section");
    await shoot(page, `api-${name}`);
  });
}
