#!/usr/bin/env bash
# run.sh [RUNS]: containerd's own suites against Varve, as one daemon and as four services: its content store, and
# each snapshotter that it says it has. Every run starts from nothing. Needs root, as the suites mount; installs Go and
# containerd's source where this is a Debian. VARVE names the directory of the programs (default target/debug, built
# first).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
runs=${1:-1}

skip() { echo "SKIPPED: conformance: $1" >&2; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
source=/usr/share/gocode
if ! command -v go >/dev/null || [ ! -d "$source/src/github.com/containerd/containerd/content/testsuite" ]; then
  command -v apt-get >/dev/null || skip "golang-go and golang-github-containerd-containerd-dev are not installed"
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends \
    golang-go golang-github-containerd-containerd-dev
fi
[ -n "${VARVE:-}" ] || cargo build --locked --workspace --bins
VARVE=$(realpath "${VARVE:-target/debug}")
export VARVE

# Against Debian's packages alone: nothing is downloaded.
mkdir -p target/conformance
suites=$PWD/target/conformance/suites.test
(cd tests/conformance && GO111MODULE=off GOPATH=$source GOCACHE=${suites%/*}/cache go test -c -o "$suites" .)

work=$(mktemp --directory --tmpdir varve-conformance-XXXXXX)
pid=
stop() {
  [ -n "$pid" ] || return 0
  kill "$pid" && wait "$pid" || true
  pid=
}
finish() {
  stop
  # A test that failed may have left a mount.
  awk -v below="$work/" 'index($2, below) == 1 { print $2 }' /proc/self/mounts | sort -r |
    while read -r mount; do umount --lazy "$mount"; done
  rm -rf --one-file-system "$work"
}
trap finish EXIT

# serve TOPOLOGY DIR: what answers at DIR/content-store.sock and DIR/snapshotter.sock, until `stop`
serve() {
  mkdir "$2" "$2/tmp"
  if [ "$1" = daemon ]; then
    ln -s root/varve.sock "$2/content-store.sock"
    ln -s root/varve.sock "$2/snapshotter.sock"
    "$VARVE/varve" --root "$2/root" daemon >"$2/log" 2>&1 &
  else
    tests/bench/split.sh start "$2" >"$2/log" 2>&1 &
  fi
  pid=$!
}

# judge TOPOLOGY DIR: passes the suites
judge() {
  TMPDIR=$2/tmp "$suites" -test.v -test.root -content-store "unix://$2/content-store.sock" \
    -snapshotter "unix://$2/snapshotter.sock" >"$2/told" 2>&1 || {
    cat "$2/told" "$2/log"
    echo "conformance: $1: a suite failed; what it said and what Varve logged is above" >&2
    exit 1
  }
  # Rename's first line skips it, in containerd's text; a suite that skipped more would prove nothing.
  if sed -n 's/^ *--- SKIP: //p' "$2/told" | grep -v '/Rename '; then
    echo "conformance: $1: the above was skipped" >&2
    exit 1
  fi
  sed -nE 's,^ *--- PASS: (TestContent/|TestSnapshots/[^/ ]+/).*,\1,p' "$2/told" | sort | uniq --count |
    while read -r passed suite; do echo "$1: $suite $passed passed"; done
}

for run in $(seq "$runs"); do
  for topology in daemon split; do
    serve $topology "$work/$topology-$run"
    judge $topology "$work/$topology-$run"
    stop
  done
done
