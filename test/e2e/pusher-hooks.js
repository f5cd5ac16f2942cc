// A backend that receives webhooks.

import assert from "node:assert/strict";
import { app, Log, sdk, site } from "./pusher.js";

// receiver starts a backend that is told of events. Each goes to its log under
// its name, when its signature is right by the app's secret, which a test may
// change. status is what the receiver answers.
export async function receiver(t, { of = app, status = () => 200 } = {}) {
  const log = new Log();
  const calls = [];
  const here = { log, calls, secret: of.secret };
  const { url, close } = await site(t, async (request, response, rawBody) => {
    const code = await status(JSON.parse(rawBody), calls.length);
    calls.push({ headers: request.headers, rawBody, code });
    if (code === 200) {
      const hook = sdk({ host: "x:1" }, { ...of, secret: here.secret }).webhook({ headers: request.headers, rawBody });
      assert.ok(hook.isValid(), `a wrong signature: ${rawBody}`);
      for (const { name, ...event } of hook.getEvents()) log.note(name, event);
    }
    response.writeHead(code).end("thank you");
  });
  return Object.assign(here, { url: `${url}/webhook`, close });
}
