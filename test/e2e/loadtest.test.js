// stentor loadtest against servers that other people have written, and as its
// document says.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WebSocketServer } from "ws";
import { Page } from "./pages.js";
import { serve } from "./server.js";

const document = new Page("docs/load-testing.md");

// folder makes one that goes with the test.
function folder(t) {
  const path = mkdtempSync(join(tmpdir(), "stentor-loadtest-"));
  t.after(() => rmSync(path, { recursive: true }));
  return path;
}

// loadtest runs the command. It returns its exit code, its result, and what it
// has said.
async function loadtest(t, ...args) {
  const here = folder(t);
  const file = join(here, "result.json");
  const done = await new Promise((resolve) => {
    execFile(process.env.E2E_STENTOR, ["loadtest", ...args, "--json", file], { cwd: here, timeout: 120_000 },
      (error, stdout, stderr) => resolve({ code: error ? error.code : 0, stdout, stderr }));
  });
  const text = readFileSync(file, "utf8");
  return { ...done, result: text && JSON.parse(text) };
}

// peer starts a server of the package ws that does f with each message.
async function peer(t, f) {
  const server = new WebSocketServer({ host: "127.0.0.1", port: 0, perMessageDeflate: false });
  server.on("connection", (client) => {
    client.on("message", (data, binary) => f(server, client, data, binary));
    client.on("error", () => {});
  });
  await once(server, "listening");
  t.after(() => {
    for (const client of server.clients) client.terminate();
    server.close();
  });
  return `ws://127.0.0.1:${server.address().port}/`;
}

function relay(server, _, data, binary) {
  for (const client of server.clients) client.send(data, { binary });
}

test("an echo of ws is whole", async (t) => {
  const url = await peer(t, (_, client, data, binary) => client.send(data, { binary }));
  const { code, stderr, result } = await loadtest(t, "echo", url, "--connections", "200", "--messages", "5000", "--size", "500", "--fail-if", "lost>0");
  assert.equal(code, 0, stderr);
  const { due, received, lost, duplicated, reordered, corrupted, unexpected } = result.messages;
  assert.deepEqual({ due, received, lost, duplicated, reordered, corrupted, unexpected },
    { due: 5000, received: 5000, lost: 0, duplicated: 0, reordered: 0, corrupted: 0, unexpected: 0 });
  assert.equal(result.connect.succeeded, 200);
  assert.equal(result.messages.latency.count, 5000);
});

test("what ws forgets is lost, and nothing else", async (t) => {
  let n = 0, forgotten = 0;
  const url = await peer(t, (_, client, data, binary) => {
    if (n++ % 10 === 3) forgotten++;
    else client.send(data, { binary });
  });
  const { code, stderr, result } = await loadtest(t, "echo", url, "--connections", "50", "--messages", "1000", "--rate", "1000",
    "--grace", "1s", "--fail-if", "lost>0");
  assert.equal(code, 1, stderr);
  assert.match(stderr, /missed: lost>0 \(100\)/);
  assert.equal(forgotten, 100);
  const { due, received, lost } = result.messages;
  assert.deepEqual({ due, received, lost }, { due: 1000, received: 900, lost: 100 });
});

test("a relay of ws is driven by the document's template", async (t) => {
  const url = await peer(t, relay);
  const template = join(folder(t), "relay.yaml");
  writeFileSync(template, document.sample(/^# relay\.yaml/).code);
  const { code, stderr, result } = await loadtest(t, "broadcast", url, "--template", template, "--publish-by", "ws",
    "--connections", "300", "--messages", "40", "--rate", "40", "--workers", "2");
  assert.equal(code, 0, stderr);
  const { sent, due, received, lost, duplicated, unexpected } = result.messages;
  assert.deepEqual({ sent, due, received, lost, duplicated, unexpected },
    { sent: 40, due: 12_000, received: 12_000, lost: 0, duplicated: 0, unexpected: 0 });
  assert.equal(result.run.dialect, "relay");
  assert.equal(result.run.workers, 2);
});

test("the document's commands work as written", async (t) => {
  const server = await serve(t);
  for (const fits of [/^stentor loadtest broadcast .*raw/, /^stentor loadtest echo/]) {
    const { code } = document.sample(fits);
    const words = code.replaceAll("\\\n", " ").replaceAll("127.0.0.1:8080", server.host).trim().split(/\s+/)
      .map((w) => w.replaceAll("'", ""));
    assert.deepEqual(words.slice(0, 2), ["stentor", "loadtest"]);
    // Fewer clients, and a wide threshold: these are not about the machine.
    const args = words.slice(2).map((w, i, all) => {
      if (all[i - 1] === "--connections") return "200";
      if (all[i - 1] === "--duration") return "1s";
      return w.replace("p99>250ms", "p99>100s");
    });
    const run = await loadtest(t, ...args);
    assert.equal(run.code, 0, run.stderr);
    assert.equal(run.result.messages.lost, 0);
    assert.match(run.stdout, /^(OK|PASSED)/m);
  }
});

test("clients and a backend of the Pusher protocol", async (t) => {
  const server = await serve(t);
  const { code, stderr, result } = await loadtest(t, "broadcast", `${server.ws}/app/dev-key`,
    "--connections", "200", "--channels", "4", "--messages", "50", "--rate", "200", "--fail-if", "lost>0");
  assert.equal(code, 0, stderr);
  const { due, received, lost, duplicated, corrupted, unexpected } = result.messages;
  assert.deepEqual({ due, received, lost, duplicated, corrupted, unexpected },
    { due: 50 * 200 / 4, received: 50 * 200 / 4, lost: 0, duplicated: 0, corrupted: 0, unexpected: 0 });
});
