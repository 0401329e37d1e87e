#!/usr/bin/env bash
# The commands of tests/beside/commands.txt for docker and for varve: the same words, columns and statuses, but for those that
# docs/docker.md lists. It starts a dockerd and registries of its own. Root, and Debian's docker.io, docker-registry, runc and
# busybox-static; where one is missing it says SKIPPED.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() { echo "SKIPPED: beside-docker: $1" >&2; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
PATH=$PATH:/usr/sbin:/sbin
for tool in dockerd docker docker-registry runc busybox; do
  command -v $tool >/dev/null || skip "$tool is not installed"
done
cargo build --locked --package varve
VARVE_BINARY=${VARVE_BINARY:-$PWD/target/debug/varve} \
  cargo run --quiet --locked --package varve-tests --bin beside -- docs/docker.md "$@"
