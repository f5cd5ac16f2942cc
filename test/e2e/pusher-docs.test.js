// docs/pusher.md: its configurations, clients, endpoints and receivers are run
// as they stand there, but for the addresses.

import assert from "node:assert/strict";
import { copyFileSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import SDK from "pusher";
import { open, useBrowser } from "./browser.js";
import { proxy } from "./nginx.js";
import { Page, freePort, place, root } from "./pages.js";

useBrowser();

const page = new Page("docs/pusher.md");
const config = page.file("stentor.yaml");
const serving = page.take("sh", /serve --config/).code;
const programs = Object.fromEntries(["client.mjs", "backend.mjs", "trigger.mjs", "echo.js", "echo-reverb.js", "config/broadcasting.php",
  "public/pusher-auth.php", "public/index.php", "public/webhook.php"].map((name) => [name, page.file(name)]));
const listening = page.take("js", /\.listen\("\.greeting"/).code;
const env = { "echo.js": page.take("ini", /PUSHER_HOST/).code, "echo-reverb.js": page.take("ini", /REVERB_HOST/).code };
const php = page.take("sh", /php -S/).code;
const backend = page.take("sh", /backend\.mjs/).code;
const client = page.take("sh", /client\.mjs/).code;
const trigger = page.take("sh", /trigger\.mjs/);
const triggered = page.after(trigger);
const webhooks = page.file("in stentor.yaml");
const [appFile, manyApps] = [page.file("apps/shop.yaml"), page.take("sh", /--apps-dir/).code];
page.rest();

// shop makes a place with the page's configuration, and starts the gateway. The
// ports are free ones.
async function shop(t, { hooks = `data_dir: /var/lib/stentor\n`, flags = "" } = {}) {
  const here = place(t);
  here.site = await freePort();
  here.replacements.push([/\b8000\b/g, String(here.site)], ["/var/lib/stentor", join(here.folder, "state")]);
  here.write("stentor.yaml", config + hooks);
  here.packages();
  here.server = await here.gateway(serving, { flags });
  ported(here);
  return here;
}

// ported has programs use a gateway in place of the one at 8080.
function ported(here) {
  here.replacements.push([/\b8080\b/g, here.server.host.split(":")[1]]);
  for (const [name, code] of Object.entries(programs)) here.write(name, code);
}

const begins = (here, code, options) => here.begin(code.replace(/^npm install.*\n/, "").replace(/^(?=node|php)/m, "exec "), options);

// endpoint starts the page's backend in Node, and waits until it answers.
async function endpoint(here, options) {
  const command = begins(here, backend, options);
  await answers(here);
  return command;
}

async function answers(here) {
  for (;;) {
    try {
      return await fetch(`http://127.0.0.1:${here.site}/`);
    } catch {
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  }
}

// signed asks an endpoint.
async function signed(here, path, form, headers = {}) {
  const response = await fetch(`http://127.0.0.1:${here.site}${path}`, { method: "POST", body: new URLSearchParams(form), headers });
  return { status: response.status, ...await response.json() };
}

const sdk = (here, secret = "a-long-random-word") => {
  const [host, port] = here.server.host.split(":");
  return new SDK({ appId: "1001", key: "shop-key", secret, host, port });
};

test("pusher-js in Node, an endpoint and a trigger by the SDK, webhooks to it", async (t) => {
  const here = await shop(t, { hooks: webhooks });
  const told = await endpoint(here);
  const alice = begins(here, client);
  await alice.wrote(/^connected$/m);
  await alice.wrote(/^alice is in the shop, with 0 others$/m);
  assert.equal(await here.works(trigger.code), triggered);
  await alice.wrote(/^news: hello$/m);
  await alice.wrote(/^to me: hello, Alice$/m);
  await told.wrote(/^channel_occupied presence-shop \n(?:.*\n)*?member_added presence-shop alice\n/m);
  assert.doesNotMatch(told.stdout, /news/, "the prefix does not keep other channels out");

  // What backends publish by the gateway's own API arrives, too.
  const response = await fetch(`http://${here.server.host}/api/publish`, {
    method: "POST",
    headers: { Authorization: "Bearer a-long-random-word" },
    body: JSON.stringify({ to: { channels: ["news"] }, event: "greeting", data: { text: "by /api" } }),
  });
  assert.equal(response.status, 200);
  await alice.wrote(/^news: by \/api$/m);

  await alice.stop();
  await told.wrote(/^member_removed presence-shop alice\n/m);
  await told.wrote(/^channel_vacated presence-shop/m);
});

test("the endpoint in Node signs nothing else", async (t) => {
  const here = await shop(t);
  const told = await endpoint(here);
  const ask = async (form, path = "/pusher/auth") => (await signed(here, path, form)).status;
  const socket_id = "1.2";
  assert.equal(await ask({ user: "alice", socket_id, channel_name: "private-user-alice" }), 200);
  assert.equal(await ask({ user: "alice", socket_id, channel_name: "private-user-bob" }), 403);
  assert.equal(await ask({ user: "alice", socket_id: "1.2:private-user-bob", channel_name: "presence-shop" }), 403);
  assert.equal(await ask({ user: "alice", socket_id, channel_name: ":user::{}" }), 403);
  assert.equal(await ask({ socket_id }, "/pusher/user-auth"), 403);
  assert.equal(await ask({ user: "alice", socket_id: "1.2:x" }, "/pusher/user-auth"), 403);
  // Nor does it believe a webhook that anybody may send.
  const forged = await fetch(`http://127.0.0.1:${here.site}/webhook`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Pusher-Key": "shop-key", "X-Pusher-Signature": "0".repeat(64) },
    body: '{"time_ms":1,"events":[{"name":"channel_occupied","channel":"presence-forged"}]}',
  });
  assert.equal(forged.status, 403);
  assert.doesNotMatch(told.stdout, /forged/);
});

test("the endpoint and the page in PHP, webhooks to PHP", async (t) => {
  const here = await shop(t, { hooks: webhooks.replace("/webhook", "/webhook.php") });
  mkdirSync(join(here.folder, "sessions"));
  here.write("session.ini", `session.save_path = "${here.folder}/sessions"\n`);
  here.write("public/favicon.ico", "");
  copyFileSync(join(root, "test/e2e/node_modules/pusher-js/dist/web/pusher.min.js"), join(here.folder, "public/pusher.min.js"));
  const code = php.replace(/(?=php)/, "exec ");
  const told = here.begin(code, { env: { PHP_INI_SCAN_DIR: `:${here.folder}` } });
  await told.wrote(/started/, "stderr");

  const site = { http: `http://127.0.0.1:${here.site}`, beforeStop: (f) => t.after(f) };
  const tab = await open(t, site, "/?user=bob");
  await tab.getByText("here: bob", { exact: true }).waitFor();
  await sdk(here).sendToUser("bob", "letter", { text: "hello, Bob" });
  await tab.getByText("to me: hello, Bob").waitFor();
  await told.wrote(/member_added presence-shop bob/, "stderr");

  const [{ name, value }] = await tab.context().cookies();
  const ask = (form, Cookie = `${name}=${value}`) => signed(here, "/pusher-auth.php", form, { Cookie });
  const socket_id = "1234.5678";
  const own = sdk(here);
  assert.deepEqual(await ask({ socket_id, channel_name: "private-user-bob" }), { status: 200, ...own.authorizeChannel(socket_id, "private-user-bob") });
  assert.deepEqual(await ask({ socket_id, channel_name: "presence-shop" }),
    { status: 200, ...own.authorizeChannel(socket_id, "presence-shop", { user_id: "bob", user_info: { name: "bob" } }) });
  assert.deepEqual(await ask({ socket_id }), { status: 200, ...own.authenticateUser(socket_id, { id: "bob", user_info: { name: "bob" } }) });
  assert.equal((await ask({ socket_id, channel_name: "private-user-alice" })).status, 403);
  assert.equal((await ask({ socket_id, channel_name: ":user::{}" })).status, 403);
  assert.equal((await ask({ socket_id: "1.2::user::{}" })).status, 400);
  assert.equal((await ask({ socket_id: "1.2\n" })).status, 400);
  assert.equal((await ask({ "socket_id[]": socket_id })).status, 400);
  assert.equal((await ask({ socket_id }, "")).status, 403);

  const body = '{"time_ms":1,"events":[{"name":"channel_occupied","channel":"presence-forged"}]}';
  const forged = await fetch(`${site.http}/webhook.php`, { method: "POST", headers: { "X-Pusher-Signature": "0".repeat(64) }, body });
  assert.equal(forged.status, 401);
  await tab.context().close();
  await told.wrote(/member_removed presence-shop bob/, "stderr");
  assert.doesNotMatch(told.stderr, /forged/);
});

for (const [name, connection] of [["echo.js", "pusher"], ["echo-reverb.js", "reverb"]]) {
  test(`Laravel Echo and the settings of Laravel: ${connection}`, async (t) => {
    const here = await shop(t);
    here.write("env", env[name]);
    // Vite writes the values into the program.
    const values = JSON.parse(await here.works("set -a; . ./env; node -p 'JSON.stringify(process.env)'"));
    const built = here.replaced(programs[name]).replaceAll(/import\.meta\.env\.(\w+)/g, (_, key) => JSON.stringify(values[key]));
    assert.doesNotMatch(built, /undefined/);
    here.write("page.mjs", `globalThis.window = globalThis;\n${built}\n${listening}
      window.Echo.connector.pusher.connection.bind("connected", () => console.log("connected"));
      window.Echo.connector.channel("news").subscription.bind("pusher:subscription_succeeded", () => console.log("listening"));`);
    const listener = here.begin("exec node page.mjs");
    await listener.wrote(/^listening$/m);

    // Laravel gives these options to the SDK.
    here.write("send.php", `<?php
      function env($key, $default = null) { return getenv($key) === false ? $default : getenv($key); }
      $config = require 'config/broadcasting.php';
      $connection = $config['connections'][$config['default']];
      assert($connection['driver'] === '${connection}');
      ['host' => $host, 'port' => $port, 'scheme' => $scheme, 'useTLS' => $tls] = $connection['options'];
      $body = json_encode(['name' => 'greeting', 'channels' => ['news'], 'data' => json_encode(['text' => 'hello, Echo'])]);
      $path = "/apps/{$connection['app_id']}/events";
      $query = "auth_key={$connection['key']}&auth_timestamp=" . time() . '&auth_version=1.0&body_md5=' . md5($body);
      $signature = hash_hmac('sha256', "POST\\n$path\\n$query", $connection['secret']);
      echo file_get_contents("$scheme://$host:$port$path?$query&auth_signature=$signature", false, stream_context_create(['http' =>
        ['method' => 'POST', 'header' => 'Content-Type: application/json', 'content' => $body]])), $tls ? ' TLS' : '';`);
    assert.equal(await here.works("set -a; . ./env; php -d zend.assertions=1 send.php"), "{}\n");
    await listener.wrote(/^hello, Echo$/m);
  });
}

test("behind nginx, with TLS", async (t) => {
  const here = await shop(t);
  const told = await endpoint(here);
  here.at(here.server);
  const nginx = await proxy(here, new Page("docs/behind-nginx.md").file("nginx.conf"));
  const secure = here.replaced(programs["client.mjs"]).replace(/wsPort: \d+,\n {2}forceTLS: false/, `wssPort: ${nginx.https},\n  forceTLS: true`);
  assert.match(secure, /forceTLS: true/);
  here.write("client.mjs", secure);
  const alice = begins(here, client, { env: { NODE_EXTRA_CA_CERTS: join(here.folder, "push.example/fullchain.pem") } });
  await alice.wrote(/^alice is in the shop, with 0 others$/m);
  assert.equal(await here.works(trigger.code), triggered);
  await alice.wrote(/^to me: hello, Alice$/m);
  const outside = await here.works(`curl --silent --output /dev/null --write-out '%{http_code}' https://push.example/apps/1001/channels`);
  assert.equal(outside, "404");
  assert.equal(told.over, undefined);
});

test("a second process takes over before the first one stops", async (t) => {
  const here = await shop(t, { flags: "--reuse-port" });
  await endpoint(here);
  const alice = begins(here, client);
  await alice.wrote(/^alice is in the shop, with 0 others$/m);
  await here.gateway(serving, { host: here.server.host, flags: "--reuse-port" });
  assert.equal(await here.server.stop(), 0);
  await alice.wrote(/(^alice is in the shop, with 0 others\n[^]*){2}/m);
  assert.doesNotMatch(alice.stdout, /unavailable/, "pusher-js has met nobody");
  assert.equal(await here.works(trigger.code), triggered);
  await alice.wrote(/^to me: hello, Alice$/m); // it has signed in again
});

test("a secret is rotated, and nobody is disconnected", async (t) => {
  const here = place(t);
  here.site = await freePort();
  here.replacements.push([/\b8000\b/g, String(here.site)]);
  here.packages();
  const write = (changes) => { // at once, as editors do
    here.write("next.yaml", changes.reduce((text, [from, to]) => text.replace(from, to), appFile));
    mkdirSync(join(here.folder, "apps"), { recursive: true });
    renameSync(join(here.folder, "next.yaml"), join(here.folder, "apps/shop.yaml"));
  };
  const [before, alone] = [[/^secret: .*/m, "secret: a-long-random-word"], [/^previous_secret: .*\n/m, ""]];
  write([before, alone]);
  here.server = await here.gateway(manyApps, { flags: `--data-dir ${here.folder}/state` });
  ported(here);
  await endpoint(here);
  const alice = begins(here, client);
  await alice.wrote(/^alice is in the shop, with 0 others$/m);

  const status = async (secret) => {
    try {
      return (await sdk(here, secret).get({ path: "/channels" })).status;
    } catch (error) {
      return error.status;
    }
  };
  const until = async (secret, wanted) => {
    for (;;) {
      const got = await status(secret);
      if (got === wanted) return;
      assert.ok([200, 401].includes(got), `${got}`);
      await new Promise((resolve) => { setTimeout(resolve, 20); });
    }
  };
  assert.deepEqual([await status("a-long-random-word"), await status("another-random-word")], [200, 401]);
  write([]);
  await until("another-random-word", 200);
  assert.equal(await here.works(trigger.code), triggered);
  assert.equal(await here.works(trigger.code, { env: { PUSHER_APP_SECRET: "another-random-word" } }), triggered);

  // An endpoint that still signs with the old secret is believed.
  const again = begins(here, client);
  await again.wrote(/^alice is in the shop, with 0 others$/m);
  write([alone]);
  await until("a-long-random-word", 401);
  assert.equal(await status("another-random-word"), 200);
  const late = begins(here, client);
  await late.wrote(/^not in the shop: 401$/m);

  await sdk(here, "another-random-word").trigger("news", "greeting", { text: "still here" });
  for (const c of [alice, again, late]) await c.wrote(/^news: still here$/m);
  for (const c of [alice, again]) assert.equal(c.stdout.match(/^connected$/gm).length, 1);

  // A wrong file changes nothing.
  write([[/^key: .*/m, "key: [1]"]]);
  await here.server.wrote(/shop\.yaml/, "stderr");
  assert.equal(await status("another-random-word"), 200);
});
