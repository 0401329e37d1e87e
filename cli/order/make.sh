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
VARVE_AS_IT_COMES=1 \
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
  # As many layers as most have, and text that JSON writes otherwise.
  for n in 1 2 3 4 5 6; do
    echo "$n" >file
    umoci insert --image oci:1 file "/file.$n"
  done
  labels=()
  for n in $(seq 20); do labels+=(--config.label "label.$n=$n"); done
  umoci config --image oci:1 --config.env 'TEXT="<é>"' "${labels[@]}" --config.cmd /file.1
) >/dev/null
image=127.0.0.1:$port/lab/tiny:1
skopeo copy --quiet --format v2s2 --dest-tls-verify=false "oci:$work/image/oci:1" "docker://$image"
"$varve" --root "$work/root" pull --quiet "$image"

# seen KIND WORDS...: what a command runs.
runs=0
seen() {
  runs=$((runs + 1))
  valgrind --tool=callgrind --dump-instr=yes --callgrind-out-file="$work/$1.$runs" \
    "$varve" --root "$work/root" "${@:2}" >"$work/said" 2>&1
}
# As it is the first time, when what is read has to come from the disk; and which task waits for which is another each time.
forget() { find "$work/root" -type f -exec dd if={} iflag=nocache count=0 status=none \;; }
for _ in 1 2 3; do
  forget
  seen first pull "$image"
  forget
  seen first pull --quiet "$image"
  seen first pull -q --plain-http "$image"
done
seen other images
seen other image inspect "$image"
seen other history "$image"
seen other ps --all
seen other tag "$image" other:1
seen other rmi other:1
seen other version
seen other --version
python3 cli/order/names.py "$work/map" "$(basename "$varve")" "$work"/first.* -- "$work"/other.* >"$work/functions"
mv "$work/functions" cli/order/functions
wc --lines cli/order/functions
