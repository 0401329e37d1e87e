#!/usr/bin/env bash
# Builds Varve and shows its main job: a registry comes up on the loopback by itself with a
# multi-platform image in it; varve pulls it, lists it, and the unpacked tree is shown. Needs rustc,
# cargo and a C compiler. As root on overlayfs, without root with the native driver.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
cargo build --release --locked --package varve
exec cargo run --quiet --release --locked --package varve-tests --bin quickstart
