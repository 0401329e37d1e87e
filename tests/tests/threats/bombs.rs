//! What is small on its way and large when it is there.

use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use varve_core::oci::Compression;
use varve_core::{Digest, MediaType};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::image::Content;
use varve_tests::layer::Layer;

use crate::forge::{MANIFEST, Parts, descriptor, with};
use crate::{made, refused};

/// A floor that a debug build reaches soon: 16 MiB.
const FLOOR: &str = "[snapshotter.limits]\nratio_floor = 16777216\n";

/// The head of a file of 100 GiB, and that many zeros: a few mebibytes.
fn bomb(name: &str) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_mode(0o644);
    header.set_size(100 << 30);
    header.set_cksum();
    let frame = zstd::encode_all(std::io::repeat(0).take(1 << 30), 3).unwrap();
    let head = zstd::encode_all(&header.as_bytes()[..], 3).unwrap();
    [head, frame.repeat(100)].concat()
}

fn config(dir: &Path) -> PathBuf {
    let path = dir.join("varve.toml");
    fs::write(&path, FLOOR).unwrap();
    path
}

/// Bytes of all files below a directory, as they lie on the disk.
fn disk(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let sizes = entries.map(|path| match path.symlink_metadata() {
        Ok(about) if about.is_dir() => disk(&path),
        Ok(about) => about.blocks() * 512,
        Err(_) => 0,
    });
    sizes.sum()
}

#[test]
fn a_layer_of_zeros_without_end_is_given_up_when_its_ratio_is_seen() {
    let (registry, dir) = (Fake::start().unwrap(), tempfile::tempdir().unwrap());
    let varve = Varve::over(Topology::Embedded, binary().unwrap()).unwrap();
    let packed = bomb("zeros");
    let parts = Parts::new();
    let layer = descriptor(MediaType::OciLayer(Compression::Zstd).as_str(), &packed);
    let document = with(parts.manifest(), "/layers/0", layer);
    let mut content: Content = parts.under(MANIFEST, document);
    content.blobs.push(packed.clone());
    registry.push("bomb", "1", &content);
    let image = format!("{}/bomb:1", registry.address());
    let (config, file) = (config(dir.path()), dir.path().join("bomb.tar.zst"));
    let (config, name) = (config.to_str().unwrap(), file.to_str().unwrap());
    fs::write(&file, &packed).unwrap();
    let why = "more than the limit of 2000 (snapshotter.limits.ratio)";
    refused(&mut varve.command(&["--config", config, "pull", "--quiet", &image]), why);
    refused(&mut varve.command(&["--config", config, "import", name, "bomb:1"]), why);
    let blob = format!("blobs/sha256/{}", Digest::of(b"zeros").hex());
    fs::write(&file, bomb(&blob)).unwrap();
    refused(&mut varve.command(&["--config", config, "load", "--input", name]), "");
    assert_eq!(made(&varve), [0; 3]);
    let used = disk(varve.root());
    assert!(used < 64 << 20, "{used} bytes are left in the root");
}

/// A decoder that is found in the image would be a stranger's program.
#[test]
fn a_layer_of_xz_is_refused_and_no_decoder_of_the_image_is_asked() {
    let (registry, dir) = (Fake::start().unwrap(), tempfile::tempdir().unwrap());
    let varve = Varve::new().unwrap();
    let proof = dir.path().join("ran");
    let script = format!("#!/bin/sh\ntouch {}\n", proof.display());
    let mut tools = Layer::new().dir("usr/", 0o755).dir("usr/bin/", 0o755);
    for tool in ["xz", "unxz", "unpigz", "pigz", "gzip", "zstd", "tar"] {
        tools = tools.file(&format!("usr/bin/{tool}"), 0o755, script.as_bytes());
    }
    let parts = Parts::of(tools.finish(), 2);
    let xz = [&[0xfd, b'7', b'z', b'X', b'Z', 0][..], &[0; 600]].concat();
    let layers =
        vec![parts.layer(), descriptor("application/vnd.oci.image.layer.v1.tar+gzip", &xz)];
    let document = with(parts.manifest(), "/layers", layers.into());
    let mut content = parts.under(MANIFEST, document);
    content.blobs.push(xz);
    registry.push("xz", "1", &content);
    let image = format!("{}/xz:1", registry.address());
    refused(&mut varve.command(&["pull", "--quiet", &image]), "its bytes are xz");
    assert!(!proof.exists());
    // The layer below it, which is good, may well have come, or a part of it.
    assert_eq!(made(&varve)[0], 0);
}

/// Nothing that reads what strangers wrote starts a program, wherever it would be looked for.
#[test]
fn no_service_starts_a_program() {
    let services = Path::new(env!("CARGO_MANIFEST_DIR")).join("../services");
    let mut seen = 0;
    for service in ["content-store", "snapshotter", "resolver", "fetcher"] {
        for file in sources(&services.join(service).join("src")) {
            let text = fs::read_to_string(&file).unwrap();
            // Tests of its own may run tar to see what it thinks.
            let tested = file.components().any(|part| part.as_os_str() == "tests");
            let code = text.split("#[cfg(test)]").next().unwrap();
            assert!(tested || !code.contains("process::Command"), "{}", file.display());
            seen += 1;
        }
    }
    assert!(seen > 100, "{seen} files");
}

fn sources(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let all = entries.flat_map(|path| if path.is_dir() { sources(&path) } else { vec![path] });
    all.filter(|path| path.extension().is_some_and(|it| it == "rs")).collect()
}
