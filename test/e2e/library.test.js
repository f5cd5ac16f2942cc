// The browser client against the real server: in Chromium, and in Node.js over
// the package ws.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import WebSocket from "ws";
import { Stentor } from "../../web/client/stentor.js";
import { open, until, useBrowser } from "./browser.js";
import { token } from "./client.js";
import { Page } from "./pages.js";
import { serve, within } from "./server.js";

useBrowser();

const APP = "apps: [{id: shop, key: shop-key, secret: shop-secret}]";
const soon = { minDelay: 50, maxDelay: 200, WebSocket }; // not to wait long

// connect makes a client in this process, which ends before the server does.
function connect(server, options = {}) {
  const stentor = new Stentor(server.ws, { ...soon, ...options });
  server.beforeStop(() => stentor.close());
  return stentor;
}

// becomes waits until a condition holds that an event may bring about.
function becomes(emitter, type, condition) {
  return within(new Promise((resolve) => {
    const look = () => { if (condition()) resolve(off()); };
    const off = emitter.on(type, look);
    look();
  }), `${type}: ${condition}`);
}

const state = (stentor, wanted) => becomes(stentor, "state", () => stentor.state === wanted);

test("talk, presence, users and all", async (t) => {
  const server = await serve(t);
  const [ann, bob] = [connect(server, { user: "ann" }), connect(server, { user: "bob" })];
  const heard = [];
  const note = (m) => heard.push([m.channel ?? "-", m.event, m.data, m.user]);
  ann.on("message", note);
  const room = ann.subscribe("presence-room");
  room.on("message", note);
  await within(room.ready, "the subscription");
  const his = bob.subscribe("presence-room");
  await within(his.ready, "the other subscription");
  await becomes(room, "members", () => room.members.length === 2);
  assert.deepEqual(await his.presence(), [{ user: "ann" }, { user: "bob" }]);
  assert.equal(await his.publish("said", { text: "hi" }), 2);
  assert.equal(await his.publish("bytes", new Uint8Array([0, 255]), { echo: false }), 1);
  assert.equal(await bob.publish({ user: "ann" }, "psst", 1), 1);
  assert.equal(await bob.publish({ all: true }, "everybody", null), 2);
  await becomes(ann, "message", () => heard.length === 4);
  assert.deepEqual(heard, [
    ["presence-room", "said", { text: "hi" }, "bob"], ["presence-room", "bytes", new Uint8Array([0, 255]), "bob"],
    ["-", "psst", 1, "bob"], ["-", "everybody", null, "bob"],
  ]);
  await his.unsubscribe();
  await becomes(room, "members", () => room.members.length === 1);
  await assert.rejects(bob.presence("presence-room"), { code: "not_member" });
});

test("a server that was killed is come back to, with all subscriptions", async (t) => {
  const server = await serve(t);
  const [ann, bob] = [connect(server, { user: "ann" }), connect(server, { user: "bob" })];
  const room = ann.subscribe("presence-room");
  const heard = [];
  room.on("message", (m) => heard.push(m.data));
  await within(Promise.all([room.ready, bob.subscribe("presence-room").ready]), "the subscriptions");
  await becomes(room, "members", () => room.members.length === 2);
  const before = ann.client;
  await server.publish("presence-room", 1);
  await becomes(room, "message", () => heard.length === 1);
  await server.kill();
  await state(ann, "waiting");
  bob.close();
  const waiting = room.publish("said", 2);
  await server.start();
  assert.equal(await within(waiting, "what waited to be sent"), 1);
  await becomes(room, "message", () => heard.length === 2);
  assert.deepEqual(heard, [1, 2]);
  assert.deepEqual(room.members, [{ user: "ann" }]);
  assert.notEqual(ann.client, before);
});

test("a server that drains says when to come back", async (t) => {
  const server = await serve(t);
  const stentor = connect(server);
  await state(stentor, "connected");
  let wait;
  stentor.on("state", (_, { retryAt }) => { wait = retryAt - Date.now(); });
  server.terminate();
  await state(stentor, "waiting");
  assert.deepEqual([stentor.code, stentor.reason], [1012, "the server restarts: reconnect"]);
  assert.ok(wait > soon.maxDelay, `${wait} ms, no more than its own wait`);
});

test("who is told to stay away stays away", async (t) => {
  const server = await serve(t, { config: APP });
  const good = connect(server, { token: () => token("shop-secret", { sub: "ann" }) });
  await state(good, "connected");
  assert.equal(good.user, "ann");
  await server.post("/api/users/ann/disconnect", { reason: "go away" }, "shop-secret");
  await state(good, "closed");
  assert.deepEqual([good.code, good.reason], [4403, "go away"]);
  for (const [options, code] of [[{ token: "nonsense" }, 4401], [{}, 4401], [{ app: "nobody" }, 4001]]) {
    const stentor = connect(server, options);
    await state(stentor, "closed");
    assert.equal(stentor.code, code);
  }
});

test("a token that is over is replaced by the next", async (t) => {
  const server = await serve(t, { config: APP });
  const now = Math.floor(Date.now() / 1000);
  const ends = [now - 9, now + 3600]; // 10 s later is still in time
  const stentor = connect(server, { token: async () => token("shop-secret", { sub: "ann", exp: ends.shift() }) });
  await state(stentor, "connected");
  await state(stentor, "waiting");
  assert.equal(stentor.code, 4401);
  await state(stentor, "connected");
  assert.equal(ends.length, 0);
});

test("rights are the server's to give", async (t) => {
  const server = await serve(t, { config: APP });
  const stentor = connect(server, { token: token("shop-secret", { sub: "ann", channels: ["private-mine"] }) });
  const [mine, other] = [stentor.subscribe("private-mine"), stentor.subscribe("private-other")];
  let refused;
  other.on("error", (error) => { refused = error; });
  await within(mine.ready, "the subscription");
  await assert.rejects(within(other.ready, "the refusal"), { code: "forbidden" });
  assert.equal(refused.code, "forbidden");
  await assert.rejects(mine.publish("said", 1), { code: "forbidden" });
  const given = within(new Promise((resolve) => { stentor.on("subscription", resolve); }), "what the backend gives");
  await server.post(`/api/clients/${stentor.client}/subscribe`, { channel: "private-given" }, "shop-secret");
  assert.equal((await given).channel, "private-given");
  await server.post(`/api/clients/${stentor.client}/unsubscribe`, { channel: "private-given" }, "shop-secret");
  await becomes(await given, "state", () => stentor.subscriptions.length === 2);
});

test("a message that is too large costs itself only", async (t) => {
  const server = await serve(t);
  const stentor = connect(server);
  await state(stentor, "connected");
  await assert.rejects(stentor.publish("news", "said", "x".repeat(70000)), { code: "too_large" });
  const envelope = JSON.stringify({ type: "publish", channel: "news", event: "said", data: "", id: 2 }).length;
  assert.equal(await stentor.publish("news", "said", "x".repeat(stentor.maxBytes - envelope)), 0);
  assert.equal(stentor.state, "connected");
});

// In the browser.

test("in a page of the server, as a module", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/");
  await within(page.evaluate(async () => {
    const { Stentor } = await import("/stentor.js");
    window.stentor = new Stentor();
    window.heard = [];
    window.stentor.subscribe("news").on("event:said", (data) => window.heard.push(data));
    await window.stentor.subscribe("news").ready;
  }), "the subscription");
  assert.equal(await server.publish("news", "hello", { event: "said" }), 1);
  await until(page, () => window.heard.length === 1);
  assert.deepEqual(await page.evaluate(() => window.heard), ["hello"]);
});

// elsewhere serves one page from an origin of its own.
async function elsewhere(t, server, html) {
  const other = createServer((_, response) => {
    response.setHeader("Content-Type", "text/html; charset=utf-8");
    response.end(`<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Elsewhere</title>${html}`);
  });
  other.listen(0, "127.0.0.1");
  await once(other, "listening");
  server.beforeStop(() => other.close());
  return `http://127.0.0.1:${other.address().port}/`;
}

for (const [what, script] of [
  ["a module", (http) => `<script type="module">import { Stentor } from "${http}/stentor.js"; window.made = new Stentor("${http}");</script>`],
  ["a plain script", (http) => `<script src="${http}/stentor.global.js"></script><script>window.made = new Stentor("${http}");</script>`],
]) {
  test(`in a page of another origin, as ${what}`, async (t) => {
    const server = await serve(t);
    const page = await open(t, { ...server, http: "", beforeStop: (f) => server.beforeStop(f) }, await elsewhere(t, server, script(server.http)));
    await until(page, () => window.made?.state === "connected");
  });
}

// run runs a script of a document in a page, and returns a promise of a line in
// its console.
async function run(t, server, script, line) {
  const page = await open(t, server, "/chat"); // to listen before anything runs
  const said = within(new Promise((resolve) => {
    page.on("console", (m) => { if (m.text().includes(line)) resolve(); });
  }), line);
  const replacements = { "http://127.0.0.1:8080": server.http, "ws://127.0.0.1:8080": server.ws,
    '"/stentor.js"': `"${server.http}/stentor.js"`, '"/ws"': `"${server.ws}/ws"` };
  const code = Object.entries(replacements).reduce((text, [from, to]) => text.replaceAll(from, to), script);
  await page.goto(await elsewhere(t, server, code));
  return { said };
}

test("the scripts of the documents work", async (t) => {
  const server = await serve(t);
  const module = (path) => `<script type="module">${new Page(path).sample(/stentor\.js"/).code}</script>`;
  const pages = [
    await run(t, server, module("README.md"), "said {text: hello}"),
    await run(t, server, module("docs/push-from-backend.md"), "event: said, data: Object"),
  ];
  while (await server.publish("news", { text: "hello" }, { event: "said" }) < pages.length); // until they are subscribed
  await Promise.all(pages.map(({ said }) => said));
  await (await run(t, server, new Page("web/client/README.md").sample(/<script type="module">/).code, "undefined hello")).said;
});

test("the plain script is the one of the package", async (t) => {
  const server = await serve(t);
  const folder = mkdtempSync(join(tmpdir(), "stentor-client-"));
  t.after(() => rmSync(folder, { recursive: true }));
  execFileSync(process.execPath, ["../../web/client/build.js", join(folder, "global.js")]);
  const response = await fetch(`${server.http}/stentor.global.js`);
  assert.equal(await response.text(), readFileSync(join(folder, "global.js"), "utf8"));
});

test("a page that is left is kept, and has its connection again when it is back", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/chat"); // a page without a connection of its own
  await page.goto(await elsewhere(t, server, `<script type="module">
    import { Stentor } from "${server.http}/stentor.js";
    window.made = new Stentor("${server.http}");
    window.restored = false;
    addEventListener("pageshow", ({ persisted }) => { window.restored = persisted; });
  </script>`));
  await until(page, () => window.made?.state === "connected");
  await page.goto(`${server.http}/chat`);
  await page.goBack({ waitUntil: "commit" }); // what was kept is not loaded
  await until(page, () => window.restored && window.made.state === "connected");
});

test("the library is served so that it is asked for once", async (t) => {
  const server = await serve(t);
  for (const path of ["/stentor.js", "/stentor.global.js"]) {
    const first = await fetch(server.http + path);
    assert.equal(first.headers.get("content-type"), "text/javascript; charset=utf-8");
    assert.match(await first.text(), /class Stentor/);
    const again = await fetch(server.http + path, { headers: { "If-None-Match": first.headers.get("etag") } });
    assert.equal(again.status, 304);
  }
});

test("a network that is gone is noticed, and its return", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/chat", { network: true });
  await page.clock.install();
  await within(page.evaluate(async () => {
    const { Stentor } = await import("/stentor.js");
    const hour = 3600e3; // nothing comes back, or asks, by itself
    window.stentor = new Stentor("/ws", { timeout: 60e3, heartbeat: hour, minDelay: hour, maxDelay: hour });
    await window.stentor.subscribe("news").ready;
  }), "the subscription");
  await page.context().setOffline(true);
  await until(page, () => !navigator.onLine);
  await page.clock.fastForward(60e3); // no answer to what it asks then
  await until(page, () => window.stentor.state === "waiting");
  await page.context().setOffline(false);
  await until(page, () => window.stentor.state === "connected");
  await until(page, () => window.stentor.subscriptions[0].state === "subscribed");
  assert.equal(await server.publish("news", 1), 1);
});
