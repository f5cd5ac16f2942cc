// The global name of the plain script; it is compiled, never run.

import "stentor-client/global";

const stentor = new Stentor("/ws");
stentor.on("error", (error) => error instanceof Stentor.StentorError);
