#!/usr/bin/env bash
# run.sh SECONDS TARGET|all: each target under libFuzzer for so long, on one core. Installs what it needs.
#
# New inputs go into a working corpus below target/, and not into the tree: shrink.sh takes over what is worth it.
# A finding ends the run with its name; docs/fuzz.md says what to do then.
set -euo pipefail
seconds=$1 wanted=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
work=$root/target/fuzz

cargo fuzz --version >/dev/null 2>&1 || cargo install --locked cargo-fuzz
rustup run nightly rustc --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal

cd "$here/libfuzzer"
targets=$wanted
[ "$wanted" != all ] || targets=$(cargo +nightly fuzz list --fuzz-dir .)
for target in $targets; do
  mkdir -p "$work/corpus/$target" "$work/found/$target"
  # rss: a target that reads so much was not bounded; timeout: one that does not end. Leaks, of which safe code has none
  # by mistake, would be looked for after most inputs: half the time of a target that has threads.
  ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run --fuzz-dir . --target-dir "$work/build" "$target" \
    "$work/corpus/$target" "$here/corpus/$target" -- \
    -max_total_time="$seconds" -timeout=60 -rss_limit_mb=3072 -malloc_limit_mb=1024 -max_len=16384 \
    -artifact_prefix="$work/found/$target/" -print_final_stats=1
done
