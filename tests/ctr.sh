#!/usr/bin/env bash
# The lines of tests/ctr/commands.txt for containerd's own ctr, against a containerd and against Varve's daemon: the same words,
# kinds of errors, statuses and events, but for those that docs/ctr.md lists. It starts both and a registry by itself. Root, and
# Debian's containerd, docker-registry and busybox-static; where one is missing it says SKIPPED.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() { echo "SKIPPED: ctr: $1" >&2; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in containerd ctr docker-registry busybox; do
  command -v $tool >/dev/null || skip "$tool is not installed"
done
cargo build --locked --package varve
VARVE_BINARY=${VARVE_BINARY:-$PWD/target/debug/varve} \
  cargo run --quiet --locked --package varve-tests --bin ctr -- docs/ctr.md "$@"
