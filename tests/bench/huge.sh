#!/usr/bin/env bash
# huge.sh ADDRESS: puts lab/huge:1 into the registry at ADDRESS (plain http), an image of one layer of 3 GiB
# (3072 files of a MiB, a third of each random), to show that memory does not depend on the size of a layer.
# Needs skopeo and 5 GiB in TMPDIR.
set -euo pipefail
address=${1:?usage: huge.sh ADDRESS}
dir=$(mktemp --directory)
trap 'rm -rf "$dir"' EXIT
blobs=$dir/image/blobs/sha256
mkdir -p "$blobs" "$dir/tree/data"

python3 - "$dir/tree/data" <<'PYTHON'
import os, sys
for n in range(3072):
    with open(f"{sys.argv[1]}/{n:04}", "wb") as file:
        file.write(os.urandom(350 << 10) + bytes((1 << 20) - (350 << 10)))
PYTHON

# keep FILE: moves it to its place, prints digest and size
keep() {
  local digest size
  digest=$(sha256sum "$1" | cut -d' ' -f1) size=$(stat --format %s "$1")
  mv "$1" "$blobs/$digest"
  echo "\"digest\": \"sha256:$digest\", \"size\": $size"
}
mkfifo "$dir/pipe"
sha256sum <"$dir/pipe" >"$dir/diff-id" &
tar --create --directory "$dir/tree" --owner 0 --group 0 . | tee "$dir/pipe" | gzip -1 >"$dir/layer"
wait $!
rm -rf "$dir/tree"
diff_id=sha256:$(cut -d' ' -f1 "$dir/diff-id")
cat >"$dir/config" <<JSON
{"architecture": "amd64", "os": "linux", "rootfs": {"type": "layers", "diff_ids": ["$diff_id"]}, "config": {}}
JSON
oci=application/vnd.oci.image
cat >"$dir/manifest" <<JSON
{"schemaVersion": 2, "mediaType": "$oci.manifest.v1+json",
 "config": {"mediaType": "$oci.config.v1+json", $(keep "$dir/config")},
 "layers": [{"mediaType": "$oci.layer.v1.tar+gzip", $(keep "$dir/layer")}]}
JSON
cat >"$dir/image/index.json" <<JSON
{"schemaVersion": 2, "manifests": [{"mediaType": "$oci.manifest.v1+json", $(keep "$dir/manifest")}]}
JSON
echo '{"imageLayoutVersion": "1.0.0"}' >"$dir/image/oci-layout"
skopeo copy --quiet --dest-tls-verify=false "oci:$dir/image" "docker://$address/lab/huge:1"
