// Stock pusher-js in a browser, in a page of another origin.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { open, until, useBrowser } from "./browser.js";
import { answers, app, backend, gateway, join, options, speak, subscribe, connect } from "./pusher.js";

useBrowser();

const dist = new URL("node_modules/pusher-js/dist/web/", import.meta.url);
const page = (script) => ({
  "/": { type: "text/html", body: `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><title>shop</title><script src="/pusher.js"></script>` },
  "/pusher.js": { type: "text/javascript", body: readFileSync(new URL(script, dist)) },
});

// shop opens a page of a backend, with pusher-js of a file.
async function shop(t, server, { script = "pusher.min.js", user = "anna", more = {}, network } = {}) {
  const there = await backend(t, server, { pages: page(script) });
  const tab = await open(t, { http: there.url, beforeStop: (f) => server.beforeStop(f) }, "/", { network });
  const { channelAuthorization, userAuthentication, ...rest } = options(server, there, user);
  await tab.evaluate(([key, config]) => {
    window.seen = [];
    window.pusher = new window.Pusher(key, config);
    window.pusher.connection.bind("state_change", ({ current }) => window.seen.push(current));
    window.pusher.connection.bind("connecting_in", (n) => window.seen.push(`in ${n}`));
    window.follow = (name) => {
      const channel = window.pusher.subscribe(name);
      channel.bind_global((event, data) => window.seen.push([name, event, data]));
    };
  }, [app.key, {
    ...rest, ...more,
    channelAuthorization: { ...channelAuthorization, endpoint: "/pusher/auth" },
    userAuthentication: { ...userAuthentication, endpoint: "/pusher/user-auth" },
  }]);
  return { tab, there };
}

// saw waits until the page has seen an event of a channel, and returns its data.
async function saw(tab, channel, event) {
  const find = ([c, e]) => window.seen.find((x) => x[0] === c && x[1] === e);
  await until(tab, find, [channel, event]);
  return (await tab.evaluate(find, [channel, event]))[2];
}

test("a page of another origin subscribes, is a member, and sends client events", async (t) => {
  const server = await gateway(t);
  const { tab, there } = await shop(t, server, { more: { enabledTransports: undefined } });
  assert.notEqual(new URL(there.url).host, server.host);
  for (const name of ["room", "private-room", "presence-room", "cache-room"]) {
    await tab.evaluate((n) => window.follow(n), name);
    await saw(tab, name, "pusher:subscription_succeeded");
    await there.sdk.trigger(name, "news", { of: name, text: "Grüße 🌍" });
    assert.deepEqual(await saw(tab, name, "news"), { of: name, text: "Grüße 🌍" });
  }
  assert.deepEqual(await tab.evaluate(() => window.pusher.channel("presence-room").members.me), { id: "anna", info: { name: "The anna" } });

  const bert = await connect(server, { backend: there, user: "bert" });
  const room = await subscribe(bert, "presence-room");
  assert.deepEqual(await saw(tab, "presence-room", "pusher:member_added"), { id: "bert", info: { name: "The bert" } });
  const heard = new Promise((resolve) => { room.bind("client-hello", (data, { user_id }) => resolve([data, user_id])); });
  await tab.evaluate(() => window.pusher.channel("presence-room").trigger("client-hello", { n: 1 }));
  assert.deepEqual(await heard, [{ n: 1 }, "anna"]);
  bert.disconnect();
  await saw(tab, "presence-room", "pusher:member_removed");

  await tab.evaluate(() => {
    window.pusher.user.bind("hello", (data) => window.seen.push(["user", "hello", data]));
    window.pusher.signin();
    return window.pusher.user.signinDonePromise;
  });
  await until(tab, () => window.pusher.user.serverToUserChannel?.subscribed);
  await there.sdk.sendToUser("anna", "hello", { a: 1 });
  assert.deepEqual(await saw(tab, "user", "hello"), { a: 1 });
});

test("the build with encryption decrypts in the page", async (t) => {
  const server = await gateway(t);
  const { tab, there } = await shop(t, server, { script: "pusher-with-encryption.min.js" });
  await tab.evaluate(() => window.follow("private-encrypted-room"));
  await saw(tab, "private-encrypted-room", "pusher:subscription_succeeded");
  await there.sdk.trigger("private-encrypted-room", "news", { secret: "Grüße" });
  assert.deepEqual(await saw(tab, "private-encrypted-room", "news"), { secret: "Grüße" });
});

test("a page comes back after the gateway was killed, with all that it had", async (t) => {
  const server = await gateway(t);
  const { tab, there } = await shop(t, server, { network: true });
  await tab.evaluate(() => { window.follow("presence-room"); window.pusher.signin(); });
  await saw(tab, "presence-room", "pusher:subscription_succeeded");
  await tab.evaluate(() => { window.seen.length = 0; });
  await server.kill();
  await server.again();
  await saw(tab, "presence-room", "pusher:subscription_succeeded");
  await until(tab, () => window.pusher.user.user_data?.id === "anna");
  assert.ok((await tab.evaluate(() => window.seen)).includes("in 1"));
  await there.sdk.trigger("presence-room", "news", "x");
  assert.equal(await saw(tab, "presence-room", "news"), "x");
});

test("a page whose app has no more room stops, one that closes is gone at once", async (t) => {
  const server = await gateway(t, { max_connections: 2 });
  const c = await speak(t, server);
  await join(c, "presence-room", { user_id: "carl" });
  const { tab } = await shop(t, server);
  await tab.evaluate(() => window.follow("presence-room"));
  await saw(tab, "presence-room", "pusher:subscription_succeeded");
  assert.equal((await c.json()).event, "pusher_internal:member_added");
  const { tab: second } = await shop(t, server, { user: "bert" });
  await until(second, () => window.pusher.connection.state === "disconnected");
  assert.deepEqual(await second.evaluate(() => window.seen), ["disconnected"]);
  await tab.close();
  assert.deepEqual(JSON.parse((await c.json()).data), { user_id: "anna" });
  assert.deepEqual(await answers(c), []);
});
