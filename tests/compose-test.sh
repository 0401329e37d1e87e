#!/usr/bin/env bash
# deploy/README's words for compose, done for real: an image of Debian's packages, dockerd, docker-compose,
# the four services and then the one daemon; a pull, a mount, a service killed. Root, Debian, and the
# packages docker.io, docker-compose, docker-registry, mmdebstrap, skopeo; where one is missing it says
# SKIPPED. Nothing of this machine's is touched: it has a mount namespace, a dockerd and a registry of its own.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() { echo "SKIPPED: compose-test: $1" >&2; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in dockerd docker-compose docker-registry mmdebstrap unshare curl; do
  command -v $tool >/dev/null || skip "$tool is not installed"
done
# /var/lib/varve and /run/varve are this test's own: seen from here alone.
[ "${IN_NAMESPACE:-}" = yes ] || exec env IN_NAMESPACE=yes unshare --mount --propagation private "$0" "$@"

cargo build --release --locked --workspace --bins
varve=$PWD/target/release/varve
work=$(mktemp --directory --tmpdir varve-compose-XXXXXX)
pids=()
compose() { docker-compose --file deploy/compose.yaml --project-name varve-test "$@"; }
finish() {
  compose --profile one down --timeout 5 >/dev/null 2>&1 || true
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null && wait "$pid" 2>/dev/null || true; done
  umount --lazy /mnt /var/lib/varve /run/varve 2>/dev/null || true
  awk -v below="$work/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r |
    while read -r mount; do umount --lazy "$mount"; done
  rm -rf --one-file-system "$work"
}
trap finish EXIT
say() { echo "== $*"; }
wait_for() { for _ in $(seq 150); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; echo "in vain: $*" >&2; return 1; }

mkdir -p /var/lib/varve /run/varve "$work/root" "$work/run"
chmod 0700 "$work/root"
mount --bind "$work/root" /var/lib/varve && mount --make-rshared /var/lib/varve
mount --bind "$work/run" /run/varve

say "a registry with the image of the quick start"
address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/registry.yml" <<YML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: $address}
YML
OTEL_TRACES_EXPORTER=none docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
pids+=($!)
wait_for curl --fail --silent "http://$address/v2/"
target/release/push-demo "$address" demo/hello 1
image=$address/demo/hello:1

say "dockerd, and the image varve"
dockerd --iptables=false --bridge=none --data-root "$work/docker" --exec-root "$work/exec" \
  --pidfile "$work/docker.pid" --host "unix://$work/docker.sock" >"$work/dockerd.log" 2>&1 &
pids+=($!)
export DOCKER_HOST=unix://$work/docker.sock
unset DOCKER_CONTEXT
wait_for /usr/bin/docker info
base=target/compose/base.tar
[ -s $base ] || { mkdir -p target/compose && mmdebstrap --quiet --variant=minbase bookworm $base; }
/usr/bin/docker import $base debian:bookworm-slim >/dev/null
DOCKER_BUILDKIT=0 /usr/bin/docker build --quiet --file deploy/Dockerfile --tag varve . >/dev/null

healthy() { # as many containers as named, all of them healthy
  [ "$(compose --profile one ps --quiet | xargs /usr/bin/docker inspect --format '{{.State.Health.Status}}' | grep -c '^healthy$')" = "$1" ]
}
use() { # the command, with what it is told: pull, list, mount, look
  "$varve" "$@" pull "$image"
  "$varve" "$@" images ls | grep demo/hello
  "$varve" "$@" mount "$image" /mnt
  grep 'lowest layer\|Varve demo' /mnt/etc/os-release
  [ ! -e /mnt/etc/motd ]
  "$varve" "$@" unmount /mnt
}

say "four services"
compose up --detach
wait_for healthy 4
use --config deploy/config/client.toml

say "the content store is killed, and comes back by itself"
store=$(/usr/bin/docker inspect --format '{{.State.Pid}}' "$(compose ps --quiet content-store)")
kill -9 "$store"
wait_for "$varve" --config deploy/config/client.toml health
"$varve" --config deploy/config/client.toml pull "$image" | grep 'up to date'
"$varve" --config deploy/config/client.toml gc
compose down --timeout 10

say "one daemon, in the same root"
compose --profile one up --detach daemon
wait_for healthy 1
use
compose --profile one down --timeout 10
say "passed"
