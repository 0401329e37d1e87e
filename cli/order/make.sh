#!/usr/bin/env bash
# make.sh: makes `functions` anew, the list that build.rs gives to the linker: what a few short commands run, as valgrind's
# callgrind sees it, by the names that the linker has for it. Starts a registry of its own on the loopback. Needs valgrind,
# docker-registry, skopeo and umoci; takes two builds' time. To be run when much has changed: a list that is old helps less.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
work=$(mktemp --directory --tmpdir varve-order-XXXXXX)
pids=()
finish() {
  [ ${#pids[@]} = 0 ] || { kill "${pids[@]}" && wait "${pids[@]}" || true; }
  rm -rf --one-file-system "$work"
}
trap finish EXIT

# Not in the profile: names depend on that.
cargo rustc --release --locked --package varve --bin varve -- -C link-arg=-Wl,-Map="$work/map"
varve=target/release/varve

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/registry.yml" <<YML
version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: "127.0.0.1:$port"}
YML
OTEL_TRACES_EXPORTER=none docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
pids+=($!)
for _ in $(seq 100); do (: <"/dev/tcp/127.0.0.1/$port") 2>/dev/null && break; sleep 0.1; done
mkdir "$work/image"
(
  cd "$work/image"
  umoci init --layout oci
  umoci new --image oci:1
  umoci unpack --image oci:1 bundle
  echo hello >bundle/rootfs/file
  umoci repack --image oci:1 bundle
) >/dev/null
image=127.0.0.1:$port/lab/tiny:1
skopeo copy --quiet --dest-tls-verify=false "oci:$work/image/oci:1" "docker://$image"
"$varve" --root "$work/root" pull --quiet "$image"

# seen WORDS...: what a command runs. The first are to stand first, so that their numbers are all as long.
runs=10
seen() {
  runs=$((runs + 1))
  valgrind --tool=callgrind --dump-instr=yes --callgrind-out-file="$work/seen.$runs" \
    "$varve" --root "$work/root" "$@" >"$work/said" 2>&1
}
seen pull "$image"
seen pull "$image"
seen images
seen image inspect "$image"
seen history "$image"
seen ps --all
seen tag "$image" other:1
seen rmi other:1
seen version
seen --version
python3 cli/order/names.py "$work/map" "$(basename "$varve")" "$work"/seen.* >"$work/functions"
mv "$work/functions" cli/order/functions
wc --lines cli/order/functions
