// A gateway that is killed, and apps that change while it runs: what clients of
// the Pusher Channels protocol notice.

import assert from "node:assert/strict";
import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join as path } from "node:path";
import { test } from "node:test";
import { dial } from "./client.js";
import { answers, app, backend, connect, gateway, givesUp, join, other, QUERY, retries, sdk, speak, subscribe } from "./pusher.js";
import { receiver } from "./pusher-hooks.js";

test("after a kill and a restart pusher-js subscribes and signs in again", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const pusher = await connect(server, { backend: there, user: "anna" });
  const names = ["room", "private-room", "presence-room", "private-encrypted-room", "cache-room"];
  const channels = [];
  for (const name of names) channels.push(await subscribe(pusher, name));
  pusher.signin();
  await pusher.log.until("pusher_internal:subscription_succeeded", (e) => e.channel === "#server-to-user-anna");
  const before = pusher.connection.socket_id;

  await server.kill();
  await server.again();
  await pusher.log.until("connected");
  assert.equal(retries(pusher)[0], 1000); // as after any loss of the network
  assert.notEqual(pusher.connection.socket_id, before);
  await pusher.log.until("pusher_internal:subscription_succeeded", (e) => e.channel === "#server-to-user-anna");
  for (const { name, log } of channels) {
    await log.until("pusher:subscription_succeeded");
    await there.sdk.trigger(name, "news", { of: name });
    assert.deepEqual(await log.take("news"), { of: name });
  }
  assert.equal(channels[2].members.count, 1);
  await there.sdk.sendToUser("anna", "hello", "x");
  await pusher.log.until("hello");
});

test("all of many clients come back, and counts are right again", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const list = [];
  for (let i = 0; i < 20; i++) {
    const pusher = await connect(server, { backend: there, user: `user-${i % 10}` });
    list.push([await subscribe(pusher, "presence-room"), await subscribe(pusher, `room-${i % 5}`)]);
  }
  await server.kill();
  await server.again();
  for (const [room, own] of list) for (const { log } of [room, own]) await log.until("pusher:subscription_succeeded");
  const get = async (name, params) => (await there.sdk.get({ path: name, params })).json();
  assert.deepEqual(await get("/channels/presence-room", { info: "user_count" }), { occupied: true, user_count: 10 });
  for (let i = 0; i < 5; i++) assert.deepEqual(await get(`/channels/room-${i}`, { info: "subscription_count" }), { occupied: true, subscription_count: 4 });
  await there.sdk.trigger("presence-room", "end", {});
  for (const [room] of list) {
    await room.log.until("end");
    assert.equal(room.members.count, 10);
  }
});

// tenants starts a server with no app in its configuration but those of a
// folder, and returns how to write and remove them.
async function tenants(t, list) {
  const folder = mkdtempSync(path(tmpdir(), "stentor-apps-"));
  const write = ({ id, ...rest }) => {
    const temporary = path(folder, `.${id}.tmp`);
    writeFileSync(temporary, JSON.stringify({ id, ...rest }));
    renameSync(temporary, path(folder, `${id}.yaml`));
  };
  list.forEach(write);
  const starting = gateway(t, {}, { apps: undefined, apps_dir: folder });
  t.after(() => rmSync(folder, { recursive: true }));
  return { server: await starting, write, remove: ({ id }) => rmSync(path(folder, `${id}.yaml`)) };
}

// soon asks again until the answer is right.
async function soon(what, right) {
  const end = Date.now() + 30_000;
  for (;;) {
    const answer = await what();
    if (right(answer)) return answer;
    assert.ok(Date.now() < end, `still ${JSON.stringify(answer)}`);
    await new Promise((resolve) => { setTimeout(resolve, 20); });
  }
}

const triggers = (server, of) => sdk(server, of).trigger("room", "news", "x").then((r) => r.status, (e) => e.status);
const third = { id: "1003", key: "third-key", secret: "third-secret" };

test("a tenant is added, changed, disabled and removed, and others' sockets do not notice", async (t) => {
  const { server, write, remove } = await tenants(t, [app, other]);
  const witness = await speak(t, server, { of: other });
  const mine = await speak(t, server);
  for (const c of [witness, mine]) await join(c, "room");

  write(third);
  await soon(() => triggers(server, third), (status) => status === 200);
  const newcomer = await speak(t, server, { of: third });
  await join(newcomer, "room");

  // Changed: its sockets stay, the new rule counts.
  write({ ...app, client_events: false });
  await join(mine, "private-room");
  await soon(() => answers(mine, { event: "client-x", channel: "private-room", data: 1 }), (list) => list.some((m) => m.event === "pusher:error"));

  // Disabled: 4003 for those who are there, and for those who come; 403.
  write({ ...app, disabled: true });
  assert.equal((await mine.closed()).code, 4003);
  assert.equal((await (await dial(t, `${server.ws}/app/${app.key}?${QUERY}`)).closed()).code, 4003);
  await soon(() => triggers(server, app), (status) => status === 403);

  // Enabled again.
  write(app);
  await soon(() => triggers(server, app), (status) => status === 200);
  await speak(t, server);

  // Removed: 4001.
  remove(third);
  assert.equal((await newcomer.closed()).code, 4001);
  assert.equal((await (await dial(t, `${server.ws}/app/${third.key}?${QUERY}`)).closed()).code, 4001);

  assert.deepEqual(await answers(witness), []);
  await sdk(server, other).trigger("room", "still", "x");
  assert.deepEqual(await witness.json(), { event: "still", channel: "room", data: "x" });
});

test("pusher-js stops when its app is disabled", async (t) => {
  const { server, write } = await tenants(t, [app]);
  const pusher = await connect(server);
  write({ ...app, disabled: true });
  assert.equal(await givesUp(pusher), 4003);
});

test("a secret is rotated without a moment in which nothing fits", async (t) => {
  const { server, write } = await tenants(t, [app]);
  const c = await speak(t, server);
  const renewed = { ...app, secret: "new-secret" };
  write({ ...renewed, previous_secret: app.secret });
  await soon(() => triggers(server, renewed), (status) => status === 200);
  assert.equal(await triggers(server, app), 200);
  await join(c, "private-old");
  await join(Object.assign(c, { sdk: sdk(server, renewed) }), "private-new");
  write(renewed);
  await soon(() => triggers(server, app), (status) => status === 401);
  assert.equal(await triggers(server, renewed), 200);
  assert.deepEqual(await answers(c), [], "who is connected stays");
});

test("a tenant's webhooks are those of its file, signed with its newest secret", async (t) => {
  const [first, second] = [await receiver(t), await receiver(t)];
  const { server, write } = await tenants(t, [app]);
  const c = await speak(t, server);
  await join(c, "before");
  write({ ...app, webhooks: [{ url: first.url }] });
  let n = 0;
  await soon(async () => { await join(c, `room-${n++}`); return first.calls.length; }, (calls) => calls > 0);

  const renewed = { ...app, secret: "new-secret", previous_secret: app.secret };
  second.secret = renewed.secret;
  write({ ...renewed, webhooks: [{ url: second.url }] });
  await soon(() => triggers(server, renewed), (status) => status === 200);
  await join(c, "renewed");
  await second.log.until("channel_occupied", (e) => e.channel === "renewed");
  assert.ok(!first.calls.some((call) => call.rawBody.includes("renewed")));
});

test("a tenant's file that is broken changes nothing", async (t) => {
  const { server, write } = await tenants(t, [app]);
  const c = await speak(t, server);
  write({ ...app, secret: "", surprise: 1 });
  write(third); // after which the first has been read, too
  await soon(() => triggers(server, third), (status) => status === 200);
  assert.equal(await triggers(server, app), 200);
  assert.deepEqual(await answers(c), []);
});
