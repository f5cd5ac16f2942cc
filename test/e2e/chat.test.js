// The chat, in several pages at once.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { test } from "node:test";
import { promisify } from "node:util";
import { open, shoot, until, useBrowser } from "./browser.js";
import { serve, within } from "./server.js";

useBrowser();

const run = promisify(execFile);

// enter opens the chat and goes in.
async function enter(t, server, name, { room = "lobby", prepare, ...options } = {}) {
  const page = await open(t, server, "/chat", options);
  await prepare?.(page);
  await page.getByLabel("Nickname").fill(name);
  await page.getByLabel("Room", { exact: true }).fill(room);
  await page.keyboard.press("Enter");
  await back(page);
  return page;
}

async function back(page) {
  await page.locator('#state[data-state="connected"]').waitFor();
  await until(page, () => document.querySelectorAll("#members li").length > 0);
}

// say writes as people do.
async function say(page, text, to) {
  if (to) await page.getByLabel("To").selectOption({ label: to });
  await page.getByLabel("Message", { exact: true }).fill(text);
  await page.keyboard.press("Enter");
}

// shown returns what is in view as "alice (to bob): hello", without notes.
function shown(page) {
  return page.evaluate(() => [...document.querySelectorAll("#logs > :not([hidden]) > p:has(.text)")].map((p) => {
    const part = (name) => p.querySelector(name)?.textContent;
    return `${part(".user") ?? `[${part(".server")}]`}${part(".to") ? ` (${part(".to")})` : ""}: ${part(".text")}`;
  }));
}

// sees waits for a line, and checks that these are all there are.
async function sees(page, ...lines) {
  await until(page, (text) => [...document.querySelectorAll("#logs > :not([hidden]) .text")].some((e) => e.textContent === text), lines.at(-1).replace(/^.*?: /s, ""));
  assert.deepEqual(await shown(page), lines);
}

async function notes(page) {
  return (await page.locator("#logs > :not([hidden]) > p.told").allTextContents()).map((text) => text.replace(/^\d\d:\d\d/, "").trim());
}

async function noted(page, text) {
  await page.locator("#logs > :not([hidden]) > p.told", { hasText: text }).last().waitFor();
}

async function here(page, ...names) {
  await until(page, (n) => document.querySelectorAll("#members li").length === n, names.length);
  const found = await page.locator("#members bdi").allTextContents();
  assert.deepEqual(found.sort(), names.sort());
  await page.getByText(`${names.length} here`, { exact: true }).waitFor();
}

async function nothingWaits(page) {
  await until(page, () => document.querySelectorAll("#outbox > *").length === 0);
}

test("people in a room talk", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  assert.equal(await alice.title(), "lobby – Chat");
  await alice.getByText("Connected as alice").waitFor();
  await here(alice, "alice", "bob");
  await say(alice, "Hello!");
  await sees(bob, "alice: Hello!");
  await say(bob, "  Hello, alice.  ");
  for (const page of [alice, bob]) {
    await sees(page, "alice: Hello!", "bob: Hello, alice.");
    await nothingWaits(page);
    assert.equal(await page.getByLabel("Message", { exact: true }).inputValue(), "");
  }
  await say(bob, "   ");
  await say(bob, "all: that was nothing");
  await sees(alice, "alice: Hello!", "bob: Hello, alice.", "bob (to everyone): that was nothing");
});

test("what is sent waits until it comes back", async (t) => {
  const server = await serve(t);
  const relay = await relayTo(t, server);
  const alice = await enter(t, relay, "alice");
  relay.hold();
  await say(alice, "slowly");
  await alice.locator("#outbox", { hasText: "slowly" }).getByText("sending").waitFor();
  assert.deepEqual(await shown(alice), []);
  relay.release();
  await sees(alice, "alice: slowly");
  await nothingWaits(alice);
});

test("what has come back waits no longer, even if the answer is lost", async (t) => {
  const server = await serve(t);
  const alice = await enter(t, server, "alice", {
    prepare: async (page) => {
      await page.routeWebSocket(/\/ws/, (ws) => {
        const gateway = ws.connectToServer();
        gateway.onMessage((message) => { if (!message.includes('"published"')) ws.send(message); });
      });
      await page.reload();
    },
  });
  await say(alice, "hello?");
  await sees(alice, "alice: hello?");
  await nothingWaits(alice);
});

test("a private message is for all pages of one user, and for the sender's", async (t) => {
  const server = await serve(t);
  const alices = [await enter(t, server, "alice"), await enter(t, server, "alice")];
  const bobs = [await enter(t, server, "bob"), await enter(t, server, "bob", { room: "elsewhere" })];
  const carol = await enter(t, server, "carol");
  await here(alices[0], "alice", "bob", "carol");
  await say(alices[0], "hush", "bob");
  for (const page of alices) await sees(page, "alice (to bob): hush");
  for (const page of bobs) await sees(page, "alice (to you): hush");
  await say(alices[0], "to all of you", "everyone");
  for (const page of alices) await sees(page, "alice (to bob): hush", "alice (to everyone): to all of you");
  for (const page of bobs) await sees(page, "alice (to you): hush", "alice (to everyone): to all of you");
  await sees(carol, "alice (to everyone): to all of you");
  await nothingWaits(alices[0]);
});

test("a message begins with whom it is for", async (t) => {
  const server = await serve(t);
  const [alice, bob, carol] = [await enter(t, server, "alice"), await enter(t, server, "Bob: the 2nd"), await enter(t, server, "carol")];
  await here(alice, "alice", "Bob: the 2nd", "carol");
  await alice.getByLabel("Message", { exact: true }).fill("bob: the 2nd: hi");
  await alice.getByText("Only Bob: the 2nd will get this.").waitFor();
  await alice.keyboard.press("Enter");
  await sees(bob, "alice (to you): hi");
  await alice.getByLabel("Message", { exact: true }).fill("All: tea?");
  await alice.getByText("Everyone, in all rooms, will get this.").waitFor();
  await alice.keyboard.press("Enter");
  await sees(bob, "alice (to you): hi", "alice (to everyone): tea?");
  await sees(carol, "alice (to everyone): tea?");
  // Nobody here has these names: the room gets it as it is.
  for (const text of ["dave: hi", "alice: a note", "http://x.example/"]) await say(alice, text);
  await sees(carol, "alice (to everyone): tea?", "alice: dave: hi", "alice: alice: a note", "alice: http://x.example/");
});

test("who is chosen stays chosen when he goes, and is told of", async (t) => {
  const server = await serve(t);
  const [alice, bob, carol] = [await enter(t, server, "alice"), await enter(t, server, "bob"), await enter(t, server, "carol")];
  await alice.getByRole("button", { name: "bob", exact: true }).click();
  assert.equal(await alice.evaluate(() => document.activeElement.id), "text");
  await alice.getByText("Only bob will get this.").waitFor();
  await bob.close();
  await noted(alice, "bob has left");
  await say(alice, "a secret");
  await alice.getByRole("alert").filter({ hasText: "not sent: bob is not connected" }).waitFor();
  await alice.getByLabel("Message", { exact: true }).press("Escape");
  await say(alice, "for the room");
  await sees(carol, "alice: for the room");
  await enter(t, server, "bob");
  await noted(alice, "bob has come");
  await alice.getByRole("button", { name: "Send again" }).click();
  await sees(alice, "alice: for the room", "alice (to bob): a secret");
  await nothingWaits(alice);
});

test("who comes and goes is told once, however many pages he has", async (t) => {
  const server = await serve(t);
  const alice = await enter(t, server, "alice");
  const first = await enter(t, server, "bob");
  const second = await enter(t, server, "bob");
  await first.close();
  await enter(t, server, "carol");
  await noted(alice, "carol has come");
  await here(alice, "alice", "bob", "carol");
  assert.deepEqual(await notes(alice), ["bob has come", "carol has come"]);
  await second.close();
  await noted(alice, "bob has left");
  await here(alice, "alice", "carol");
  assert.deepEqual(await notes(alice), ["bob has come", "carol has come", "bob has left"]);
});

test("rooms are joined, switched and left, with what is new counted", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  await alice.getByLabel("Another room").fill("php");
  await alice.keyboard.press("Enter");
  await alice.getByRole("heading", { name: "php" }).waitFor();
  assert.match(alice.url(), /\?room=php$/);
  await here(alice, "alice");
  for (const text of ["one", "two"]) await say(bob, text);
  await alice.getByRole("button", { name: "lobby 2 new" }).waitFor();
  assert.equal(await alice.title(), "(2) php – Chat");
  assert.deepEqual(await shown(alice), []);
  await alice.getByRole("button", { name: /^lobby/ }).click();
  await sees(alice, "bob: one", "bob: two");
  assert.equal(await alice.title(), "lobby – Chat");
  assert.equal(await alice.locator("[aria-current=true]").textContent(), "lobby");
  await here(alice, "alice", "bob");
  await alice.getByRole("button", { name: "Leave" }).click();
  await alice.getByRole("heading", { name: "php" }).waitFor();
  await noted(bob, "alice has left");
  await say(bob, "to nobody");
  await sees(bob, "bob: one", "bob: two", "bob: to nobody");
  await alice.getByLabel("Another room").fill("lobby");
  await alice.keyboard.press("Enter");
  await here(alice, "alice", "bob");
  assert.deepEqual(await shown(alice), []);
  // Who leaves the last room leaves the chat.
  for (let i = 0; i < 2; i++) await alice.getByRole("button", { name: "Leave" }).click();
  assert.equal(await alice.evaluate(() => document.activeElement.id), "name");
  await here(bob, "bob");
  assert.equal(await alice.title(), "Chat");
  await alice.reload();
  await alice.getByLabel("Nickname").waitFor();
  await alice.getByLabel("Nickname").fill("alice");
  await alice.keyboard.press("Enter");
  await alice.getByRole("button", { name: "Leave" }).click();
  await alice.getByLabel("Nickname").fill("Alice");
  await alice.keyboard.press("Enter");
  await back(alice);
  await alice.getByText("Connected as Alice").waitFor();
  await say(alice, "back");
  await sees(alice, "Alice: back");
  assert.deepEqual(await notes(alice), []);
});

test("a reload keeps name and rooms", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  await alice.getByLabel("Another room").fill("php");
  await alice.keyboard.press("Enter");
  await alice.reload();
  await alice.getByText("Connected as alice").waitFor();
  await alice.getByRole("heading", { name: "php" }).waitFor();
  await here(alice, "alice");
  await say(bob, "still here?");
  await alice.getByRole("button", { name: "lobby 1 new" }).click();
  await sees(alice, "bob: still here?");
  await here(bob, "alice", "bob");
  // A link to a room brings one there, with the others.
  await alice.goto(`${server.http}/chat?room=news`);
  await alice.getByRole("heading", { name: "news" }).waitFor();
  assert.deepEqual(await alice.locator("#rooms bdi").allTextContents(), ["lobby", "php", "news"]);
  await alice.goto(`${server.http}/chat`);
  await alice.getByRole("heading", { name: "lobby" }).waitFor();
  assert.deepEqual(await alice.locator("#rooms bdi").allTextContents(), ["lobby", "php", "news"]);
});

test("hostile text stays text", async (t) => {
  const server = await serve(t);
  const hostile = '<img src=x onerror="window.hacked = 1">';
  const [alice, mallory] = [await enter(t, server, "alice"), await enter(t, server, hostile)];
  await here(alice, "alice", hostile);
  await noted(alice, `${hostile} has come`);
  const texts = ["<script>window.hacked = 1</script>", "</bdi></p></div><h1>owned</h1>", "javascript:alert(1) &lt; \u202e txet"];
  for (const text of texts) await say(mallory, text);
  await sees(alice, ...texts.map((text) => `${hostile}: ${text}`));
  await say(alice, `${hostile}: back to you`);
  await sees(mallory, ...texts.map((text) => `${hostile}: ${text}`), "alice (to you): back to you");
  await sees(alice, ...texts.map((text) => `${hostile}: ${text}`), `alice (to ${hostile}): back to you`);
  // Data may have any shape, and lie about its sender.
  for (const [event, data] of [
    ["said", { user: "alice", text: "I am alice" }], ["said", null], ["said", ["x"]], ["said", { text: { a: 1 }, id: {} }],
    ["announcement", 7], ["constructor", 8], ["private", { to: { a: "<b>" }, text: "p" }], ["other", "plain"], ["said", {}],
  ]) await server.publish("presence-lobby", data, { event });
  await server.publish("presence-lobby", Buffer.from("bytes").toString("base64"), { encoding: "base64" });
  await server.publish("presence-lobby", "x".repeat(50000));
  await alice.getByText(/^x{2000} …$/).waitFor();
  assert.deepEqual((await shown(alice)).slice(4, -1), [
    "[server]: I am alice", "[server]: null", '[server]: ["x"]', '[server]: {"text":{"a":1},"id":{}}',
    "[server]: 7", "[server]: 8", "[server]: p", "[server]: plain", "[server]: {}", "[server]: binary, 5 bytes",
  ]);
  for (const page of [alice, mallory]) {
    assert.equal(await page.locator("h1").count(), 1);
    assert.equal(await page.locator("#chat img, #chat script").count(), 0);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  }
});

for (const [name, room, words, field] of [
  ["", "lobby", "Write a nickname.", "name"],
  [" \u200b ", "lobby", "Write a nickname.", "name"],
  ["..", "lobby", "means something else", "name"],
  ["All", "lobby", "means something else", "name"],
  ["Server", "lobby", "means something else", "name"],
  ["ö".repeat(65), "lobby", "too long", "name"],
  ["a\u0085b", "lobby", "control characters", "name"],
  ["alice", "", "A room's name has", "first"],
  ["alice", "<script>window.hacked = 1</script>", "A room's name has", "first"],
  ["alice", "x".repeat(156), "A room's name has", "first"],
]) {
  test(`wrong names are explained: ${JSON.stringify([name, room]).slice(0, 30)}`, async (t) => {
    const server = await serve(t);
    const page = await open(t, server, `/chat?room=${encodeURIComponent(room)}`);
    await page.getByLabel("Nickname").fill(name);
    await page.getByRole("button", { name: "Enter" }).click();
    await page.getByRole("alert").filter({ hasText: words }).waitFor();
    assert.equal(await page.evaluate(() => document.activeElement.id), field);
    assert.deepEqual(await page.locator('[aria-invalid="true"]').evaluateAll((list) => list.map((e) => e.id)), [field]);
    await page.getByLabel("Nickname").fill("ö".repeat(64));
    await page.getByLabel("Room", { exact: true }).fill("r".repeat(155));
    await page.keyboard.press("Enter");
    await back(page);
    await page.getByLabel("Another room").fill("no room");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").filter({ hasText: "A room's name has" }).waitFor();
    assert.equal(await page.locator("#rooms li").count(), 1);
  });
}

test("a message over the limit is not sent", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  const text = alice.getByLabel("Message", { exact: true });
  await text.fill("x".repeat(450));
  assert.equal(await alice.locator("#length").textContent(), "");
  await text.fill("x".repeat(451));
  await alice.getByText("451 of 500 characters.").waitFor();
  await text.fill("\u{1f600}".repeat(502));
  await alice.keyboard.press("Enter");
  await alice.getByRole("alert").filter({ hasText: "Not sent: 2 too many characters." }).waitFor();
  assert.equal(await text.inputValue(), "\u{1f600}".repeat(502));
  await text.press("Backspace");
  await text.press("Backspace");
  assert.equal(await alice.locator("#unsent").textContent(), "");
  await alice.keyboard.press("Enter");
  await sees(bob, `alice: ${"\u{1f600}".repeat(500)}`);
});

test("a room keeps 500 lines, and one reads on where one is", async (t) => {
  const server = await serve(t);
  const page = await enter(t, server, "alice");
  const fill = async (from, n) => {
    const batch = Array.from({ length: n }, (_, i) => ({ to: { channels: ["presence-lobby"] }, data: { text: `message ${from + i}` } }));
    await server.post("/api/publish/batch", { batch });
    await page.getByText(`message ${from + n - 1}`, { exact: true }).waitFor();
  };
  await fill(0, 600);
  const lines = await shown(page);
  assert.equal(lines.length, 500);
  assert.equal(lines[0], "[server]: message 100");
  const inView = (text) => page.evaluate((text) => {
    const line = [...document.querySelectorAll("#logs .text")].find((e) => e.textContent === text).getBoundingClientRect();
    const box = document.querySelector("#box").getBoundingClientRect();
    return line.top >= box.top && line.bottom <= box.bottom;
  }, text);
  assert.equal(await inView("message 599"), true);
  await page.getByText("message 400", { exact: true }).scrollIntoViewIfNeeded();
  await fill(600, 20);
  assert.equal(await inView("message 400"), true);
  await say(page, "and me");
  await until(page, () => document.querySelector("#logs").lastElementChild.textContent.endsWith("and me"));
  assert.equal(await inView("and me"), true);
});

// retry lets time go by in a page whose clock stands still, in small steps, until
// it connects, and no further: in the page's time, what the server then sends takes
// none, however slow the machine is.
async function retry(page) {
  while (await page.locator('#state[data-state="lost"]').count()) await page.clock.fastForward(100);
}

test("the pages come back by themselves after a crash, and nothing is shown twice", async (t) => {
  const server = await serve(t);
  const alice = await enter(t, server, "alice", { network: true, prepare: (page) => page.clock.install() });
  const bob = await enter(t, server, "bob", { network: true, prepare: (page) => page.clock.install() });
  await alice.getByLabel("Another room").fill("php");
  await alice.keyboard.press("Enter");
  await here(alice, "alice");
  await alice.getByRole("button", { name: "lobby" }).click();
  await say(alice, "before");
  for (const page of [alice, bob]) await sees(page, "alice: before");
  await server.kill();
  await alice.locator('#state[data-state="lost"]').waitFor();
  await alice.getByText(/^: again in \d+ s$/).waitFor();
  await alice.getByRole("button", { name: "Connect now" }).waitFor();
  for (const page of [alice, bob]) await page.clock.pauseAt(Date.now() + 60_000); // so that she is back after him, soon
  await say(alice, "while away");
  await alice.locator("#outbox", { hasText: "while away" }).getByText("waits for the connection").waitFor();
  await shoot(alice, "chat-lost");
  await server.start();
  for (const page of [bob, alice]) {
    await retry(page);
    await back(page);
  }
  await sees(bob, "alice: before", "alice: while away");
  await sees(alice, "alice: before", "alice: while away");
  await nothingWaits(alice);
  await here(bob, "alice", "bob");
  // Who was there before and is there again is no news.
  for (const page of [alice, bob]) assert.deepEqual((await notes(page)).filter((text) => text !== "bob has come"), ["You were away: what was said meanwhile is missing here."]);
  assert.equal((await notes(bob)).length, 1);
  for (const room of ["lobby", "php"]) assert.equal(await server.publish(`presence-${room}`, { text: `in ${room}` }), room === "lobby" ? 2 : 1);
  await sees(bob, "alice: before", "alice: while away", "[server]: in lobby");
  await alice.getByRole("button", { name: "php 1 new" }).click();
  await sees(alice, "[server]: in php");
});

test("a full queue says so", async (t) => {
  const server = await serve(t);
  const alice = await enter(t, server, "alice", { network: true });
  await server.kill();
  await alice.locator('#state[data-state="lost"]').waitFor();
  for (let i = 0; i <= 100; i++) await say(alice, `message ${i}`);
  await alice.getByRole("alert").filter({ hasText: "not sent: too much waits for the connection already" }).waitFor();
  await alice.getByRole("button", { name: "Discard" }).click();
  assert.equal(await alice.locator("#outbox > p").count(), 100);
  await server.start();
  await back(alice);
  await sees(alice, ...Array.from({ length: 100 }, (_, i) => `alice: message ${i}`));
  await nothingWaits(alice);
});

test("a network that goes and comes back", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice", { network: true, prepare: (page) => page.clock.install() }), await enter(t, server, "bob")];
  await alice.context().setOffline(true);
  await alice.clock.fastForward(10_000); // timeout, if the socket does not notice
  await alice.locator('#state[data-state="lost"]').waitFor();
  await alice.context().setOffline(false);
  await back(alice);
  await say(bob, "here again?");
  await sees(alice, "bob: here again?");
  await say(alice, "yes");
  await sees(bob, "bob: here again?", "alice: yes");
});

test("a network that falls silent is noticed, and what is sent again is shown once", async (t) => {
  const server = await serve(t);
  const relay = await relayTo(t, server);
  const alice = await enter(t, relay, "alice", { network: true, prepare: (page) => page.clock.install() });
  const bob = await enter(t, server, "bob");
  await here(alice, "alice", "bob");
  relay.mute(); // what alice sends still arrives
  await say(alice, "into the dark");
  await sees(bob, "alice: into the dark");
  assert.equal(await alice.locator("#state").getAttribute("data-state"), "connected");
  await alice.clock.fastForward(25_000); // heartbeat
  await alice.clock.fastForward(10_000); // timeout
  await alice.getByText("You were away").waitFor();
  await alice.getByText("perhaps not sent: the connection was lost").waitFor();
  await back(alice);
  await alice.getByRole("button", { name: "Send again" }).click();
  await sees(alice, "alice: into the dark");
  await nothingWaits(alice);
  await say(alice, "now there is light");
  await sees(bob, "alice: into the dark", "alice: now there is light");
});

test("a refusal is told, and can be tried again", async (t) => {
  const server = await serve(t);
  const alice = await enter(t, server, "alice");
  await server.post("/api/users/alice/disconnect", { reason: "enough for today" });
  await alice.getByText("Refused: enough for today").waitFor();
  await say(alice, "but");
  await alice.getByRole("alert").filter({ hasText: "not sent: the connection is closed: enough for today" }).waitFor();
  await alice.getByRole("button", { name: "Connect now" }).click();
  await back(alice);
  await alice.getByRole("button", { name: "Send again" }).click();
  await sees(alice, "alice: but");
});

test("a server that is not there at first is waited for", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/chat", { network: true });
  await page.getByRole("button", { name: "Enter" }).waitFor();
  await server.kill();
  await page.getByLabel("Nickname").fill("alice");
  await page.keyboard.press("Enter");
  await page.getByText("No connection").waitFor();
  await say(page, "hello?");
  await server.start();
  await back(page);
  await sees(page, "alice: hello?");
  assert.deepEqual(await notes(page), []);
});

test("a room that is full says so", async (t) => {
  const server = await serve(t);
  const { default: WebSocket } = await import("ws");
  const user = async (name) => {
    const ws = new WebSocket(`${server.ws}/ws?user=${name}`);
    server.beforeStop(() => ws.terminate());
    await within(once(ws, "open"), "the handshake");
    ws.send('{"type":"subscribe","channel":"presence-full"}');
    await within(new Promise((resolve) => ws.on("message", (data) => /"subscribed"/.test(data) && resolve())), "subscribed");
    return ws;
  };
  const sockets = [];
  for (let i = 0; i < 100; i++) sockets.push(await user(`user${i}`));
  const alice = await enter(t, server, "alice");
  const joins = async () => {
    await alice.getByLabel("Another room").fill("full");
    await alice.keyboard.press("Enter");
  };
  await joins();
  await alice.getByText(/^You are not in this room: .*100/).waitFor();
  await here(alice);
  for (const label of ["To", "Message"]) assert.equal(await alice.getByLabel(label, { exact: true }).isDisabled(), true, label);
  await shoot(alice, "chat-full");
  const again = alice.getByRole("button", { name: "Try again" });
  await again.click();
  await alice.getByText(/^You are not in this room: .*100/).waitFor();
  // Nobody but those who are in a room can be in the way elsewhere.
  await alice.getByRole("button", { name: "lobby" }).click();
  await here(alice, "alice");
  assert.equal(await again.isVisible(), false);
  await say(alice, "here I am");
  await sees(alice, "alice: here I am");
  await alice.getByRole("button", { name: "full" }).click();
  sockets.pop().terminate();
  await until(alice, () => {
    document.querySelector("#again").click();
    return document.querySelectorAll("#members li").length === 100;
  });
  await say(alice, "in at last");
  await sees(alice, "alice: in at last");
  await alice.getByRole("button", { name: "Leave" }).click();
  sockets.push(await user("user99"));
  await joins();
  await again.waitFor();
  sockets.pop().terminate();
  await until(alice, () => { // Join asks again, too
    document.querySelector("#another").value = "full";
    document.querySelector("#join").requestSubmit();
    return document.querySelectorAll("#members li").length === 100;
  });
});

test("a room that the backend ends says so, and can be asked for again", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  const { clients: [{ id }] } = await (await fetch(`${server.http}/api/users/alice`, { headers: { Authorization: "Bearer dev-secret" } })).json();
  assert.equal((await server.post(`/api/clients/${id}/unsubscribe`, { channel: "presence-lobby" })).status, 200);
  await alice.getByText("You are not in this room: the server has ended it").waitFor();
  await here(alice);
  await alice.getByRole("button", { name: "Try again" }).press("Enter");
  await here(alice, "alice", "bob");
  assert.equal(await alice.evaluate(() => document.activeElement.id), "text");
  await say(alice, "back");
  await sees(bob, "alice: back");
  await sees(alice, "alice: back");
});

test("a message goes to whom the page says, whoever comes and goes", async (t) => {
  const server = await serve(t);
  const [alice, bob, carol] = [await enter(t, server, "alice"), await enter(t, server, "bob"), await enter(t, server, "carol")];
  const text = bob.getByLabel("Message", { exact: true });
  const whom = () => bob.locator("#whom").textContent();
  await here(bob, "alice", "bob", "carol");
  await text.fill("alice: a secr");
  await bob.getByText("Only alice will get this.").waitFor();
  await alice.close();
  await noted(bob, "alice has left");
  assert.equal(await whom(), "Only alice will get this.");
  await text.press("e");
  await text.press("t");
  assert.equal(await whom(), "Only alice will get this.");
  await text.press("Enter");
  await bob.getByRole("alert").filter({ hasText: "not sent: alice is not connected" }).waitFor();
  await bob.getByRole("button", { name: "Discard" }).click();
  // With another beginning, or anew, it is as it is then.
  await say(bob, "alice: is not here");
  await sees(carol, "bob: alice: is not here");
  // Somebody comes whose name the text happens to begin with.
  await text.fill("OK: fine");
  assert.equal(await whom(), "");
  const ok = await enter(t, server, "ok");
  await noted(bob, "ok has come");
  assert.equal(await whom(), "Only ok will get this.");
  await text.press("Enter");
  await bob.getByRole("alert").filter({ hasText: "Not sent: who will get this has just changed." }).waitFor();
  assert.equal(await text.inputValue(), "OK: fine");
  assert.equal(await bob.locator("#outbox > *").count(), 0);
  await text.press("Enter");
  await sees(ok, "bob (to you): fine");
  // Nor does another text there, as browsers restore it, go where nothing says.
  await text.evaluate((e) => { e.value = "ok: restored"; });
  await text.press("Enter");
  await bob.getByRole("alert").filter({ hasText: "Not sent: who" }).waitFor();
  assert.equal(await whom(), "Only ok will get this.");
  await say(bob, "to the room");
  await sees(carol, "bob: alice: is not here", "bob: to the room");
  await sees(bob, "bob: alice: is not here", "bob (to ok): fine", "bob: to the room");
});

test("who the server does not know by that name is not told so", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret, anonymous: true}]" });
  const page = await open(t, server, "/");
  await page.route("**/assets/here.json", (route) => route.fulfill({ json: { development: true } }));
  await page.goto(`${server.http}/chat`);
  await page.getByLabel("Nickname").fill("nina");
  await page.keyboard.press("Enter");
  await page.getByText("Connected without a name").waitFor();
  await page.getByRole("heading", { name: "This chat is for the development app" }).waitFor();
  await page.getByText(/^You are not in this room: ./).waitFor();
  await here(page);
});

test("an id counts for its sender only", async (t) => {
  const server = await serve(t);
  const [alice, mallory] = [await enter(t, server, "alice"), await enter(t, server, "mallory")];
  await within(mallory.evaluate(async () => {
    const { Stentor } = await import("/stentor.js");
    const other = new Stentor("/ws", { user: "mallory" });
    const room = await other.subscribe("presence-lobby").ready;
    room.on("message", ({ user, data }) => { // takes the ids of others
      if (user === "alice") room.publish("said", { text: `mine, ${data.text}`, id: data.id });
    });
  }), "her client");
  await say(alice, "one");
  await sees(alice, "alice: one", "mallory: mine, one");
  await nothingWaits(alice);
  await say(alice, "two");
  await sees(alice, "alice: one", "mallory: mine, one", "alice: two", "mallory: mine, two");
  await sees(mallory, "alice: one", "mallory: mine, one", "alice: two", "mallory: mine, two");
});

test("ids of any length are no burden", async (t) => {
  const server = await serve(t);
  const alice = await enter(t, server, "alice");
  for (const id of ["i".repeat(64), "i".repeat(64), "j".repeat(65), "j".repeat(65)]) await server.publish("presence-lobby", { text: id[0], id });
  await server.publish("presence-lobby", { text: "end" });
  await sees(alice, "[server]: i", "[server]: j", "[server]: j", "[server]: end");
});

test("a name from right to left turns nothing around", async (t) => {
  const server = await serve(t);
  const [alice, dana] = [await enter(t, server, "alice"), await enter(t, server, "דנה")];
  await dana.getByText("Connected as דנה").waitFor();
  await here(alice, "alice", "דנה");
  await alice.getByLabel("Message", { exact: true }).fill("דנה: hi");
  await alice.getByText("Only דנה will get this.").waitFor();
  await dana.close();
  await noted(alice, "דנה has left");
  await alice.keyboard.press("Enter");
  await alice.getByRole("alert").filter({ hasText: "not sent: דנה is not connected" }).waitFor();
  for (const told of ["#logs .told", "#outbox .told"]) assert.equal(await alice.locator(`${told} bdi`).last().textContent(), "דנה");
});

test("the room in view is in view among the rooms, and a long name has one line", async (t) => {
  const server = await serve(t);
  for (const viewport of [{ width: 390, height: 700 }, { width: 1100, height: 500 }]) {
    const page = await enter(t, server, "n".repeat(128), { viewport });
    for (let i = 0; i < 12; i++) {
      await page.getByLabel("Another room").fill(`room-${i}`);
      await page.keyboard.press("Enter");
    }
    const inView = () => page.evaluate(() => {
      const [a, b] = ["#rooms", '[aria-current="true"]'].map((s) => document.querySelector(s).getBoundingClientRect());
      return b.left > a.left - 1 && b.right < a.right + 1 && b.top > a.top - 1 && b.bottom < a.bottom + 1;
    });
    assert.equal(await inView(), true);
    await page.reload();
    await back(page);
    assert.equal(await inView(), true);
    assert.ok((await page.locator("#words").boundingBox()).height < 30);
  }
});

for (const width of [320, 367, 368, 480, 481, 600, 960, 1000, 1100, 1151, 1152, 1280]) {
  test(`there is room for a text at ${width} px`, async (t) => {
    const server = await serve(t);
    const page = await enter(t, server, "alice", { viewport: { width, height: 700 } });
    const box = await page.getByLabel("Message", { exact: true }).boundingBox();
    assert.ok(box.width >= 14 * 16, `the text has ${box.width} px`);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room);
  });
}

test("curl and stentor publish speak into a room, to a user and to all", async (t) => {
  const server = await serve(t);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  const curl = (body) => run("curl", ["-sSf", `${server.http}/api/publish`, "-H", "Authorization: Bearer dev-secret", "-d", JSON.stringify(body)]);
  await curl({ to: { channels: ["presence-lobby"] }, event: "said", data: { text: "one" } });
  await curl({ to: { users: ["bob"] }, event: "private", data: { to: "bob", text: "two" } });
  await curl({ to: { all: true }, event: "announcement", data: { text: "three" } });
  await run(process.env.E2E_STENTOR, ["publish", "--url", server.http, "presence-lobby", "plain words"]);
  await run(process.env.E2E_STENTOR, ["publish", "--url", server.http, "--to-user", "bob", '{"text":"again"}']);
  await run(process.env.E2E_STENTOR, ["publish", "--url", server.http, "--to-all", '{"text":"the end"}', "--event", "announcement"]);
  await sees(bob, "[server]: one", "[server] (to you): two", "[server] (to everyone): three", "[server]: plain words", "[server] (message): again", "[server] (to everyone): the end");
  await sees(alice, "[server]: one", "[server] (to everyone): three", "[server]: plain words", "[server] (to everyone): the end");
});

for (const config of ["apps: [{id: app, key: app-key, secret: app-secret}]", "apps: [{id: app, key: app-key, secret: app-secret, anonymous: true}]"]) {
  test(`a configured app is explained: ${config}`, async (t) => {
    const server = await serve(t, { config });
    const page = await open(t, server, "/chat");
    await page.getByRole("heading", { name: "This chat is for the development app" }).waitFor();
    assert.equal(await page.getByLabel("Nickname").isVisible(), false);
    assert.equal(await page.getByLabel("Message", { exact: true }).isVisible(), false);
    await shoot(page, "chat-elsewhere");
  });
}

test("the first page leads to the chat", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/");
  await page.getByRole("link", { name: "chat" }).click();
  await page.getByLabel("Nickname").waitFor();
});

test("by keyboard alone, in order, with a name for everything", async (t) => {
  const server = await serve(t);
  await enter(t, server, "bob");
  const page = await open(t, server, "/chat");
  await page.getByRole("button", { name: "Enter" }).waitFor();
  const focused = () => page.evaluate(() => document.activeElement.id || document.activeElement.textContent);
  assert.equal(await focused(), "name");
  await page.keyboard.type("alice");
  await page.keyboard.press("Enter");
  await back(page);
  await here(page, "alice", "bob");
  assert.equal(await focused(), "text");
  await page.evaluate(() => document.activeElement.blur());
  await page.evaluate(() => getSelection().removeAllRanges());
  await page.mouse.click(2, 2);
  const order = [];
  for (let i = 0; i < 11; i++) {
    await page.keyboard.press("Tab");
    order.push(await focused());
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, "none", `the focus cannot be seen on ${order.at(-1)}`);
  }
  assert.deepEqual(order, ["", "lobby", "another", "Join", "leave", "2 here", "bob", "box", "to", "text", "send"]);
  await page.keyboard.press("Shift+Tab");
  await page.keyboard.type("hello");
  await page.keyboard.press("Tab");
  await page.keyboard.press("Space");
  await sees(page, "alice: hello");
  // In the tree that screen readers use, each control has a name.
  const session = await page.context().newCDPSession(page);
  const { nodes } = await session.send("Accessibility.getFullAXTree");
  const controls = nodes.filter((n) => !n.ignored && ["button", "textbox", "combobox", "link", "region", "log", "navigation", "heading"].includes(n.role?.value));
  for (const role of ["button", "textbox", "combobox", "log"]) assert.ok(controls.some((n) => n.role.value === role), `there is no ${role}`);
  assert.deepEqual(controls.filter((n) => !n.name?.value).map((n) => n.role.value), []);
  assert.equal(await page.getByRole("log").count(), 1);
});

// Nothing is wider than the window, whatever is said, and touch has room.
for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
  ["phone-dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark", hasTouch: true, isMobile: true }],
  ["small-phone", { viewport: { width: 320, height: 568 }, hasTouch: true, isMobile: true }],
  ["keyboard", { viewport: { width: 320, height: 300 }, hasTouch: true, isMobile: true }],
  ["tablet", { viewport: { width: 820, height: 700 }, hasTouch: true, isMobile: true }],
]) {
  test(`the chat fits: ${name}`, async (t) => {
    const server = await serve(t);
    const form = await open(t, server, "/chat", options);
    await form.getByLabel("Nickname").waitFor();
    await shoot(form, `chat-${name}-form`);
    const page = await enter(t, server, "alice", options);
    const others = [];
    for (const other of ["bob", "Çağla", "a-user-with-a-rather-long-name-that-goes-on-and-on", "דנה"]) others.push(await enter(t, server, other));
    const [bob, chagla, long, dana] = others;
    await page.evaluate(() => document.activeElement.blur()); // the keyboard goes
    await page.getByLabel("Another room").fill("php");
    await page.keyboard.press("Enter");
    await page.getByRole("button", { name: "lobby" }).click();
    await say(bob, "Good morning! Who has seen the new build?");
    await say(chagla, "Me. It starts in half the time, and the sockets stay open when I close the lid of my laptop for a minute or two.");
    await say(page, "So it does here.");
    await say(bob, "Lunch at one?", "alice");
    await page.getByText("Lunch at one?").waitFor();
    await say(page, "bob: gladly");
    await say(long, "w".repeat(200));
    await say(dana, "שלום עולם");
    await page.getByText("שלום").waitFor();
    await server.post("/api/publish", { to: { all: true }, event: "announcement", data: { text: "Back in five minutes." } });
    await server.publish("presence-php", { text: "Build 1234 is green." }, { event: "said" });
    await page.getByText("Back in five").waitFor();
    await page.getByRole("button", { name: "php 1 new", includeHidden: true }).waitFor({ state: "attached" });
    await page.getByLabel("Message", { exact: true }).fill("bob: see you");
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `the page is ${wide} wide, the window ${room}`);
    const [high, end, window] = await page.evaluate(() => [document.documentElement.scrollHeight, document.querySelector("#say").getBoundingClientRect().bottom, innerHeight]);
    if (name !== "keyboard") assert.ok(high <= window && end > window - 60, `the page is ${high} high, the window ${window}, and writing ends at ${end}`);
    const outside = await page.evaluate(() => [...document.querySelectorAll("body :not(option, optgroup)")]
      .filter((e) => e.checkVisibility() && !e.parentElement.closest("#rooms") && e.getBoundingClientRect().right > innerWidth - 15)
      .map((e) => e.id || e.outerHTML));
    assert.deepEqual(outside, []);
    const small = await page.evaluate(() => [...document.querySelectorAll("button, input, select, summary")]
      .filter((e) => e.checkVisibility() && (e.getBoundingClientRect().height < 43.9 || parseFloat(getComputedStyle(e).fontSize) < 16))
      .map((e) => e.id || e.textContent));
    assert.deepEqual(small, []);
    const poor = await page.evaluate(contrast);
    assert.deepEqual(poor, []);
    await shoot(page, `chat-${name}`);
    // With all that may go wrong at once, nothing covers anything else.
    await page.evaluate(() => document.activeElement.blur());
    if (!await page.locator("#members").isVisible()) await page.locator("summary").click();
    await page.getByLabel("Another room").fill("no room");
    await page.keyboard.press("Enter");
    await server.post("/api/users/alice/disconnect", { reason: "enough for today, come back tomorrow" });
    await page.getByText("Refused: enough").waitFor();
    await say(page, "but");
    await page.getByRole("button", { name: "Send again" }).waitFor();
    await say(page, "x".repeat(510), "everyone");
    await page.getByText("Not sent: 10").waitFor();
    await shoot(page, `chat-${name}-wrong`);
    assert.deepEqual(await page.evaluate(contrast), []);
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    assert.ok((await page.locator("header").boundingBox()).height < 140);
    assert.deepEqual(await page.evaluate(() => {
      const parts = [...document.querySelectorAll("header, nav, h2, #leave, #here, #box, #say")].filter((e) => e.checkVisibility());
      const boxes = parts.map((e) => e.getBoundingClientRect());
      return parts.flatMap((e, i) => parts.slice(i + 1).filter((_, j) => {
        const [a, b] = [boxes[i], boxes[i + 1 + j]];
        return a.left < b.right - 4 && b.left < a.right - 4 && a.top < b.bottom - 4 && b.top < a.bottom - 4;
      }).map((other) => `${e.id || e.localName} and ${other.id || other.localName}`));
    }), []);
    assert.ok((await page.locator("#box").boundingBox()).height > 70);
  });
}

// contrast lists the texts of a page whose contrast is less than WCAG's AA.
function contrast() {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgb = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
  };
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255).map((v) => v <= .04045 ? v / 12.92 : ((v + .055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [.2126, .7152, .0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour[3] === 255) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("body *")].filter((e) => e.checkVisibility() && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
    const [a, b] = [light(rgb(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return [e.id || e.className || e.tagName, e.textContent.trim(), ((a + .05) / (b + .05)).toFixed(2)];
  }).filter(([, , ratio]) => ratio < 4.5);
}

// relayTo puts a relay between pages and a server. hold keeps back what comes
// from the server, until release; mute loses it, on the connections that there
// are, without closing them.
async function relayTo(t, server) {
  const pairs = new Set();
  let held;
  const relay = createServer((page) => {
    const gateway = connect(Number(server.host.split(":")[1]), "127.0.0.1");
    const pair = { page, gateway, mute: false };
    pairs.add(pair);
    page.on("data", (chunk) => gateway.write(chunk));
    gateway.on("data", (chunk) => {
      if (held) held.push(() => page.write(chunk));
      else if (!pair.mute) page.write(chunk);
    });
    for (const [from, to] of [[page, gateway], [gateway, page]]) {
      from.on("error", () => {});
      from.on("close", () => to.destroy());
    }
  });
  relay.listen(0, "127.0.0.1");
  await once(relay, "listening");
  t.after(() => {
    for (const { page } of pairs) page.destroy();
    relay.close();
  });
  return {
    http: `http://127.0.0.1:${relay.address().port}`,
    beforeStop: (f) => server.beforeStop(f),
    hold() { held = []; },
    release() { for (const write of held.splice(0)) write(); held = undefined; },
    mute() { for (const pair of pairs) pair.mute = true; },
  };
}
