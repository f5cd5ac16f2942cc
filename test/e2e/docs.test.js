// The documents: each command, program and configuration in them is run as it
// stands there, but for the addresses. What a page shows as output has to be
// what comes.

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdirSync, readFileSync } from "node:fs";
import { createServer } from "node:http";
import { join } from "node:path";
import { test } from "node:test";
import { open, useBrowser } from "./browser.js";
import { dial, refused, token } from "./client.js";
import { proxy } from "./nginx.js";
import { Page, freePort, place, root } from "./pages.js";
import { serve } from "./server.js";

useBrowser();

// arrivals returns what a `stentor subscribe` has printed, without the times.
const arrivals = (command) => command.stdout.trimEnd().split("\n").map((line) => line.replace(/^[\d:.]+ /, ""));

// shows runs a block, whose output has to be what the page shows.
async function shows(page, here, block, options) {
  assert.equal(await here.works(block.code, options), page.after(block), `${page.path}:${block.line}`);
}

test("docs/push-from-backend.md", async (t) => {
  const page = new Page("docs/push-from-backend.md");
  const server = await serve(t);
  const here = place(t);
  here.at(server);

  const alice = here.begin(page.take("sh", /subscribe/).code);
  await alice.wrote(/subscribed to news/, "stderr");
  for (const command of [/channels.*"said"/, /publish\/batch/, /the news"\]/, /guessed/]) await shows(page, here, page.take("sh", command));

  const expected = ['news said {"text": "hello"}', '- message "for you"', 'news message "for all who read the news"'];
  const bodies = page.bodies();
  assert.equal(bodies.length, 5);
  for (const text of bodies) {
    const body = JSON.parse(text);
    const { status, body: answer } = await server.post("/api/publish", body);
    assert.equal(status, 200, text);
    const left = body.except ? 0 : 1;
    assert.deepEqual(answer, body.wait ? { matched: 1, written: 1, queued: 0, dropped: 0 } : { matched: left }, text);
    if (left) expected.push(`${body.to.channels?.[0] ?? "-"} ${body.event ?? "message"} ${JSON.stringify(body.data)}`);
  }

  const text = createServer((_, response) => response.writeHead(503).end("too many connections\n")).listen(0, "127.0.0.1");
  t.after(() => text.close());
  await once(text, "listening");
  for (const [name, language, command] of [["push.php", "PHP", /^php/], ["push.mjs", "Node", /^node/], ["push.go", "Go", /^go/]]) {
    here.write(name, page.file(name));
    const block = page.take("sh", command);
    await shows(page, here, block);
    expected.push(`news said {"text":"hello from ${language}"}`, '- message "for you"');
    for (const [env, message] of [
      [{ STENTOR_SECRET: "guessed" }, /no app has this secret/],
      [{ STENTOR_URL: `http://127.0.0.1:${text.address().port}` }, /refused.*too many connections/],
      [{ STENTOR_URL: `http://127.0.0.1:${await freePort()}` }, /ECONNREFUSED|[Cc]onnection refused/],
    ]) {
      const { code, stdout, stderr } = await here.run(block.code, { env });
      assert.equal(code, 1, `${name} ${JSON.stringify(env)}`);
      assert.equal(stdout, "");
      assert.match(stderr, message);
    }
    // The admin listener does as well.
    await here.works(block.code, { env: { STENTOR_URL: server.admin } });
    expected.push(`news said {"text":"hello from ${language}"}`, '- message "for you"');
  }
  await server.publish("news", "last");
  await alice.wrote(/"last"/);
  assert.deepEqual(arrivals(alice), [...expected, 'news message "last"']);
  page.rest();
});

test("docs/protect-a-channel.md", async (t) => {
  const page = new Page("docs/protect-a-channel.md");
  const here = place(t);
  const site = `http://127.0.0.1:${await freePort()}`;
  here.replacements.push(["http://127.0.0.1:8000", site], ["127.0.0.1:8000", site.replace("http://", "")]);
  here.write("stentor.yaml", page.file("stentor.yaml"));
  const server = await here.gateway(page.take("sh", /serve/).code);
  here.at(server);
  for (const name of ["token.php", "token.mjs", "token.go", "public/stentor-token.php", "public/index.php"]) here.write(name, page.file(name));

  const connect = async (token) => {
    const c = await dial(t, `ws://${server.host}/ws?app=shop-key&token=${token}`);
    assert.equal((await c.json()).user, "alice");
    return c;
  };
  const tries = page.take("sh", /token\.php"/).code;
  for (const command of tries.trim().split("\n").slice(1)) { // without the secret
    const { code, stdout, stderr } = await here.run(command);
    assert.notEqual(code, 0, command);
    assert.match(stdout + stderr, /STENTOR_SECRET is not set/, command);
  }
  const tokens = (await here.works(tries)).trim().split("\n");
  assert.equal(tokens.length, 3);
  for (const [i, token] of tokens.entries()) {
    const { exp } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
    assert.ok(exp > Date.now() / 1000 && exp <= Date.now() / 1000 + 600, `exp is ${exp}`);
    const c = await connect(token);
    assert.equal((await c.ask({ type: "subscribe", channel: "private-orders-8" })).type, "subscribed");
    assert.equal((await c.ask({ type: "subscribe", channel: "private-other" })).code, "forbidden");
    assert.equal((await c.ask({ type: "subscribe", channel: "presence-shop" })).type, i === 0 ? "error" : "subscribed");
    c.socket.close();
    await c.closed();
  }

  const alice = here.begin(page.take("sh", /subscribe.*--token/).code);
  await alice.wrote(/subscribed to private-orders-7/, "stderr");
  await shows(page, here, page.take("sh", /shipped/));
  await alice.wrote(/ private-orders-7 shipped \{"order": 7\}\n/);
  const without = page.take("sh", /^stentor subscribe private-orders-7$/m);
  const { code, stdout, stderr } = await here.run(without.code);
  assert.deepEqual({ code, stdout, stderr }, { code: 1, stdout: "", stderr: page.after(without) });

  const sessions = join(here.folder, "sessions");
  mkdirSync(sessions);
  here.write("session.ini", `session.save_path = "${sessions}"\n`);
  const php = here.begin(page.take("sh", /php -S/).code, { env: { PHP_INI_SCAN_DIR: `:${here.folder}` } });
  await php.wrote(/started/, "stderr");
  const fetched = (Cookie) => fetch(`${site}/stentor-token.php`, { headers: { Cookie } });
  assert.equal((await fetched("")).status, 401);
  const logIn = async (user, Cookie = "") => {
    const response = await fetch(`${site}/?user=${user}`, { headers: { Cookie } });
    assert.equal(response.status, 200);
    return response.headers.get("set-cookie")?.split(";")[0];
  };
  const cookie = await logIn("alice");
  const { token } = await (await fetched(cookie)).json();
  const c = await connect(token);
  assert.deepEqual((await c.ask({ type: "subscribe", channel: "presence-shop" })).members, [{ user: "alice", info: { name: "alice" } }]);
  assert.equal((await c.ask({ type: "subscribe", channel: "private-user-alice" })).type, "subscribed");
  assert.equal((await c.ask({ type: "subscribe", channel: "private-user-bob" })).code, "forbidden");
  c.socket.close();
  await c.closed();

  // The page in a browser, which asks for an icon, from an origin that may connect.
  here.write("public/favicon.ico", "");
  const tab = await open(t, { http: site, beforeStop: (f) => t.after(f) }, "/?user=alice");
  const reads = (text) => tab.getByText(text).waitFor();
  await reads("connected");
  await reads("here: alice");
  const { status } = await fetch(`http://${server.host}/api/publish`, {
    method: "POST",
    headers: { Authorization: "Bearer a-long-random-word" },
    body: JSON.stringify({ to: { channels: ["presence-shop"] }, event: "opens", data: { at: 8 } }),
  });
  assert.equal(status, 200);
  await reads('opens: {"at":8}');
  await tab.context().close();

  // Its script in Node, where the endpoint can fail.
  here.packages();
  const script = here.replaced(readFileSync(join(here.folder, "public/index.php"), "utf8")).match(/<script type="module">\n([^]*)<\/script>/)[1];
  here.write("page.mjs", swap(script, `http://${server.host}/stentor.js`, join(root, "web/client/stentor.js")));
  here.write("browser.mjs", `
    import WebSocket from "ws";
    globalThis.WebSocket = WebSocket;
    globalThis.document = { body: { append: (text) => console.log(text) }, createElement() {} };
    const { fetch } = globalThis;
    let fails = process.env.FAILS;
    globalThis.fetch = async (path) => {
      if (fails-- > 0) return new Response("<h1>Bad gateway</h1>", { status: 502 });
      return fetch("${site}" + path, { headers: { Cookie: process.env.COOKIE } });
    };
    await import("./page.mjs");`);
  const restarts = here.begin("exec node browser.mjs", { env: { COOKIE: cookie, FAILS: "1" } });
  await restarts.wrote(/^waiting .*the endpoint says 502\n(?:.*\n)*connected/m);
  await restarts.wrote(/^here: alice$/m);
  await restarts.stop();
  await logIn("", cookie); // is out
  assert.equal((await fetched(cookie)).status, 401);
  const stays = await here.works("node browser.mjs", { env: { COOKIE: cookie } }); // ends by itself
  assert.match(stays, /^closed 4401 not logged in$/m);
  assert.doesNotMatch(stays, /waiting/);

  // Without a token a client is nobody; a foreign origin is in the log.
  const nobody = await dial(t, `ws://${server.host}/ws?app=shop-key`);
  assert.equal((await nobody.json()).user, undefined);
  const foreign = await refused(t, `ws://${server.host}/ws?app=shop-key`, { origin: "http://localhost:8000" });
  assert.equal(foreign.status, 403);
  await server.wrote(/origin.*http:\/\/localhost:8000/, "stderr");

  await shows(page, here, page.take("sh", /disconnect/));
  assert.equal(await alice.end(), 1, "the client comes back");
  assert.match(alice.stderr, /4403.*logged out/);
  page.rest();
});

test("docs/write-a-client.md: the conversation", async (t) => {
  const page = new Page("docs/write-a-client.md");
  const { ws } = await serve(t);
  const c = await dial(t, `${ws}/ws`);
  for (let n = 0; n < 3; n++) {
    for (const part of page.take("text", /^[<>] /).code.split(/^(?=> )/m)) {
      const expected = [];
      for (const line of part.trim().split("\n")) {
        if (line.startsWith("> ")) c.send(line.slice(2));
        else expected.push(line.slice(2));
      }
      const seen = [];
      while (seen.length < expected.length) seen.push((await c.text()).replace(/"client":"[\d.]+"/, '"client":"1.2"'));
      assert.deepEqual(seen.sort(), expected.sort()); // an answer and a message come in any order
    }
  }
});

test("docs/write-a-client.md: the client comes back, and stays away when told to", async (t) => {
  const page = new Page("docs/write-a-client.md");
  for (let n = 0; n < 3; n++) page.take("text", /^[<>] /); // in the test above
  const here = place(t);
  here.packages();
  const flags = "--limits.idle-timeout 1s --limits.pong-timeout 1s";
  let server = await here.gateway("stentor serve", { flags });
  const { host } = server;
  here.at(server);
  here.replacements.push(["MOST = 30_000", "MOST = 2_000"]); // to save time
  here.write("client.mjs", page.file("client.mjs"));

  const command = page.take("sh").code;
  const client = here.begin(command.replace("/ws", "/ws?user=alice"));
  let times = 0;
  const listens = async () => {
    times++;
    await client.wrote(new RegExp(`(subscribed to news[^]*){${times}}`), "stderr");
    const response = await fetch(`http://${host}/api/publish`, {
      method: "POST",
      headers: { Authorization: "Bearer dev-secret" },
      body: JSON.stringify({ to: { channels: ["news"] }, event: "said", data: times }),
    });
    assert.deepEqual(await response.json(), { matched: 1 });
    await client.wrote(new RegExp(`^news said ${times}$`, "m"));
  };
  await listens();

  assert.equal(await server.stop(), 0);
  await client.wrote(/closed: 1012 .*; again in/, "stderr");
  server = await here.gateway("stentor serve", { host, flags });
  await listens();

  await server.stop("SIGKILL");
  await client.wrote(/closed: 1006 .*; again in/, "stderr");
  server = await here.gateway("stentor serve", { host, flags });
  await listens();

  // A server that says nothing more.
  const before = client.stderr.length;
  server.signal("SIGSTOP");
  await client.wrote(new RegExp(`^[^]{${before}}[^]*closed: 1006 .*; again in`), "stderr");
  server.signal("SIGCONT");
  await listens();

  await fetch(`http://${host}/api/users/alice/disconnect`, { method: "POST", headers: { Authorization: "Bearer dev-secret" } });
  assert.equal(await client.end(), 0);
  assert.match(client.stderr, /closed for good: 4403/);

  const nowhere = here.begin(command.replace("/ws", "/nowhere"));
  assert.equal(await nowhere.end(), 0);
  assert.match(nowhere.stderr, /closed for good/);
  page.rest();
});

// behind starts nginx as the page has it in front of a gateway as it has it.
async function behind(t, { change, flags } = {}) {
  const page = new Page("docs/behind-nginx.md");
  const here = place(t);
  here.write("stentor.yaml", page.file("stentor.yaml"));
  const server = await here.gateway("stentor serve --config stentor.yaml", { flags });
  here.at(server);
  const nginx = await proxy(here, page.file("nginx.conf"), change);
  const connect = async (path = "/ws") => {
    const c = await dial(t, nginx.ws + path, { ca: nginx.ca });
    c.welcome = await c.json();
    return c;
  };
  return { page, here, server, nginx, connect };
}

// swap replaces a text that has to be there.
function swap(text, from, to) {
  assert.ok(text.includes(from), `the configuration has no ${from}`);
  return text.replaceAll(from, to);
}

test("docs/behind-nginx.md: WebSockets come through, the API does not", async (t) => {
  const { page, here, server, nginx, connect } = await behind(t);
  const listener = here.begin(page.take("sh", /subscribe/).code);
  await listener.wrote(/subscribed to news/, "stderr");
  const c = await connect();
  assert.equal((await c.ask({ type: "subscribe", channel: "news" })).type, "subscribed");
  await shows(page, here, page.take("sh", /from outside/));
  assert.equal(await here.works(page.take("sh", /from inside/).code), '{"matched":2}\n');
  await listener.wrote(/ news message "from inside"/);
  assert.equal((await c.json()).data, "from inside");

  // However it is spelt, from outside there is no API. The gateway's own 404
  // would be JSON.
  const get = (base, path) => here.works(`curl --silent --path-as-is -H 'Authorization: Bearer a-long-random-word' \
    --write-out ' %{http_code} %{content_type}' '${base}${path}'`);
  assert.match(await get(`http://${server.host}`, "/api/channels"), /"news"[^]* 200 /);
  for (const path of ["/api/", "//api/", "/API/", "/%61pi/", "/raw/../api/", "/raw/%2e%2e/api/", "/raw/..%2fapi/",
    "/raw/%2e%2e%2fapi%2f", "/ws/../api/", "/ws/api/", "/ws/", "/"]) {
    assert.match(await get("https://push.example", `${path}channels`), / 404 text\/html$/, path);
  }
  assert.match(await get("https://push.example", "/stentor.js"), /^\/\/[^]* 200 text\/javascript/);

  const { status, headers } = await fetch(`http://127.0.0.1:${nginx.http}/ws`, { redirect: "manual", headers: { Host: "push.example" } });
  assert.equal(status, 301);
  assert.match(headers.get("location"), /^https:\/\/.*\/ws$/);

  // Time enough for the gateway's pings.
  const { idle_ms: idle, pong_ms: pong } = c.welcome;
  for (const name of ["read", "send"]) {
    const [, seconds] = readFileSync(join(here.folder, "nginx.conf"), "utf8").match(new RegExp(`proxy_${name}_timeout (\\d+)s;`));
    assert.ok(seconds * 1000 > idle + pong, `proxy_${name}_timeout is ${seconds} s, the gateway takes ${idle} + ${pong} ms`);
  }

  // Tokens stay out of the log, to which nginx writes when a connection ends.
  const bearer = token("a-long-random-word", { sub: "alice" });
  const alice = await connect(`/ws?app=shop-key&token=${bearer}`);
  assert.equal(alice.welcome.user, "alice");
  alice.socket.close();
  await alice.closed();
  const log = readFileSync(join(here.folder, "access.log"), "utf8");
  assert.match(log, /\/api\/publish/);
  assert.ok(!log.includes(bearer), log);
  page.file("in stentor.yaml"); // in another test
  page.file("in nginx.conf");
  page.rest();
});

test("docs/behind-nginx.md: a quiet client stays if the gateway's pings come in time, and only then", async (t) => {
  const change = (text) => swap(text, "180s", "5s");
  const pinged = await behind(t, { change, flags: "--limits.idle-timeout 500ms" });
  const cut = await behind(t, { change });
  const c = await pinged.connect();
  const d = await cut.connect();
  assert.equal((await d.closed()).code, 1006);
  c.say({ type: "ping" }); // so it was quiet for longer than d
  const seen = [];
  while (!seen.includes("text")) seen.push((await c.next()).type);
  assert.deepEqual([...new Set(seen)], ["ping", "text"]);
});

test("docs/behind-nginx.md: nginx limits the connections of an address", async (t) => {
  const { nginx, connect } = await behind(t);
  const all = [];
  for (let n = 0; n < 50; n++) all.push(await connect());
  assert.equal((await refused(t, `${nginx.ws}/ws`, { ca: nginx.ca })).status, 429);
  all[0].socket.close();
  await all[0].closed();
});

test("docs/behind-nginx.md: the gateway's limit sees nginx only", async (t) => {
  const { connect } = await behind(t, { flags: "--limits.max-connections-per-ip 2" });
  for (let n = 0; n < 2; n++) await connect();
  await assert.rejects(connect(), /503|1013/);
});

test("docs/behind-nginx.md: the gateway restarts, nginx reloads", async (t) => {
  const { here, server, nginx, connect } = await behind(t, { change: (text) => swap(text, "worker_shutdown_timeout 1m", "worker_shutdown_timeout 1s") });
  const { host } = server;
  let c = await connect();
  assert.equal(await server.stop(), 0);
  assert.equal((await c.json()).type, "bye");
  assert.equal((await c.closed()).code, 1012);
  assert.equal((await refused(t, `${nginx.ws}/ws?token=abc`, { ca: nginx.ca })).status, 502);
  assert.match(readFileSync(join(here.folder, "error.log"), "utf8"), /token=abc/);
  await here.gateway("stentor serve --config stentor.yaml", { host });

  c = await connect();
  nginx.reload();
  assert.equal((await c.closed()).code, 1006);
  assert.equal((await (await connect()).ask({ type: "ping" })).type, "pong");
});

test("docs/behind-nginx.md: by a unix socket", async (t) => {
  const page = new Page("docs/behind-nginx.md");
  const here = place(t);
  here.replacements.push(["/run/stentor", here.folder]);
  here.write("stentor.yaml", page.file("stentor.yaml") + page.file("in stentor.yaml"));
  const flags = "--limits.max-connections-per-ip 1"; // bounds nobody
  const server = await here.gateway("stentor serve --config stentor.yaml", { host: "", flags });
  assert.equal(server.host, `unix:${here.folder}/public.sock`);
  const upstream = page.file("in nginx.conf");
  const nginx = await proxy(here, page.file("nginx.conf"), (text) => {
    const changed = text.replace(/^ *upstream stentor \{[^}]*\}$/m, upstream);
    assert.notEqual(changed, text);
    return changed;
  });
  for (let n = 0; n < 3; n++) {
    const c = await dial(t, `${nginx.ws}/ws`, { ca: nginx.ca });
    assert.equal((await c.json()).type, "welcome");
  }
});

test("README.md: its commands, and the three lines of a page", async (t) => {
  const page = new Page("README.md");
  const here = place(t);
  const served = page.take("any", /stentor serve$/m).code.trim();
  assert.ok(served.startsWith("go run "));
  const server = await here.gateway(`env -C ${root} ${served}`);
  here.at(server);
  here.packages();

  const listener = await listens(here, page.take("any", /new WebSocket/).code);
  here.replacements.push(["-o stentor", `-o ${here.folder}/bin/stentor`], ["sudo install stentor", "install bin/stentor"],
    ["/usr/local/bin/", `${here.folder}/`]);
  const [build, install] = page.take("any", /^go build/).code.split("\n");
  const env = { GOFLAGS: "-buildvcs=false", GOBIN: join(here.folder, "gobin") };
  await here.works(build, { cwd: root, env });
  await here.works(install);
  const [, other] = readFileSync(join(root, "README.md"), "utf8").match(/`(go install [^`]*)`/);
  await here.works(other, { cwd: root, env });
  for (const folder of [".", "bin", "gobin"]) assert.match(await here.works(`${folder}/stentor --help`), /^ +serve /m);

  const demo = await dial(t, `ws://${server.host}/raw/demo`);
  assert.equal(await here.works(page.take("any", /^curl/).code), '{"matched":1}\n');
  assert.equal(await demo.text(), '{"text": "hello"}');
  await publishUntil(server, "news", listener, /'hello'/);
});

test("functions that fetch a token: what is none is not taken for one", async (t) => {
  for (const [path, fits] of [["web/client/README.md", /fetch\("\/stentor-token"\)/], ["docs/tutorial-chat.md", /fetch\("\/token"\)/]]) {
    const { code } = new Page(path).sample(fits);
    const [, source] = code.match(/^ *token: (async \(\) => \{[^]*?^ *\}),$/m);
    const get = (text, status) => new Function("fetch", `return (${source})()`)(async () => new Response(text, { status }));
    assert.equal(await get("a.b.c", 200), "a.b.c");
    for (const status of [401, 403, 500, 502]) {
      const code = status === 401 && path.startsWith("web") ? 4401 : undefined;
      await assert.rejects(get("<h1>no</h1>", status), (error) => error.message !== "" && error.code === code, `${path} ${status}`);
    }
  }
});

// listens runs lines of a page's script, which have a WebSocket.
async function listens(here, code) {
  here.write("page.mjs", `import WebSocket from "ws";\nglobalThis.WebSocket = WebSocket;\n${code}`);
  return here.begin("node page.mjs");
}

// publishUntil publishes to a channel until a program that does not say when
// it is subscribed has written something.
async function publishUntil(server, channel, command, pattern) {
  let written = false;
  const end = command.wrote(pattern).finally(() => { written = true; });
  while (!written) {
    await fetch(`http://${server.host}/api/publish`, {
      method: "POST",
      headers: { Authorization: "Bearer dev-secret" },
      body: JSON.stringify({ to: { channels: [channel] }, data: "hello" }),
    });
    await Promise.race([end, new Promise((resolve) => { setTimeout(resolve, 10); })]);
  }
  await end;
}

test("docs/http-api.md, docs/protocol.md, docs/configuration.md", async (t) => {
  const server = await serve(t);
  const here = place(t);
  here.at(server);
  here.packages();

  const news = await dial(t, `${server.ws}/raw/news`);
  assert.equal(await here.works(new Page("docs/http-api.md").take("any", /^curl/).code), '{"matched":1}\n');
  assert.equal(await news.text(), '{"text": "hi"}');

  const listener = await listens(here, new Page("docs/protocol.md").take("any", /new WebSocket/).code);
  await publishUntil(server, "demo", listener, /^hello$/m);

  here.write("stentor.yaml", new Page("docs/configuration.md").take("any", /^apps:/m).code);
  assert.match(await here.works("stentor checkconfig --config stentor.yaml"), /key: shop-key[^]*max_connections: 200000/);
});

test("docs/engine.md: the program, built beside a clone", async (t) => {
  const page = new Page("docs/engine.md");
  const here = place(t);
  const address = `127.0.0.1:${await freePort()}`;
  here.replacements.push(["127.0.0.1:9000", address], ["../stentor", root.replace(/\/$/, "")]);
  here.write("main.go", page.take("any", /^package main/).code);
  const echo = here.begin(page.take("any", /^go mod init/).code);
  await echo.wrote(/listening on/);
  const c = await dial(t, `ws://${address}/`);
  c.send("hello");
  assert.equal(await c.text(), "hello");
  c.socket.terminate();
  await echo.wrote(/bye/);
  echo.signal("SIGINT");
  await echo.end();
});
