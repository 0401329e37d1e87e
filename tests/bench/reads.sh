#!/usr/bin/env bash
# reads.sh [MIB] [ROUNDS]: a blob read by containerd's own client in one stream and 32 KiB at a time (the habit of its proxied
# ReaderAt), from Varve's daemon, from a containerd, and, without any protocol, from one that makes the system calls and
# nothing else; each with the CPU that it costs whoever serves. Starts all three. Needs Debian's containerd, golang-go and
# golang-github-containerd-containerd-dev, and root for containerd; VARVE names the directory of the programs (default
# target/release).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
mib=${1:-256} rounds=${2:-7}
VARVE=$(realpath "${VARVE:-target/release}")

mkdir -p target/conformance
reads=$PWD/target/conformance/reads
(cd tests/bench/reads && GO111MODULE=off GOPATH=/usr/share/gocode GOCACHE=${reads%/*}/cache go build -o "$reads" .)

work=$(mktemp --directory --tmpdir varve-reads-XXXXXX)
pids=()
finish() {
  # The last one ends with its client.
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait
  rm -rf --one-file-system "$work"
}
trap finish EXIT

head --bytes="$((mib << 20))" /dev/urandom >"$work/blob"
digest=sha256:$(sha256sum "$work/blob" | cut -d ' ' -f 1)
cat >"$work/containerd.toml" <<TOML
version = 2
root = "$work/containerd"
state = "$work/state"
disabled_plugins = ["io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt"]
[grpc]
address = "$work/containerd.sock"
TOML

# measure NAME SOCKET PID
measure() {
  for _ in $(seq 100); do ctr --address "$2" version >/dev/null 2>&1 && break; sleep 0.1; done
  ctr --address "$2" content ingest reads <"$work/blob"
  echo "$1, $mib MiB:"
  "$reads" "unix://$2" "$3" "$digest" "$rounds" | sed 's/^/  /'
}

"$VARVE/varve" --root "$work/root" daemon >"$work/varve.log" 2>&1 &
pids+=($!)
measure varve "$work/root/varve.sock" "$!"
containerd --config "$work/containerd.toml" >"$work/containerd.log" 2>&1 &
pids+=($!)
measure containerd "$work/containerd.sock" "$!"
"$VARVE/bare" "$work/bare.sock" "$work/blob" &
pids+=($!)
for _ in $(seq 100); do [ -S "$work/bare.sock" ] && break; sleep 0.1; done
echo "system calls alone, $mib MiB:"
"$reads" bare "$work/bare.sock" "$!" "$((mib << 20))" "$rounds" | sed 's/^/  /'
