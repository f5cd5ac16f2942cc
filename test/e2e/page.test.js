// The first page, in a browser.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { test } from "node:test";
import { promisify } from "node:util";
import { open, shoot, until, useBrowser } from "./browser.js";
import { serve } from "./server.js";

useBrowser();

// connected waits until the live box says so.
async function connected(page, channel = "demo") {
  await page.getByText(`Connected to ${channel}`, { exact: true }).waitFor();
}

// lines returns the payloads in the box, newest first, when there are n.
async function lines(page, n) {
  await until(page, (want) => document.querySelectorAll("#lines li").length === want, n);
  return page.locator("#lines li span").allTextContents();
}

// live opens the page and waits until it is connected.
async function live(t, server, options) {
  const page = await open(t, server, "/", options);
  await connected(page);
  return page;
}

test("the page tells what runs here and where", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  assert.equal(await page.title(), "Stentor");
  assert.match(await page.locator("#version").textContent(), /^\d+\.\d+\.\d+/);
  assert.equal(await page.getByText("development app").isVisible(), true);
  assert.deepEqual(await page.locator("dt").allTextContents(), [
    `${server.ws}/ws`, `${server.ws}/raw/{channel}`, `${server.ws}/app/{key}`, `${server.ws}/echo`, `${server.http}/api/publish`,
    `${server.http}/apps/{id}/events`,
  ]);
});

test("what is published arrives, newest first, with its time", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  assert.equal(await server.publish("demo", "hello"), 1);
  assert.equal(await server.publish("demo", { n: 1 }), 1);
  assert.equal(await server.publish("demo", ""), 1);
  assert.deepEqual(await lines(page, 3), ["empty", '{"n":1}', "hello"]);
  for (const time of await page.locator("#lines time").allTextContents()) assert.match(time, /^\d\d:\d\d:\d\d\.\d{3}$/);
  assert.equal(await page.getByText("Nothing has arrived yet.").isVisible(), false);
});

test("hostile payloads stay text", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  const hostile = [
    "<script>window.hacked = 1</script>",
    '<img src=x onerror="window.hacked = 1">',
    "</span></li></ol><h1>owned</h1>",
    "javascript:alert(1) &lt; \u202e txet \u0000",
  ];
  for (const payload of hostile) await server.publish("demo", payload);
  assert.deepEqual(await lines(page, hostile.length), [...hostile].reverse());
  assert.equal(await page.locator("#lines span *").count(), 0);
  assert.equal(await page.locator("h1").count(), 1);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test("binary payloads are shown by size and start", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  for (const bytes of [[], [255], Array.from({ length: 5000 }, (_, i) => i % 256)]) {
    await server.publish("demo", Buffer.from(bytes).toString("base64"), { encoding: "base64" });
  }
  assert.deepEqual(await lines(page, 3), [
    "binary, 5,000 bytes: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f …", "binary, 1 byte: ff", "binary, 0 bytes",
  ]);
});

test("the box keeps 200 lines, and the start of long ones", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  const batch = Array.from({ length: 250 }, (_, i) => ({ to: { channels: ["demo"] }, data: `message ${i}` }));
  await server.post("/api/publish/batch", { batch });
  await server.publish("demo", "x".repeat(60000));
  await page.getByText("xxx … (60,000 characters)").waitFor();
  const kept = await lines(page, 200);
  assert.equal(kept[0], `${"x".repeat(2000)} … (60,000 characters)`);
  assert.equal(kept[199], "message 51");
});

test("two pages hear each other, by keyboard alone", async (t) => {
  const server = await serve(t);
  const [a, b] = [await live(t, server), await live(t, server)];
  await a.getByLabel("Message").focus();
  await a.keyboard.type("Hello, you!");
  await a.keyboard.press("Enter");
  assert.deepEqual(await lines(b, 1), ["Hello, you!"]);
  assert.deepEqual(await lines(a, 1), ["Hello, you!"]);
  assert.equal(await a.getByLabel("Message").inputValue(), "");
  await b.getByLabel("Message").fill("And you.");
  await b.keyboard.press("Tab");
  await b.keyboard.press("Space");
  assert.deepEqual(await lines(a, 2), ["And you.", "Hello, you!"]);
});

test("another channel can be listened to, and a reload keeps it", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  await server.publish("demo", "here");
  await lines(page, 1);
  await page.getByLabel("Channel").fill("news@home");
  await page.keyboard.press("Enter");
  await connected(page, "news@home");
  assert.deepEqual(await lines(page, 0), []);
  assert.equal(await server.publish("demo", "unheard"), 0);
  assert.equal(await server.publish("news@home", "heard"), 1);
  assert.deepEqual(await lines(page, 1), ["heard"]);
  assert.match(await page.locator("#curl").textContent(), /"channels":\["news@home"\]/);
  await page.reload();
  await connected(page, "news@home");
});

for (const name of ["it's $(me)", ".", "..", "demo/", "x".repeat(165), "a\n", "größe"]) {
  test(`a name that no channel has is explained, not tried: ${JSON.stringify(name).slice(0, 20)}`, async (t) => {
    const server = await serve(t);
    const page = await open(t, server, `/?channel=${encodeURIComponent(name)}`);
    await page.getByText("This is no name of a channel").waitFor();
    assert.equal(await page.locator("#state").getAttribute("data-state"), "refused");
    assert.equal(await page.locator("#countdown").textContent(), "");
    assert.equal(await page.getByRole("button", { name: "Publish" }).isDisabled(), true);
    // Such a name does not get into a command for the shell, nor does the page
    // listen to what that command publishes to.
    assert.match(await page.locator("#curl").textContent(), /"channels":\["demo"\]/);
    assert.equal(await page.getByText("see it arrive on this page").isVisible(), false);
    await page.getByLabel("Channel").fill("...");
    await page.getByRole("button", { name: "Listen" }).click();
    await connected(page, "...");
    assert.equal(await page.getByText("see it arrive on this page").isVisible(), true);
  });
}

test("the page comes back by itself when the server does", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/", { network: true });
  await connected(page);
  await server.publish("demo", "before");
  await lines(page, 1);
  await server.kill();
  await page.locator("#state[data-state=lost]").waitFor();
  await page.getByText(/^: again in \d+ s$/).waitFor();
  await page.getByRole("button", { name: "Connect now" }).waitFor();
  await shoot(page, "lost");
  await server.start();
  await connected(page);
  assert.equal(await server.publish("demo", "after"), 1);
  assert.deepEqual(await lines(page, 2), ["after", "before"]);
});

test("a server that comes back with other rules is asked for them", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/", { network: true });
  await connected(page);
  await server.kill();
  await server.start("apps: [{id: app, key: app-key, secret: app-secret}]");
  await page.getByText("the app wants a token").waitFor();
  assert.equal(await page.getByText("development app").isVisible(), false);
  assert.match(await page.locator("#curl").textContent(), /Bearer \$STENTOR_SECRET/);
});

test("a page whose server stops says why it waits", async (t) => {
  const server = await serve(t);
  const page = await open(t, server, "/", { network: true });
  await connected(page);
  await page.evaluate(() => { // notes what it says, however short it says it
    const words = document.querySelector("#words");
    window.said = [];
    new MutationObserver(() => window.said.push(words.textContent)).observe(words, { childList: true });
  });
  server.terminate();
  await until(page, () => window.said.includes("Lost (the server restarts: reconnect)"));
});

test("the command can be copied, and works", async (t) => {
  const server = await serve(t);
  const page = await live(t, server, { permissions: ["clipboard-read", "clipboard-write"] });
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Copied", { exact: true }).waitFor();
  const command = await page.evaluate(() => navigator.clipboard.readText());
  const { stdout } = await promisify(execFile)("sh", ["-c", command.replace("curl", "curl --silent --show-error --fail")]);
  assert.equal(stdout.trim(), '{"matched":1}');
  assert.deepEqual(await lines(page, 1), ["hello"]);
});

test("where a browser forbids copying, the command is selected", async (t) => {
  const server = await serve(t);
  const page = await live(t, server);
  await page.evaluate(() => Object.defineProperty(navigator, "clipboard", { value: undefined }));
  await page.getByRole("button", { name: "Copy" }).click();
  await page.getByText("Selected: copy it with Ctrl+C").waitFor();
  const selected = await page.evaluate(() => getSelection().toString());
  assert.equal(selected, await page.locator("#curl").textContent());
});

test("an app that wants tokens is explained, not tried", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret}]" });
  const page = await open(t, server, "/");
  await page.getByText("the app wants a token").waitFor();
  for (const label of ["Channel", "Message"]) assert.equal(await page.getByLabel(label).isVisible(), false);
  assert.deepEqual(await page.locator("dt").allTextContents(), [
    `${server.ws}/ws?token=JWT`, `${server.ws}/raw/{channel}?token=JWT`, `${server.ws}/app/{key}`, `${server.http}/api/publish`,
    `${server.http}/apps/{id}/events`,
  ]);
  const curl = await page.locator("#curl").textContent();
  assert.match(curl, /Bearer \$STENTOR_SECRET/);
  assert.doesNotMatch(curl, /app-secret/);
  await shoot(page, "token");
});

test("an app that does not allow this page's address is explained", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret, anonymous: true, allowed_origins: [https://shop.example]}]" });
  const page = await open(t, server, "/");
  await page.getByText("the app's allowed_origins do not have this page's address").waitFor();
  assert.equal(await page.locator("dt").first().textContent(), `${server.ws}/ws`);
  for (const hidden of [page.getByLabel("Channel"), page.getByRole("link", { name: "chat" })]) assert.equal(await hidden.isVisible(), false);
});

test("several apps are explained", async (t) => {
  const server = await serve(t, { config: "apps: [{id: a, key: a, secret: secret-a, anonymous: true}, {id: b, key: b, secret: secret-b}]" });
  const page = await open(t, server, "/");
  await page.getByText("there are several apps").waitFor();
  assert.equal(await page.locator("dt").first().textContent(), `${server.ws}/ws?app=KEY&token=JWT`);
});

test("an anonymous app can be listened to and not published to", async (t) => {
  const server = await serve(t, { config: "apps: [{id: app, key: app-key, secret: app-secret, anonymous: true}]" });
  const page = await live(t, server);
  assert.equal(await page.getByLabel("Message").isVisible(), false);
  await page.getByText("Clients without a token may listen, but not publish.").waitFor();
  await server.post("/api/publish", { to: { channels: ["demo"] }, data: "heard" }, "app-secret");
  assert.deepEqual(await lines(page, 1), ["heard"]);
  await page.getByLabel("Channel").fill("private-a");
  await page.keyboard.press("Enter");
  await page.getByText("Refused: a token must name this channel in its channels: private-a").waitFor();
  assert.equal(await page.getByText("see it arrive on this page").isVisible(), false);
});

// No width makes the page scroll sideways, whatever arrives.
for (const [name, options] of [
  ["light", { colorScheme: "light" }],
  ["dark", { colorScheme: "dark" }],
  ["phone", { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true }],
  ["phone-dark", { viewport: { width: 390, height: 844 }, colorScheme: "dark", isMobile: true }],
]) {
  test(`the page fits: ${name}`, async (t) => {
    const server = await serve(t);
    const page = await live(t, server, options);
    for (const data of [
      "hello", { user: "anna", text: "Good morning!" }, "w".repeat(300), "<script>alert('text')</script>",
      { order: 1234, items: [{ sku: "A-1", count: 2 }, { sku: "B-7", count: 1 }], total: "13.50" }, "שלום עולם",
    ]) await server.publish("demo", data);
    await server.publish("demo", Buffer.from("\u0001binary payload").toString("base64"), { encoding: "base64" });
    await lines(page, 7);
    const [wide, room] = await page.evaluate(() => [document.documentElement.scrollWidth, innerWidth]);
    assert.ok(wide <= room, `the page is ${wide} wide, the window ${room}`);
    await shoot(page, name);
  });
}
