#!/usr/bin/env bash
# deploy/README's words for systemd, done for real: the units are verified, a Debian with its own init is
# booted (systemd-nspawn), the programs, files and units are installed in it, and a script in it pulls and
# mounts an image: with one daemon behind its socket, then with four services, each killed once. Root, Debian,
# and the packages systemd-container, mmdebstrap, docker-registry; where one is missing it says SKIPPED.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skip() { echo "SKIPPED: systemd-test: $1" >&2; exit 0; }
[ "$(id -u)" = 0 ] || skip "needs root"
for tool in systemd-nspawn systemd-analyze mmdebstrap docker-registry curl; do
  command -v $tool >/dev/null || skip "$tool is not installed"
done

cargo build --release --locked --workspace --bins
work=$(mktemp --directory --tmpdir varve-systemd-XXXXXX)
registry=
finish() {
  [ -z "$registry" ] || { kill "$registry" && wait "$registry"; } 2>/dev/null || true
  rm -rf --one-file-system "$work"
}
trap finish EXIT
say() { echo "== $*"; }

say "a Debian with systemd"
base=target/systemd/base.tar
[ -s $base ] || { mkdir -p target/systemd && mmdebstrap --quiet --variant=minbase --include=systemd,systemd-sysv bookworm $base; }
tree=$work/tree
mkdir "$tree" && tar --extract --file $base --directory "$tree"

say "the programs, files and units, as deploy/README has it"
install target/release/varve target/release/varve-{content-store,snapshotter,resolver,fetcher} "$tree/usr/local/bin"
install --directory "$tree/etc/varve" && install --mode 0644 deploy/config/*.toml "$tree/etc/varve"
install --mode 0644 deploy/systemd/varve* "$tree/etc/systemd/system"
for unit in "$tree"/etc/systemd/system/varve*; do
  systemd-analyze verify --root "$tree" --man=no "${unit#"$tree"}" 2>&1 | grep -i varve && { echo "$unit: see above" >&2; exit 1; }
done
systemd-analyze security --offline=yes --root "$tree" --no-pager \
  varve.service varve-content-store.service varve-snapshotter.service varve-resolver.service varve-fetcher.service |
  grep 'Overall exposure'

say "a registry with the image of the quick start"
address=127.0.0.1:$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
cat >"$work/registry.yml" <<YML
version: 0.1
log: {level: warn}
storage: {filesystem: {rootdirectory: $work/registry}}
http: {addr: $address}
YML
OTEL_TRACES_EXPORTER=none docker-registry serve "$work/registry.yml" >"$work/registry.log" 2>&1 &
registry=$!
for _ in $(seq 100); do curl --fail --silent "http://$address/v2/" >/dev/null && break; sleep 0.1; done
target/release/push-demo "$address" demo/hello 1

cat >"$tree/test.sh" <<SH
#!/bin/bash
# Runs inside, once the system is up.
set -euxo pipefail
image=$address/demo/hello:1
use() { # the command, with what it is told
  varve "\$@" pull \$image
  varve "\$@" images ls
  varve "\$@" mount \$image /mnt
  grep 'Varve demo' /mnt/etc/os-release
  [ ! -e /mnt/etc/motd ]
  varve "\$@" unmount /mnt
}
killed() { # unit, and the command's arguments: it comes back by itself
  local unit=\$1 before; shift
  before=\$(systemctl show --property MainPID --value \$unit)
  [ "\$before" != 0 ] && kill -9 "\$before"
  for _ in \$(seq 100); do varve "\$@" health && break; sleep 0.1; done
  varve "\$@" health
  [ "\$(systemctl show --property MainPID --value \$unit)" != "\$before" ]
}

systemctl start varve.socket
[ "\$(systemctl is-active varve.service || true)" = inactive ]
use
[ "\$(systemctl is-active varve.service)" = active ]
[ "\$(stat --format %a /var/lib/varve)" = 700 ] && [ "\$(stat --format %a /run/varve/varve.sock)" = 600 ]
killed varve.service
use
systemctl stop varve.socket varve.service

systemctl start varve-{content-store,snapshotter,resolver,fetcher}.socket
use --config /etc/varve/client.toml
for service in content-store snapshotter resolver fetcher; do
  killed varve-\$service.service --config /etc/varve/client.toml
  use --config /etc/varve/client.toml
done
varve --config /etc/varve/client.toml gc
echo passed >/result
SH
chmod +x "$tree/test.sh"
cat >"$tree/etc/systemd/system/test.service" <<'UNIT'
[Unit]
After=multi-user.target
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/test.sh >/log 2>&1; journalctl --no-pager --unit "varve*" >>/log; systemctl poweroff --no-block'
UNIT
mkdir -p "$tree/etc/systemd/system/default.target.wants"
ln -s /etc/systemd/system/test.service "$tree/etc/systemd/system/default.target.wants/test.service"

say "booted"
timeout 300 systemd-nspawn --quiet --directory "$tree" --boot --register=no --keep-unit --console=pipe \
  --machine=varve-test >"$work/console" 2>&1 </dev/null || true
if [ ! -e "$tree/log" ]; then
  tail -20 "$work/console" >&2
  skip "no systemd can be booted here"
fi
grep -v '^+' "$tree/log"
[ "$(cat "$tree/result" 2>/dev/null)" = passed ] || { grep '^+' "$tree/log" | tail -5 >&2; echo "systemd-test: failed" >&2; exit 1; }
say "passed"
