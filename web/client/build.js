// Makes what the package has besides the sources: stentor.global.js, for pages
// without modules, and the licence.

import { copyFileSync, readFileSync, writeFileSync } from "node:fs";

const file = (name) => new URL(name, import.meta.url);
const [body, names] = readFileSync(file("stentor.js"), "utf8").split(/\nexport \{(.*)\};\n$/);
const script = `(() => {\n${body}\nglobalThis.Stentor = Object.assign(Stentor, {${names}});\n})();\n`;
writeFileSync(file(process.argv[2] ?? "stentor.global.js"), script);
copyFileSync(file("../../LICENSE"), file("LICENSE"));
