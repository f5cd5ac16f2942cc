// Types of stentor.global.js, which makes one name global.

import type * as names from "./stentor.js";

declare global {
  var Stentor: typeof names.Stentor & typeof names;
}
