#!/usr/bin/env bash
# Installs what the tests need, where this is a Debian and we are root, and passes them all. A test
# whose tool is missing says SKIPPED and why; under CI that is an error.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(docker-registry skopeo umoci openssl)
missing=()
for package in "${packages[@]}"; do
  dpkg-query --show --showformat '${db:Status-Status}' "$package" 2>/dev/null | grep -qx installed ||
    missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    apt-get update -qq
    DEBIAN_FRONTEND=noninteractive apt-get install -qq --yes --no-install-recommends "${missing[@]}"
  else
    echo "not installed, so some tests will be skipped: ${missing[*]}" >&2
  fi
fi

cargo build --locked --package varve --bins
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --locked --workspace 2>&1 | tee "$log"
if [ -n "${CI:-}" ] && grep 'SKIPPED:' "$log"; then
  echo "under CI no test may be skipped" >&2
  exit 1
fi
