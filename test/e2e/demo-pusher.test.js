// The demo page with stock pusher-js, in several windows at once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { promisify } from "node:util";
import SDK from "pusher";
import Pusher from "pusher-js";
import { open, shoot, until, useBrowser } from "./browser.js";
import { root } from "./pages.js";
import { serve, within } from "./server.js";

useBrowser();

const run = promisify(execFile);

// demo opens the page and waits until it is connected.
async function demo(t, server, options) {
  const page = await open(t, server, "/demo/pusher", options);
  await connected(page);
  return page;
}

async function connected(page) {
  await page.locator('#state[data-state="connected"]').waitFor();
}

// enter is demo, and signs in.
async function enter(t, server, name, options) {
  const page = await demo(t, server, options);
  await page.getByLabel("Name").fill(name);
  await page.keyboard.press("Enter");
  await signedIn(page, name);
  return page;
}

async function signedIn(page, name) {
  await until(page, (want) => document.querySelector("#user").textContent === want && document.querySelectorAll("#members li").length > 0, name);
}

async function here(page, ...names) {
  await page.getByText(`${names.length} here`, { exact: true }).waitFor();
  assert.deepEqual((await page.locator("#members li").allTextContents()).sort(), names.sort());
}

// said waits for a line, and checks that these are all there are.
async function said(page, ...lines) {
  await until(page, (n) => document.querySelectorAll("#talk p").length === n, lines.length);
  assert.deepEqual(await page.locator("#talk p").evaluateAll((list) => list.map((p) => [...p.children].map((e) => e.textContent).join(": "))), lines);
}

async function say(page, text) {
  await page.getByLabel("Message").fill(text);
  await page.keyboard.press("Enter");
}

// events returns what the page shows of an event, newest first, when there is some.
async function events(page, name) {
  const lines = page.locator("#lines li", { has: page.locator("b", { hasText: new RegExp(`^${name}$`) }) });
  await lines.first().waitFor();
  return lines.evaluateAll((list) => list.map((li) => [...li.children].slice(2).map((e) => e.textContent).filter(Boolean)));
}

// ink counts what is drawn on a page's board, in pixels.
function ink() {
  const canvas = document.querySelector("#canvas");
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((v, i) => i % 4 === 3 && v > 0).length;
}

async function drawn(page, isDrawn = true) {
  while (await page.evaluate(ink) > 0 !== isDrawn) await page.evaluate(() => new Promise(requestAnimationFrame));
}

test("the library is the one of the npm package, with its licence", () => {
  const folder = join(root, "web/assets/vendor/pusher");
  const from = join(root, "test/e2e/node_modules/pusher-js");
  const copies = { LICENCE: "LICENCE", "pusher.min.js": "dist/web/pusher.min.js", "pusher.min.js.LICENSE.txt": "dist/web/pusher.min.js.LICENSE.txt" };
  assert.deepEqual(readdirSync(folder).sort(), Object.keys(copies).sort());
  for (const [name, path] of Object.entries(copies)) {
    assert.ok(readFileSync(join(folder, name)).equals(readFileSync(join(from, path))), `${name} is another: run scripts/vendor-pusher.sh`);
  }
  const { version } = JSON.parse(readFileSync(join(from, "package.json"), "utf8"));
  assert.ok(readFileSync(join(folder, "pusher.min.js.LICENSE.txt"), "utf8").includes(`v${version}\n`), version);
});

test("the page connects, shows its socket id and what comes, and asks nobody else", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/");
  const hosts = new Set();
  for (const event of ["request", "websocket"]) page.on(event, (r) => hosts.add(new URL(r.url()).host));
  await page.getByRole("link", { name: "demo with pusher-js" }).click();
  await connected(page);
  await page.getByText("Connected", { exact: true }).waitFor();
  assert.match(await page.locator("#socket").textContent(), /^\d+\.\d+$/);
  assert.equal(await page.locator("#user").textContent(), "no");
  assert.deepEqual(await events(page, "pusher_internal:subscription_succeeded"), [["demo", "{}"]]);
  assert.deepEqual([...hosts], [server.host]);
  const licence = await page.getByRole("link", { name: "licence" }).evaluate(async (link) => (await fetch(link.href)).text());
  assert.match(licence, /Permission is hereby granted/);
});

test("windows see who is there, who types, and what is said", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  await here(alice, "alice (you)", "bob");
  await here(bob, "alice", "bob (you)");
  await alice.getByLabel("Message").pressSequentially("Hel");
  await bob.getByText("alice is typing", { exact: true }).waitFor();
  await say(alice, "  Hello!  ");
  await said(bob, "alice: Hello!");
  await until(bob, () => document.querySelector("#typing").textContent === "");
  await say(bob, "<img src=x onerror='window.hacked = 1'>");
  await say(bob, "   ");
  for (const page of [alice, bob]) await said(page, "alice: Hello!", "bob: <img src=x onerror='window.hacked = 1'>");
  assert.equal(await alice.evaluate(() => window.hacked), undefined);
  assert.deepEqual((await events(bob, "client-said"))[0], ["presence-demo", '{"text":"Hello!"}', "from alice"]);

  // A user with two windows is there once.
  const second = await enter(t, server, "alice");
  await here(bob, "alice", "bob (you)");
  await second.context().close();
  await say(alice, "still here");
  await said(bob, "alice: Hello!", "bob: <img src=x onerror='window.hacked = 1'>", "alice: still here");
  await here(bob, "alice", "bob (you)");
  await alice.getByRole("button", { name: "Sign out" }).click();
  await here(bob, "bob (you)");
  assert.equal(await alice.locator("#user").textContent(), "no");
  assert.equal(await alice.getByLabel("Message").isVisible(), false);
});

test("one draws, the other sees it", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  await here(alice, "alice (you)", "bob");
  const board = alice.getByRole("application", { name: "Board" });
  await board.scrollIntoViewIfNeeded();
  const { x, y, width, height } = await board.boundingBox();
  await alice.mouse.move(x + 20, y + 20);
  await bob.locator(".pen").waitFor(); // the pen is seen before it draws
  assert.equal(await bob.evaluate(ink), 0);
  await alice.mouse.down();
  await alice.mouse.move(x + width / 2, y + height / 2, { steps: 20 });
  await alice.mouse.up();
  await drawn(bob);
  assert.equal(await bob.locator(".pen").textContent(), "alice");
  await bob.getByRole("button", { name: "Clear" }).click();
  await drawn(alice, false);

  // By keyboard, and in other sizes and colours what is there stays.
  await bob.getByRole("application", { name: "Board" }).focus();
  for (const key of ["ArrowRight", "ArrowDown"]) await bob.keyboard.press(key);
  assert.equal(await bob.evaluate(ink), 0);
  for (let n = 0; n < 5; n++) await bob.keyboard.press("Shift+ArrowLeft");
  await drawn(alice);
  await alice.setViewportSize({ width: 500, height: 700 });
  await alice.emulateMedia({ colorScheme: "dark" });
  await until(alice, () => document.querySelector("#canvas").width < 500);
  await drawn(alice);
  await bob.context().close();
  await here(alice, "alice (you)");
  await until(alice, () => document.querySelectorAll(".pen").length === 0);
});

test("events of any shape do no harm", async (t) => {
  const server = await serve(t);
  const page = await enter(t, server, "alice");
  const [wsHost, wsPort] = server.host.split(":");
  const mallory = new Pusher("dev-key", {
    cluster: "any", wsHost, wsPort, forceTLS: false, enabledTransports: ["ws"],
    channelAuthorization: { endpoint: `${server.http}/demo/pusher/auth`, params: { name: "mallory" } },
  });
  server.beforeStop(() => mallory.disconnect());
  const room = mallory.subscribe("presence-demo");
  await within(new Promise((resolve, reject) => {
    room.bind("pusher:subscription_succeeded", resolve);
    room.bind("pusher:subscription_error", (error) => reject(new Error(JSON.stringify(error))));
  }), "the subscription");
  for (const event of ["client-said", "client-typing", "client-pen", "client-clear", "client-other"]) {
    for (const data of [null, 1, "text", [], {}, { text: 1 }, { at: [2, 0] }, { at: [0, 0], line: [[0, 0], ["a", null]] },
      { at: [0, 0], line: Array(5000).fill([0, 0]) }, { at: [NaN, 0] }, "<b>", { toString: 1, text: { length: 5 } }]) {
      assert.equal(room.trigger(event, data), true);
    }
  }
  room.trigger("client-said", { text: "done" });
  await said(page, "mallory: done");
  assert.equal(await page.evaluate(ink), 0);
  assert.equal(await page.locator("#lines b *, #lines span *").count(), 0);
});

for (const language of ["curl", "PHP", "Node"]) {
  test(`the command can be copied, and works: ${language}`, async (t) => {
    const server = await serve(t);
    const page = await enter(t, server, "alice", { permissions: ["clipboard-read", "clipboard-write"] });
    await page.getByRole("button", { name: language, exact: true }).click();
    for (const [option, channel] of [["the channel demo", "demo"], ["the channel presence-demo", "presence-demo"], ["the user alice", "#server-to-user-alice"]]) {
      await page.getByLabel("For", { exact: true }).selectOption(option);
      await page.getByRole("button", { name: "Copy" }).click();
      await page.getByText("Copied", { exact: true }).waitFor();
      const command = await page.evaluate(() => navigator.clipboard.readText());
      const { stdout } = await run("sh", ["-c", command]);
      assert.equal(stdout.trim(), "{}");
      await until(page, (want) => document.querySelector("#lines li .told").textContent === want, channel);
      assert.deepEqual((await events(page, "greeting"))[0], [channel, `{"text":"hello from ${language}"}`]);
    }
  });
}

test("the page disconnects and connects, comes back by itself, and is signed in again", async (t) => {
  const server = await serve(t);
  const [page, bob] = [await enter(t, server, "alice", { network: true }), await enter(t, server, "bob", { network: true })];
  await here(bob, "alice", "bob (you)");
  const socket = await page.locator("#socket").textContent();
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.getByText("Disconnected", { exact: true }).waitFor();
  await here(bob, "bob (you)");
  for (const [id, text] of [["user", "no"], ["socket", "–"], ["count", "Who is here"]]) assert.equal(await page.locator(`#${id}`).textContent(), text);
  await say(page, "unheard");
  await said(page, "Not sent: there is no connection.");
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await signedIn(page, "alice");
  await here(bob, "alice", "bob (you)");
  assert.notEqual(await page.locator("#socket").textContent(), socket);

  // The server is there again when pusher-js comes back, which it does once a
  // second has passed. Would it meet nobody, it would wait for 15 s more.
  const sockets = await Promise.all([page, bob].map((each) => each.locator("#socket").textContent()));
  await server.kill();
  await server.start();
  for (const [i, each] of [page, bob].entries()) {
    await until(each, (old) => !["–", old].includes(document.querySelector("#socket").textContent), sockets[i]);
  }
  await signedIn(page, "alice");
  await here(page, "alice (you)", "bob");

  // A reload keeps the name, signing out forgets it.
  await page.reload();
  await signedIn(page, "alice");
  await page.getByRole("button", { name: "Sign out" }).click();
  await connected(page);
  await page.reload();
  await connected(page);
  assert.equal(await page.getByLabel("Name").isVisible(), true);
});

test("a backend that ends a user's connections is obeyed", async (t) => {
  const server = await serve(t);
  const page = await enter(t, server, "alice");
  const [host, port] = server.host.split(":");
  await new SDK({ appId: "dev", key: "dev-key", secret: "dev-secret", host, port }).terminateUserConnections("alice");
  await page.locator('#state[data-state="refused"]').waitFor();
  await page.getByText(/^Disconnected/).waitFor();
  await page.getByRole("button", { name: "Connect", exact: true }).click();
  await signedIn(page, "alice");
});

for (const name of ["", "a b", "größe", "x".repeat(33), "a'b", "#a"]) {
  test(`a name that cannot be is explained: ${JSON.stringify(name).slice(0, 12)}`, async (t) => {
    const server = await serve(t);
    const page = await demo(t, server);
    await page.getByLabel("Name").fill(name);
    await page.keyboard.press("Enter");
    await page.getByText("A name has 1 to 32 letters").waitFor();
    assert.equal(await page.getByLabel("Name").getAttribute("aria-invalid"), "true");
    assert.equal(await page.locator("#user").textContent(), "no");
    // Nor does it get in the way of what comes next.
    await page.getByLabel("Name").fill("alice");
    await page.keyboard.press("Enter");
    await signedIn(page, "alice");
  });
}

test("a configured app is explained, and nothing is signed for it", async (t) => {
  const server = await serve(t, { config: "apps: [{id: dev, key: dev-key, secret: dev-secret}]" });
  const page = await open(t, server, "/demo/pusher");
  await page.getByRole("heading", { name: "This demo is for the development app" }).waitFor();
  assert.equal(await page.getByLabel("Name").isVisible(), false);
  await shoot(page, "demo-pusher-elsewhere");
  for (const [path, form] of [["auth", { socket_id: "1.2", channel_name: "presence-demo", name: "alice" }], ["user-auth", { socket_id: "1.2", name: "alice" }]]) {
    const response = await fetch(`${server.http}/demo/pusher/${path}`, { method: "POST", body: new URLSearchParams(form) });
    assert.equal(response.status, 404, path);
    assert.doesNotMatch(await response.text(), /dev-key:/);
  }
});

test("by keyboard alone, with a name for everything", async (t) => {
  const server = await serve(t);
  const page = await enter(t, server, "alice");
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  assert.equal(await focused(), "text");
  await page.evaluate(() => document.activeElement.blur());
  await page.mouse.click(2, 2);
  const order = [];
  for (let i = 0; i < 14; i++) {
    await page.keyboard.press("Tab");
    order.push(await focused());
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", `the focus cannot be seen on ${order.at(-1)}`);
  }
  assert.deepEqual(order, ["", "toggle", "sign-out", "talk", "text", "send", "clear", "board", "curl", "PHP", "Node", "to", "code", "copy"]);
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const controls = nodes.filter((n) => !n.ignored && ["button", "textbox", "combobox", "link", "region", "log", "heading", "application", "list", "group"].includes(n.role?.value));
  for (const role of ["button", "textbox", "combobox", "log", "application"]) assert.ok(controls.some((n) => n.role.value === role), `there is no ${role}`);
  assert.deepEqual(controls.filter((n) => !n.name?.value && n.role.value !== "list").map((n) => n.role.value), []);
});

// No width makes the page scroll sideways, and touch has room.
for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
  ["small-phone-dark", { viewport: { width: 320, height: 568 }, colorScheme: "dark", hasTouch: true, isMobile: true }],
  ["tablet", { viewport: { width: 820, height: 700 }, hasTouch: true, isMobile: true }],
]) {
  test(`the demo fits: ${name}`, async (t) => {
    const server = await serve(t);
    const form = await demo(t, server, options);
    await shoot(form, `demo-pusher-${name}-form`);
    const page = await enter(t, server, "alice", options);
    const others = [];
    for (const other of ["bob", "a-user-with-a-rather-long-name-1"]) others.push(await enter(t, server, other));
    for (const [i, text] of ["Good morning! Who has seen the new build?", "w".repeat(200)].entries()) await say(others[i], text);
    await say(page, "So it does here.");
    await until(page, () => document.querySelectorAll("#talk p").length === 3);
    for (const other of others) {
      await other.getByRole("application", { name: "Board" }).focus();
      for (const key of ["ArrowRight", "ArrowDown", "ArrowRight"]) for (let n = 0; n < 12; n++) await other.keyboard.press(`Shift+${key}`);
    }
    await until(page, () => document.querySelectorAll(".pen").length === 2);
    await others[0].getByLabel("Message").pressSequentially("Yes");
    await page.getByText("bob is typing").waitFor();
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `the page is ${wide} wide, the window ${room}`);
    const outside = await page.evaluate(() => [...document.querySelectorAll("body :not(option)")]
      .filter((e) => e.checkVisibility() && !e.parentElement.closest("#board, pre, #log") && e.getBoundingClientRect().right > innerWidth - 15)
      .map((e) => e.id || e.outerHTML));
    assert.deepEqual(outside, []);
    const small = await page.evaluate(() => [...document.querySelectorAll("button, input, select")]
      .filter((e) => e.checkVisibility() && (e.getBoundingClientRect().height < 43.9 || parseFloat(getComputedStyle(e).fontSize) < 16))
      .map((e) => e.id || e.textContent));
    assert.deepEqual(small, []);
    await shoot(page, `demo-pusher-${name}`);
  });
}
