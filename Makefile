# Short names for the scripts, which say what they do.

.PHONY: run test lint fuzz bench bench-core bench-peers client e2e

run:
	scripts/run.sh

test:
	scripts/test.sh

lint:
	scripts/lint.sh

fuzz:
	scripts/fuzz.sh

bench: bench-core

bench-core:
	scripts/bench-core.sh

bench-peers:
	scripts/bench-peers.sh

client:
	scripts/client.sh

e2e:
	scripts/e2e.sh
