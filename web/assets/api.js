// The reference of the HTTP API, drawn from the OpenAPI document.

import { copy } from "/assets/copy.js";

const METHODS = ["get", "post"]; // that the document uses

const $ = (id) => document.getElementById(id);

let api; // the document
let here; // what the server tells about itself

// resolve follows a reference; what stands beside it comes on top.
function resolve(node) {
  if (!node?.$ref) return node ?? {};
  const { $ref, ...beside } = node;
  const target = $ref.split("/").slice(1).reduce((at, name) => at[name], api);
  return { ...resolve(target), ...beside };
}

// Words.

const PLAIN = { string: "text", integer: "number", boolean: "true or false" };

function kind(node) {
  const schema = resolve(node);
  if (schema.title) return schema.title;
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" or ");
  if ("const" in schema) return JSON.stringify(schema.const);
  if (schema.type === "array") return `list of ${kind(schema.items)}s`.replace("texts", "text");
  return PLAIN[schema.type] ?? schema.type ?? "any JSON";
}

function limits(node) {
  const schema = resolve(node);
  const list = [];
  if (schema.maxItems) list.push(range(schema.minItems, schema.maxItems));
  if (schema.maxLength && !schema.title) list.push(`${range(schema.minLength, schema.maxLength)} characters`);
  if ("default" in schema) list.push(`default ${JSON.stringify(schema.default)}`);
  return list;
}

function range(least, most) {
  return least ? `${least} to ${most.toLocaleString("en")}` : `at most ${most.toLocaleString("en")}`;
}

// fields lists what an object has, with what is in its objects.
function fields(node, prefix = "") {
  const schema = resolve(node);
  return Object.entries(schema.properties ?? {}).flatMap(([name, field]) => {
    const row = { name: prefix + name, schema: field, required: schema.required?.includes(name), says: resolve(field).description };
    if (field.items && !field.items.$ref) return [row, ...fields(field.items, `${row.name}[].`)];
    if (field.additionalProperties) return [row, ...fields(field.additionalProperties, `${row.name}.NAME.`)];
    return [row, ...(field.$ref ? [] : fields(field, `${row.name}.`))];
  });
}

// Elements.

function element(name, attributes = {}, ...children) {
  const e = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
  e.append(...children);
  return e;
}

// prose turns a text into nodes; what is in backquotes is code.
function prose(text = "") {
  return text.split("`").map((part, i) => (i % 2 ? element("code", {}, part) : part));
}

function paragraphs(text = "") {
  return text.split("\n\n").filter(Boolean).map((part) => element("p", {}, ...prose(part)));
}

function table(className, label, head, rows) {
  const cells = ([first, ...rest]) => element("tr", {}, element("th", { scope: "row" }, ...first), ...rest.map((cell) => element("td", {}, ...cell)));
  return element("table", { class: className, "aria-label": label },
    element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
    element("tbody", {}, ...rows.map(cells)));
}

// fieldTable says of what has to be there that it is must.
function fieldTable(label, what, list, must = "required") {
  return table("fields", label, [what, "What it is"], list.map(({ name, schema, required, says }) => [
    [element("code", {}, name), element("span", { class: "type" }, [kind(schema), ...(required ? [must] : []), ...limits(schema)].join(", "))],
    prose(says),
  ]));
}

function block(text, label) {
  return element("pre", { tabindex: 0, role: "region", "aria-label": label }, text);
}

function json(value) {
  const line = JSON.stringify(value);
  return line.length > 80 ? JSON.stringify(value, null, 2) : line;
}

// Operations.

// curl is a command for the shell.
function curl(path, method, operation, body) {
  const query = new URLSearchParams();
  for (const p of (operation.parameters ?? []).map(resolve)) {
    if (p.in === "query") query.set(p.name, p.example);
    else path = path.replace(`{${p.name}}`, encodeURIComponent(p.example));
  }
  const secret = here.development ? `'Authorization: Bearer ${here.secret}'` : '"Authorization: Bearer $STENTOR_SECRET"';
  const closed = (operation.security ?? api.security).length > 0;
  return [
    `curl ${quote(location.origin + path + (query.size ? `?${query}` : ""))}`,
    method === "post" && body === undefined && "-X POST",
    closed && `-H ${secret}`,
    body !== undefined && `-d ${quote(JSON.stringify(body))}`,
  ].filter(Boolean).join(" \\\n  ");
}

function quote(word) {
  return `'${word.replaceAll("'", "'\\''")}'`;
}

function example(title, command) {
  const pre = block(command, `Command: ${title}`);
  const button = element("button", { type: "button", "aria-label": `Copy the command: ${title}` }, "Copy");
  const status = element("span", { role: "status", class: "note" });
  button.onclick = () => copy(pre, status);
  return element("div", { class: "example" }, pre, element("p", { class: "row" }, button, status));
}

function examples(path, method, operation) {
  const list = Object.values(resolve(operation.requestBody).content?.["application/json"].examples ?? {});
  if (list.length === 0) return [example(operation.summary, curl(path, method, operation))];
  return list.flatMap(({ summary, value }) => [element("p", {}, `${summary}:`), example(summary, curl(path, method, operation, value))]);
}

function errors(operation) {
  const list = Object.entries(operation.responses).filter(([status]) => status !== "200").map(([status, node]) => {
    const response = resolve(node);
    const code = response.content["application/json"]?.example.error.code;
    return [[status], code ? [element("code", {}, code)] : ["text"], prose(response.description)];
  });
  return table("statuses", `Errors: ${operation.summary}`, ["Status", "Code", "When"], list);
}

function section(path, method, operation) {
  const { operationId: id, summary } = operation;
  const parts = [
    element("h3", { id: `${id}-title` }, element("span", { class: "method" }, method.toUpperCase()), " ", element("code", {}, path)),
    element("p", {}, `${summary}.`),
    ...paragraphs(operation.description),
  ];
  const parameters = (operation.parameters ?? []).map(resolve);
  if (parameters.length > 0) {
    parts.push(element("h4", {}, "Parameters"), fieldTable(`Parameters: ${summary}`, "Name",
      parameters.map(({ name, schema, required, description }) => ({ name, schema, required, says: description }))));
  }
  const body = resolve(operation.requestBody);
  if (body.content) {
    parts.push(element("h4", {}, "Body"), ...paragraphs(body.description),
      fieldTable(`Body: ${summary}`, "Field", fields(body.content["application/json"].schema)));
  }
  parts.push(element("h4", {}, "Example"), ...examples(path, method, operation));

  const answer = resolve(operation.responses[200]);
  const content = answer.content["application/json"];
  parts.push(element("h4", {}, "Answer"), element("p", {}, "200: ", ...prose(answer.description)));
  const told = fields(content?.schema);
  if (told.length > 0) parts.push(fieldTable(`Answer: ${summary}`, "Field", told, "always"));
  if (content?.example) parts.push(block(json(content.example), `Example of an answer: ${summary}`));
  parts.push(element("h4", {}, "Errors"), errors(operation));
  return element("section", { id, "aria-labelledby": `${id}-title` }, ...parts);
}

function show() {
  $("version").textContent = api.info.version;
  $("mode").hidden = !here.development;
  $("lead").textContent = api.info.summary;
  $("secret").hidden = here.development;
  $("description").replaceChildren(...paragraphs(api.info.description));
  const { Error, ...schemas } = api.components.schemas;
  $("errors").replaceChildren(
    block(json(resolve(api.components.responses.BadRequest).content["application/json"].example), "Example of an error"),
    fieldTable("Fields of an error", "Field", fields(Error).filter(({ name }) => name !== "error"), "always"));
  $("names").replaceChildren(...Object.values(schemas).filter(({ type }) => type === "string").flatMap(({ title, description }) => [
    element("dt", {}, title), element("dd", {}, ...prose(description)),
  ]));

  const all = Object.entries(api.paths).flatMap(([path, item]) =>
    METHODS.filter((method) => item[method]).map((method) => ({ path, method, operation: item[method] })));
  $("contents").append(element("ul", {}, element("li", {}, element("a", { href: "#general" }, "In general"))));
  for (const { name } of api.tags) {
    const list = all.filter(({ operation }) => operation.tags.includes(name));
    $("contents").append(element("h2", {}, name), element("ul", {}, ...list.map(({ operation }) =>
      element("li", {}, element("a", { href: `#${operation.operationId}` }, operation.summary)))));
    $("reference").append(element("h2", {}, name), ...list.map(({ path, method, operation }) => section(path, method, operation)));
  }
  document.getElementById(location.hash.slice(1))?.scrollIntoView(); // it was not there when the page came
}

try {
  [api, here] = await Promise.all(["/api/openapi.json", "/assets/here.json"].map(async (path) => (await fetch(path)).json()));
  show();
} catch (error) {
  $("fault").hidden = false;
  throw error;
}
