// Laravel Echo, as Laravel's pages use it, with both names that its users know
// the protocol by.

import assert from "node:assert/strict";
import { test } from "node:test";
import Echo from "laravel-echo";
import Pusher from "pusher-js";
import { backend, gateway, Log } from "./pusher.js";

// echo makes a client that ends with the server.
function echo(server, there, broadcaster, user) {
  const port = Number(server.host.split(":").at(-1));
  const client = new Echo({
    broadcaster, Pusher,
    key: "app-key",
    wsHost: "127.0.0.1", wsPort: port, wssPort: port, forceTLS: false, enabledTransports: ["ws", "wss"],
    authEndpoint: `${there.url}/broadcasting/auth`,
    userAuthentication: { endpoint: `${there.url}/broadcasting/user-auth`, headers: { "X-User": user } },
    auth: { headers: { "X-User": user } },
    ...(broadcaster === "pusher" && { cluster: "mt1" }),
  });
  server.beforeStop(() => client.disconnect());
  return client;
}

// subscribed waits until a channel of Echo's is.
function subscribed(channel) {
  return new Promise((resolve, reject) => {
    channel.subscribed(resolve);
    channel.error((e) => reject(new Error(JSON.stringify(e))));
  });
}

for (const broadcaster of ["pusher", "reverb"]) {
  test(`Laravel Echo with broadcaster ${broadcaster}: public, private and encrypted channels, notifications`, async (t) => {
    const server = await gateway(t);
    const there = await backend(t, server);
    const anna = echo(server, there, broadcaster, "anna");
    const log = new Log();

    const orders = anna.channel("orders").listen("OrderShipped", (e) => log.note("shipped", e)).listen(".server.restarting", (e) => log.note("restarting", e));
    await subscribed(orders);
    assert.match(anna.socketId(), /^\d+\.\d+$/);
    assert.equal(anna.connectionStatus(), "connected");
    await there.sdk.trigger("orders", "App\\Events\\OrderShipped", { order: { id: 7 } });
    assert.deepEqual(await log.take("shipped"), { order: { id: 7 } });
    await there.sdk.trigger("orders", "server.restarting", { in: "5 minutes" });
    assert.deepEqual(await log.take("restarting"), { in: "5 minutes" });

    const mine = anna.private("App.Models.User.1").notification((n) => log.note("notified", n));
    await subscribed(mine);
    const notification = { id: "f4-7", type: "App\\Notifications\\InvoicePaid", amount: 12 };
    await there.sdk.trigger("private-App.Models.User.1", "Illuminate\\Notifications\\Events\\BroadcastNotificationCreated", notification);
    assert.deepEqual(await log.take("notified"), notification);

    const secret = anna.encryptedPrivate("secret").listen("Told", (e) => log.note("told", e));
    await subscribed(secret);
    await there.sdk.trigger("private-encrypted-secret", "App\\Events\\Told", { a: 1 });
    assert.deepEqual(await log.take("told"), { a: 1 });

    // What Laravel calls toOthers: not for the socket that has caused it.
    const bert = echo(server, there, broadcaster, "bert");
    const others = new Log();
    await subscribed(bert.channel("orders").listen("OrderShipped", (e) => others.note("shipped", e)));
    await there.sdk.trigger("orders", "App\\Events\\OrderShipped", { order: { id: 8 } }, { socket_id: anna.socketId() });
    await there.sdk.trigger("orders", "server.restarting", {});
    assert.deepEqual(await others.take("shipped"), { order: { id: 8 } });
    assert.deepEqual(await log.names("restarting"), ["restarting"]);

    // Left channels are quiet.
    anna.leaveChannel("orders");
    anna.leave("App.Models.User.1");
    const api = async () => (await there.sdk.get({ path: "/channels/orders", params: { info: "subscription_count" } })).json();
    while ((await api()).subscription_count !== 1) await new Promise((resolve) => { setTimeout(resolve, 10); });
    await there.sdk.trigger(["orders", "private-App.Models.User.1"], "App\\Events\\OrderShipped", {});
    await there.sdk.trigger("private-encrypted-secret", "App\\Events\\Told", {});
    assert.deepEqual(await log.names("told"), ["told"]);
  });

  test(`Laravel Echo with broadcaster ${broadcaster}: presence channels and whispers`, async (t) => {
    const server = await gateway(t);
    const there = await backend(t, server, { person: (user) => ({ id: user, name: `The ${user}` }) });
    const log = new Log();
    const room = (client, to) => client.join("chat.1")
      .here((users) => to.note("here", users.map((u) => u.id).sort()))
      .joining((user) => to.note("joining", user.name))
      .leaving((user) => to.note("leaving", user.name))
      .listenForWhisper("typing", (e) => to.note("typing", e))
      .listen("MessageSent", (e) => to.note("sent", e));
    room(echo(server, there, broadcaster, "anna"), log);
    assert.deepEqual(await log.take("here"), ["anna"]);

    const [his, bert] = [new Log(), echo(server, there, broadcaster, "bert")];
    const channel = room(bert, his);
    assert.deepEqual(await his.take("here"), ["anna", "bert"]);
    assert.equal(await log.take("joining"), "The bert");
    channel.whisper("typing", { name: "Bert" });
    assert.deepEqual(await log.take("typing"), { name: "Bert" });
    await there.sdk.trigger("presence-chat.1", "App\\Events\\MessageSent", { text: "hello" });
    assert.deepEqual(await log.take("sent"), { text: "hello" });
    assert.deepEqual(await his.names("sent"), ["sent"], "his own whisper is not for him");
    bert.leave("chat.1");
    assert.equal(await log.take("leaving"), "The bert");
  });
}

test("Laravel Echo signs in, is refused and told so", async (t) => {
  const server = await gateway(t);
  const there = await backend(t, server);
  const anna = echo(server, there, "reverb", "anna");
  const log = new Log();
  anna.connector.pusher.user.bind("hello", (e) => log.note("hello", e));
  const done = new Promise((resolve) => {
    anna.connector.pusher.connection.bind("message", (m) => {
      if (m.event === "pusher_internal:subscription_succeeded" && m.channel === "#server-to-user-anna") resolve();
    });
  });
  anna.connector.signin();
  await done;
  await there.sdk.sendToUser("anna", "hello", { a: 1 });
  assert.deepEqual(await log.take("hello"), { a: 1 });

  const stranger = echo(server, there, "reverb", "");
  const { status } = await new Promise((resolve) => { stranger.private("orders").error(resolve); });
  assert.equal(status, 403);
});
