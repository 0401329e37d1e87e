#!/usr/bin/env bash
# Installs what the tests need, where this is a Debian and we are root, and passes them all. A test
# whose tool is missing says SKIPPED and why; under CI that is an error.
#
# The scenarios through the command run three times: with the services in the command itself, in one
# daemon, and in four processes.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

packages=(buildah busybox-static docker-registry golang-go libarchive-tools openssl podman python3-venv skopeo strace umoci)
# Docker's own packages bring these three, and would be removed for Debian's.
[ -n "$(PATH=$PATH:/usr/sbin command -v runc)" ] || packages+=(runc)
[ -n "$(command -v ctr)" ] || packages+=(containerd)
[ -n "$(PATH=$PATH:/usr/sbin command -v dockerd)" ] || packages+=(docker.io)
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

# An independent gRPC client, in a room of its own.
export VARVE_GRPC_PYTHON=$PWD/target/grpc/bin/python
if [ ! -x "$VARVE_GRPC_PYTHON" ] || ! "$VARVE_GRPC_PYTHON" -c 'import grpc_reflection' 2>/dev/null; then
  python3 -m venv target/grpc && target/grpc/bin/pip install --quiet --requirement tests/grpc/requirements.txt ||
    echo "no python3 with venv and pip, so the test of reflection will be skipped" >&2
fi

cargo build --locked --workspace --bins
export VARVE_BINARY=$PWD/target/debug/varve
log=$(mktemp)
trap 'rm -f "$log"' EXIT
cargo test --locked --workspace 2>&1 | tee "$log"
echo "beside Docker, command by command:"
target/debug/beside docs/docker.md 2>&1 | tee --append "$log"
echo "containerd's ctr, line by line:"
target/debug/ctr docs/ctr.md 2>&1 | tee --append "$log"
echo "containerd's own suites:"
VARVE=target/debug tests/conformance/run.sh 2>&1 | tee --append "$log"
for topology in daemon split; do
  echo "the scenarios again, $topology:"
  VARVE_TOPOLOGY=$topology cargo test --locked --workspace --test pull --test plan --test images --test prune \
    --test check --test why --test complete --test space --test login --test push --test search --test many \
    --test archives --test hostile_archives --test progress --test wrong --test import --test trees --test kill --test run \
    --test faults --test digests --test real_registry --test readers --test tour 2>&1 | tee --append "$log"
done
if [ -n "${CI:-}" ] && grep 'SKIPPED:' "$log"; then
  echo "under CI no test may be skipped" >&2
  exit 1
fi
