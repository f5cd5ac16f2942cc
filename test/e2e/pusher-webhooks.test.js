// Webhooks of the Pusher Channels protocol, as the stock SDK reads them.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { answers, app, gateway, join, other, site, speak } from "./pusher.js";
import { receiver } from "./pusher-hooks.js";

const ALL = ["channel_occupied", "channel_vacated", "member_added", "member_removed", "client_event", "cache_miss", "subscription_count"];

describe("webhooks", { concurrency: true }, () => {
  it("tell of channels, members, client events, misses and counts", async (t) => {
    const there = await receiver(t);
    const server = await gateway(t, { subscription_count: true, webhooks: [{ url: there.url, events: ALL }] });
    const [a, b] = [await speak(t, server), await speak(t, server)];
    const before = Date.now();

    await join(a, "private-room");
    assert.deepEqual((await there.log.until("subscription_count")), [
      { name: "channel_occupied", data: { channel: "private-room" } },
      { name: "subscription_count", data: { channel: "private-room", subscription_count: 1 } },
    ]);
    const { headers, rawBody } = there.calls[0];
    assert.equal(headers["content-type"], "application/json");
    assert.equal(headers["x-pusher-key"], app.key);
    assert.match(headers["x-pusher-signature"], /^[0-9a-f]{64}$/);
    const { time_ms, events, ...rest } = JSON.parse(rawBody);
    assert.ok(Number.isInteger(time_ms) && time_ms >= before - 1000 && time_ms <= Date.now() + 1000, `time_ms is ${time_ms}`);
    assert.deepEqual([events.length, rest], [1, {}]);

    await answers(a, { event: "client-x", channel: "private-room", data: { n: 1 } });
    assert.deepEqual(await there.log.until("client_event"), [
      { name: "client_event", data: { channel: "private-room", event: "client-x", data: '{"n":1}', socket_id: a.id } },
    ]);

    await join(a, "presence-room", { user_id: 10, user_info: { name: "Ten" } });
    await join(b, "presence-room", { user_id: "bert" });
    await join(b, "cache-room");
    const more = await there.log.first(6); // in order for each channel
    const of = (channel) => more.filter((e) => e.data.channel === channel);
    assert.deepEqual(of("presence-room"), [
      { name: "channel_occupied", data: { channel: "presence-room" } },
      { name: "member_added", data: { channel: "presence-room", user_id: "10" } },
      { name: "member_added", data: { channel: "presence-room", user_id: "bert" } },
    ]);
    assert.deepEqual(of("cache-room").map((e) => e.name).sort(), ["cache_miss", "channel_occupied", "subscription_count"]);

    await answers(b, { event: "client-x", channel: "presence-room", data: "text", user_id: "root" });
    assert.deepEqual(await there.log.take("client_event"), { channel: "presence-room", event: "client-x", data: "text", socket_id: b.id, user_id: "bert" });

    b.socket.terminate();
    assert.deepEqual(await there.log.take("member_removed"), { channel: "presence-room", user_id: "bert" });
    a.socket.terminate();
    assert.deepEqual(await there.log.take("member_removed", (e) => e.user_id === "10"), { channel: "presence-room", user_id: "10" });
    await there.log.take("channel_vacated", (e) => e.channel === "presence-room");
  });

  it("say nothing of who comes back within three seconds", async (t) => {
    const there = await receiver(t);
    const server = await gateway(t, { webhooks: [{ url: there.url }] });
    const member = { user_id: "anna" };
    const a = await speak(t, server);
    await join(a, "room");
    await join(a, "presence-room", member);
    await there.log.until("member_added");
    a.socket.terminate();
    const b = await speak(t, server);
    await join(b, "room");
    await join(b, "presence-room", member);
    // What leaves later is told, of these channels nothing before.
    await join(b, "later");
    await answers(b, { event: "pusher:unsubscribe", data: { channel: "later" } });
    const seen = await there.log.until("channel_vacated");
    assert.deepEqual(seen.filter((e) => e.data.channel !== "room" || e.name !== "channel_occupied"), [
      { name: "channel_occupied", data: { channel: "later" } },
      { name: "channel_vacated", data: { channel: "later" } },
    ]);
    b.socket.terminate();
    const names = (await there.log.until("channel_vacated", (e) => e.channel === "presence-room")).filter((e) => e.data.channel === "presence-room");
    assert.deepEqual(names.map((e) => e.name), ["member_removed", "channel_vacated"]);
  });

  it("are filtered by event and by channel, for each endpoint", async (t) => {
    const [members, shop, everything] = [await receiver(t), await receiver(t), await receiver(t)];
    const server = await gateway(t, {
      webhooks: [{ url: members.url, events: ["member_added"] }, { url: shop.url, channel_prefix: "shop-" }, { url: everything.url }],
    });
    const c = await speak(t, server);
    await join(c, "presence-room", { user_id: "anna" });
    await join(c, "other");
    await join(c, "shop-1");
    await join(c, "presence-end", { user_id: "anna" });
    assert.deepEqual(await members.log.until("member_added", (e) => e.channel === "presence-end"), [
      { name: "member_added", data: { channel: "presence-room", user_id: "anna" } },
      { name: "member_added", data: { channel: "presence-end", user_id: "anna" } },
    ]);
    assert.deepEqual(await shop.log.until("channel_occupied"), [{ name: "channel_occupied", data: { channel: "shop-1" } }]);
    await everything.log.until("member_added", (e) => e.channel === "presence-end");
    assert.equal(shop.calls.length, 1);
  });

  it("come in order for each channel, and several in a call if an endpoint asks", async (t) => {
    const [single, batch] = [await receiver(t), await receiver(t)];
    const events = ["client_event"];
    const server = await gateway(t, { client_event_rate: 0, webhooks: [{ url: single.url, events }, { url: batch.url, events, batch: true }] });
    const c = await speak(t, server);
    await join(c, "private-a");
    await join(c, "private-b");
    const n = 40;
    await answers(c, ...Array.from({ length: n }, (_, i) => ({ event: "client-x", channel: i % 2 ? "private-a" : "private-b", data: i })));
    for (const { log, calls } of [single, batch]) {
      const seen = [];
      while (seen.length < n) seen.push((await log.until("client_event")).at(-1).data);
      for (const channel of ["private-a", "private-b"]) {
        const numbers = seen.filter((e) => e.channel === channel).map((e) => Number(e.data));
        assert.deepEqual(numbers, Array.from({ length: n / 2 }, (_, i) => 2 * i + (channel === "private-a" ? 1 : 0)));
      }
      const sizes = calls.map((call) => JSON.parse(call.rawBody).events.length);
      if (log === single.log) assert.deepEqual(sizes, Array(n).fill(1));
      else assert.ok(Math.max(...sizes) > 1, `${sizes}`);
    }
  });

  it("are sent again until they are taken, and nothing of their channel before", async (t) => {
    let down = true;
    const there = await receiver(t, { status: (body) => (down && body.events[0].channel === "first" ? 500 : 200) });
    const dead = await receiver(t);
    await dead.close();
    const server = await gateway(t, { webhooks: [{ url: there.url }, { url: dead.url }] });
    const c = await speak(t, server);
    await join(c, "first");
    await join(c, "second");
    assert.deepEqual(await there.log.until("channel_occupied"), [{ name: "channel_occupied", data: { channel: "second" } }]);
    await answers(c, { event: "pusher:unsubscribe", data: { channel: "second" } });
    down = false;
    const seen = await there.log.until("channel_vacated");
    assert.deepEqual(seen.map((e) => [e.name, e.data.channel]), [["channel_occupied", "first"], ["channel_vacated", "second"]]);
    const tries = there.calls.filter((call) => call.rawBody.includes("first"));
    assert.ok(tries.length >= 2);
    assert.deepEqual(tries.map((call) => call.code).slice(0, 1), [500]);
    assert.equal(tries.at(-1).code, 200);
    for (const call of tries) assert.equal(JSON.stringify(JSON.parse(call.rawBody).events), JSON.stringify(JSON.parse(tries[0].rawBody).events));
  });

  it("that an endpoint does not answer cost nobody else anything", async (t) => {
    const { url } = await site(t, () => {}); // which says nothing
    const there = await receiver(t);
    const server = await gateway(t, { client_event_rate: 0, webhooks: [{ url }, { url: there.url }] });
    const [a, b] = [await speak(t, server), await speak(t, server)];
    for (const c of [a, b]) await join(c, "private-room");
    const n = 200;
    await answers(a, ...Array.from({ length: n }, (_, i) => ({ event: "client-x", channel: "private-room", data: i })));
    assert.equal((await b.json()).data, "0");
    await there.log.until("client_event", (e) => e.data === String(n - 1));
    for (let i = 0; i < 20; i++) await join(a, `room-${i}`);
    await there.log.until("channel_occupied", (e) => e.channel === "room-19");
  });

  it("do not follow redirects", async (t) => {
    const there = await receiver(t);
    let asked = 0;
    const { url } = await site(t, (request, response) => {
      asked++;
      response.writeHead(asked === 1 ? 307 : 200, { Location: there.url }).end();
    });
    const server = await gateway(t, { webhooks: [{ url }] });
    await join(await speak(t, server), "room");
    const c = await speak(t, server);
    await join(c, "later");
    while (asked < 3) await new Promise((resolve) => { setTimeout(resolve, 20); });
    assert.equal(there.calls.length, 0);
  });

  it("are of their own app, and signed with its secret", async (t) => {
    const [one, two] = [await receiver(t), await receiver(t, { of: other })];
    const server = await gateway(t, {}, { apps: [{ ...app, webhooks: [{ url: one.url }] }, { ...other, webhooks: [{ url: two.url }] }] });
    await join(await speak(t, server), "a");
    await join(await speak(t, server, { of: other }), "b");
    assert.deepEqual(await one.log.until("channel_occupied"), [{ name: "channel_occupied", data: { channel: "a" } }]);
    assert.deepEqual(await two.log.until("channel_occupied"), [{ name: "channel_occupied", data: { channel: "b" } }]);
  });

  it("outlive a kill of the gateway while their receiver is down", async (t) => {
    let down = true;
    const there = await receiver(t, { status: () => (down ? 503 : 200) });
    const server = await gateway(t, { webhooks: [{ url: there.url }] });
    const c = await speak(t, server);
    await join(c, "presence-room", { user_id: "anna" });
    await join(c, "stays");
    while (there.calls.length < 2) await new Promise((resolve) => { setTimeout(resolve, 20); });
    await server.kill();
    down = false;
    await server.again();
    const again = await speak(t, server);
    await join(again, "stays");
    const seen = [];
    const of = (channel) => seen.filter((e) => e.data.channel === channel).map((e) => e.name);
    while (!of("stays").length || !of("presence-room").includes("channel_vacated")) seen.push(...await there.log.first(1));
    // Those who were there have gone with the gateway; one has come back.
    assert.deepEqual([...new Set(of("presence-room"))], ["channel_occupied", "member_added", "member_removed", "channel_vacated"]);
    assert.deepEqual([...new Set(of("stays"))], ["channel_occupied"]);
  });

  it("that an orderly stop leaves behind are sent by the next start", async (t) => {
    let down = true;
    const there = await receiver(t, { status: () => (down ? 500 : 200) });
    const server = await gateway(t, { webhooks: [{ url: there.url, events: ["client_event"] }] });
    const c = await speak(t, server);
    await join(c, "private-room");
    await answers(c, { event: "client-x", channel: "private-room", data: "remember" });
    await server.stop();
    down = false;
    await server.again();
    assert.equal((await there.log.take("client_event")).data, "remember");
  });
});
