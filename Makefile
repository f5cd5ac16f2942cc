# Short names for the scripts, which say what they do.

.PHONY: run test lint fuzz bench bench-core bench-peers c100k c1m client e2e

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

c100k:
	scripts/c100k.sh -g -o benchmarks/results/c100k

c1m:
	scripts/c100k.sh -n 1000000 -m 1 -w 0 -r 0.1 -S -o benchmarks/results/c1m

client:
	scripts/client.sh

e2e:
	scripts/e2e.sh
