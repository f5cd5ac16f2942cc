// Runs nginx with a configuration of the documents, on free ports and in a
// folder of its own.

import assert from "node:assert/strict";
import { mkdirSync, readFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { within } from "./server.js";
import { freePort } from "./pages.js";

// certify makes a certificate for push.example, and has curl and stentor know
// it and find that host at a port of this machine.
export async function certify(here, port) {
  mkdirSync(join(here.folder, "push.example"));
  await here.works(`openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 \
    -subj /CN=push.example -addext subjectAltName=DNS:push.example,IP:127.0.0.1 \
    -keyout push.example/privkey.pem -out push.example/fullchain.pem`);
  const certificate = join(here.folder, "push.example/fullchain.pem");
  here.write(".curlrc", `connect-to = "push.example:443:127.0.0.1:${port}"\ncacert = "${certificate}"\n`);
  Object.assign(here.env, { CURL_HOME: here.folder, SSL_CERT_FILE: certificate });
  here.replacements.push([/(stentor .*)https:\/\/push\.example/g, `$1https://127.0.0.1:${port}`]);
  return readFileSync(certificate);
}

// proxy starts nginx in front of a gateway. change changes the configuration.
export async function proxy(here, config, change = (text) => text) {
  const [http, https] = [await freePort(), await freePort()];
  const ca = await certify(here, https);
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((name) => `${name}_temp_path ${here.folder}/temp-${name};`);
  here.replacements.push(
    ["/run/nginx.pid", join(here.folder, "nginx.pid")],
    ["/var/log/nginx", here.folder],
    ["/etc/ssl", here.folder],
    [/^ *listen \[::\].*\n/gm, ""], // not every machine has IPv6
    ["listen 80;", `listen 127.0.0.1:${http};`],
    ["listen 443 ssl;", `listen 127.0.0.1:${https} ssl;`],
    ["user www-data;", process.getuid() === 0 ? "user root;" : ""], // who may read the folder
    ["http {", `http {\n${temporary.join("\n")}`],
  );
  here.write("nginx.conf", change(config));
  const start = `exec nginx -p "$PWD" -e "$PWD/error.log" -c "$PWD/nginx.conf"`;
  await here.works(`${start} -t`);
  const nginx = here.begin(`${start} -g 'daemon off;'`);
  const accepts = () => new Promise((resolve) => {
    const socket = connect(https, "127.0.0.1");
    socket.on("connect", () => { socket.destroy(); resolve(true); }).on("error", () => resolve(false));
  });
  await within((async () => {
    while (!await accepts()) {
      assert.ok(!nginx.over, `nginx has ended:\n${nginx.stderr}`);
      await new Promise((resolve) => { setTimeout(resolve, 10); });
    }
  })(), "nginx to listen");
  const pid = () => Number(readFileSync(join(here.folder, "nginx.pid"), "utf8"));
  return { ca, http, https, ws: `wss://127.0.0.1:${https}`, reload: () => process.kill(pid(), "SIGHUP") };
}
