// The code of docs/tutorial-chat.md, run beside a chat page.

import assert from "node:assert/strict";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { open, until, useBrowser } from "./browser.js";
import { Page, place, root } from "./pages.js";
import { serve } from "./server.js";

useBrowser();

const tutorial = "docs/tutorial-chat.md";
const text = readFileSync(join(root, tutorial), "utf8");
const code = readFileSync(join(root, "web/assets/chat.js"), "utf8");

async function enter(t, server, name) {
  const page = await open(t, server, "/chat");
  await page.getByLabel("Nickname").fill(name);
  await page.keyboard.press("Enter");
  await page.locator('#state[data-state="connected"]').waitFor();
  await until(page, (name) => document.querySelector("#members bdi")?.textContent === name, name);
  return page;
}

// shows waits for the last of these messages from a backend; there are no others.
async function shows(page, messages) {
  await page.getByText(messages.at(-1), { exact: true }).waitFor();
  assert.deepEqual(await page.locator("#logs p:has(.server) .text").allTextContents(), messages);
}

test("the programs of the tutorial speak in the chat", async (t) => {
  const doc = new Page(tutorial);
  const server = await serve(t);
  const here = place(t);
  here.at(server);
  const [alice, bob] = [await enter(t, server, "alice"), await enter(t, server, "bob")];
  const seen = { alice: [], bob: [] };
  const speaks = async (name, command) => {
    await here.works(command);
    seen.alice.push(`${name} is here`, `${name} knows you`, `${name} goes home`);
    seen.bob.push(`${name} is here`, `${name} goes home`);
    await shows(alice, seen.alice);
    await shows(bob, seen.bob);
  };

  await speaks("curl", doc.take("sh", /curl/).code);
  await here.works(doc.take("sh", /stentor publish/).code);
  for (const list of Object.values(seen)) list.push("the shell is here");
  for (const [file, name, command] of [["bot.php", "PHP", "php"], ["bot.mjs", "Node", "node"], ["bot.go", "Go", "go run"]]) {
    here.write(file, doc.file(file));
    assert.ok(text.includes(`\`${command} ${file}\``), `the tutorial does not say how to run ${file}`);
    await speaks(name, `${command} ${file}`);
  }
  assert.deepEqual(await alice.locator("#logs p:has(.server) .to").allTextContents(), ["curl", "PHP", "Node", "Go"].flatMap(() => ["to you", "to everyone"]));

  // A refusal is no success.
  here.replacements.push(["dev-secret", "guessed"]);
  for (const [file, command] of [["bot.php", "php"], ["bot.mjs", "node"], ["bot.go", "go run"]]) {
    here.write(file, readFileSync(join(here.folder, file), "utf8"));
    const { code: status, stdout, stderr } = await here.run(`${command} ${file}`);
    assert.notEqual(status, 0, file);
    assert.match(stdout + stderr, /not published: .*no app has this secret/);
  }

  // What is left are the first page and pieces of chat.js, as they stand there.
  doc.take("html");
  const pieces = text.match(/^```js$/gm).length - 1; // bot.mjs
  assert.ok(pieces > 8);
  for (let i = 0; i < pieces; i++) {
    const { line, code: piece } = doc.take("js");
    assert.ok(code.includes(`\n${piece}`), `${tutorial}:${line} is not in chat.js`);
  }
  doc.take("", /^stentor serve$/m);
  doc.rest();
});

test("the first page of the tutorial is a chat", async (t) => {
  const server = await serve(t);
  const here = place(t);
  here.at(server);
  const html = here.replaced(new Page(tutorial).take("html").code);
  const web = createServer((_, response) => response.setHeader("Content-Type", "text/html").end(html)).listen(0, "127.0.0.1");
  await once(web, "listening");
  t.after(() => { web.closeAllConnections(); web.close(); });
  const http = `http://127.0.0.1:${web.address().port}`;
  const first = async (name) => {
    const page = await open(t, { http: "about:", beforeStop: (f) => server.beforeStop(f) }, "blank");
    page.on("dialog", (dialog) => dialog.accept(name));
    await page.goto(`${http}/first.html`);
    return page;
  };
  const [alice, bob] = [await first("alice"), await first("bob")];
  // The pages tell nothing of their connection; the chat does.
  const carol = await enter(t, server, "carol");
  await carol.getByText("3 here", { exact: true }).waitFor();
  for (const page of [alice, bob]) {
    await page.locator("input").fill("<b>hello</b>");
    await page.keyboard.press("Enter");
  }
  for (const page of [alice, bob]) {
    await page.getByText("alice: <b>hello</b>").waitFor();
    await page.getByText("bob: <b>hello</b>").waitFor();
    assert.equal(await page.locator("b").count(), 0);
  }
  await carol.locator("#logs .text").nth(1).waitFor();
  assert.deepEqual((await carol.locator("#logs .user").allTextContents()).sort(), ["alice", "bob"]);
});
