//! Files that are not what a command takes them for.

use std::io::Write;
use std::path::Path;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::json;
use varve_core::Digest;
use varve_tests::layer::Layer;

const LAYOUT: &[u8] = br#"{"imageLayoutVersion":"1.0.0"}"#;
const KIND: &str = "application/vnd.oci.image.manifest.v1+json";

/// Writes all of them.
pub fn write(dir: &Path) -> Result<()> {
    let noise: Vec<u8> =
        (0_u32..5000).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let layer = Layer::new().file("a", 0o644, &[b'x'; 3000]).finish();
    let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
    packed.write_all(&noise)?;
    let packed = packed.finish()?;
    let nonsense = br#"{"nonsense":1}"#;
    let (none, found) = (Digest::of(b"nothing"), Digest::of(nonsense));
    let blob = |digest: &Digest| format!("blobs/sha256/{}", digest.hex());
    let files: [(&str, Vec<u8>); 12] = [
        ("empty", Vec::new()),
        ("half.toml", b"content_store = \"unix:///nowhere\"\n".to_vec()),
        ("text", b"hello world\n".repeat(9)),
        ("cut.tar", layer[..1000].to_vec()),
        ("cut.gz", packed[..packed.len() / 2].to_vec()),
        ("noise", noise),
        ("layer.tar", layer),
        ("bad-index.tar", archive(&[("index.json", b"{\"schemaVersion\":2,")])),
        ("no-blob.tar", archive(&[("index.json", &index(&none, 7))])),
        (
            "bad-digest.tar",
            archive(&[("index.json", &index(&none, 7)), (&blob(&none), b"{\"a\":1}")]),
        ),
        (
            "bad-manifest.tar",
            archive(&[("index.json", &index(&found, nonsense.len())), (&blob(&found), nonsense)]),
        ),
        ("no-layout.tar", Layer::new().file("index.json", 0o644, b"{}").finish()),
    ];
    for (name, bytes) in files {
        std::fs::write(dir.join(name), bytes)?;
    }
    Ok(())
}

fn index(digest: &Digest, size: usize) -> Vec<u8> {
    let manifest = json!({"mediaType": KIND, "digest": digest, "size": size});
    json!({"schemaVersion": 2, "manifests": [manifest]}).to_string().into_bytes()
}

fn archive(files: &[(&str, &[u8])]) -> Vec<u8> {
    let begun = Layer::new().file("oci-layout", 0o644, LAYOUT);
    files.iter().fold(begun, |layer, (name, bytes)| layer.file(name, 0o644, bytes)).finish()
}
