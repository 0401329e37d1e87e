#!/bin/sh
# split.sh start DIR: Varve's four services in the foreground, for a benchmark. Root, sockets, files and
# logs are below DIR; DIR/client.toml is for the command. Ends with its services at SIGTERM.
# VARVE names the directory of the programs (default target/release).
# A plain shell, because its memory is measured with theirs.
set -eu
[ "${1:-}" = start ] && [ -n "${2:-}" ] || { echo "usage: split.sh start DIR" >&2; exit 2; }
programs=${VARVE:-$(dirname "$0")/../../target/release}
dir=$(realpath "$2")
pids=
stop() {
  # The first that was started, the content store, ends last: the others are its clients.
  for pid in $pids; do
    kill "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
  done
  exit 0
}
trap stop TERM INT

for service in content-store snapshotter resolver fetcher; do
  {
    echo "listen = \"unix://$dir/$service.sock\""
    [ $service = content-store ] || echo "content_store = \"unix://$dir/content-store.sock\""
    case $service in content-store | snapshotter) echo "root = \"$dir/root\"" ;; esac
  } >"$dir/$service.toml"
  echo "$(echo $service | tr - _) = \"unix://$dir/$service.sock\""
done >"$dir/client.toml.new"
mkdir -p "$dir/root"
for service in content-store snapshotter resolver fetcher; do
  VARVE_LOG=warn "$programs/varve-$service" --config "$dir/$service.toml" &
  pids="$! $pids"
done
mv "$dir/client.toml.new" "$dir/client.toml"
# A signal ends the wait, and its trap is run.
wait
