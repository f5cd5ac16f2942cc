#!/usr/bin/env bash
# Runs the server from source, on this machine only. Arguments are passed on:
# scripts/run.sh --listen 127.0.0.1:9000
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec go run ./cmd/stentor serve "$@"
