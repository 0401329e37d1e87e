#!/usr/bin/env bash
# shrink.sh TARGET|all: takes what libFuzzer found new ways with into the corpus of the tree: the smallest inputs that
# go all the ways, none of more than 2 KiB, beside those that people made, whose names are words.
set -euo pipefail
wanted=$1
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
work=$(cd "$here/../.." && pwd)/target/fuzz

cd "$here/libfuzzer"
targets=$wanted
[ "$wanted" != all ] || targets=$(cargo +nightly fuzz list --fuzz-dir .)
for target in $targets; do
  small=$(mktemp -d) both=$(mktemp -d)
  cp "$here/corpus/$target"/* "$both"
  find "$work/corpus/$target" -type f -size -2049c -exec cp --no-clobber -t "$both" {} +
  cargo +nightly fuzz cmin --fuzz-dir . --target-dir "$work/build" "$target" "$both" >/dev/null 2>&1
  # At most so many, spread over the sizes: the replay is a part of every run of the tests.
  find "$both" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -printf '%s %p\n' | sort -n |
    awk -v most=40 '{ line[NR] = $2 } END { step = NR > most ? NR / most : 1; for (i = 1; i <= NR; i += step) print line[int(i)] }' |
    xargs --no-run-if-empty cp -t "$small"
  find "$here/corpus/$target" -type f -regextype posix-extended -regex '.*/[0-9a-f]{40}' -delete
  cp --no-clobber "$small"/* "$here/corpus/$target" 2>/dev/null || true
  rm -r "$small" "$both"
  echo "$target: $(ls "$here/corpus/$target" | wc -l) inputs"
done
