//! The image of the quick start: an index of three platforms, three layers each, the lowest shared.

use varve_core::{Descriptor, Platform};

use crate::image::{Content, Family, Packing, platform};
use crate::layer::Layer;

/// An index for amd64, arm64 and arm/v7.
pub fn image() -> Content {
    let mut content = Content::default();
    let children: Vec<(Descriptor, Platform)> = [("amd64", ""), ("arm64", "v8"), ("arm", "v7")]
        .into_iter()
        .map(|(architecture, variant)| {
            let platform = platform("linux", architecture, variant);
            let layers = [base(), program(architecture), settings()];
            let packing = Packing::Gzip;
            (content.image(Family::Oci, packing, &platform, &layers), platform)
        })
        .collect();
    content.index(Family::Oci, &children);
    content
}

fn base() -> Vec<u8> {
    Layer::new()
        .dir("bin/", 0o755)
        .dir("etc/", 0o755)
        .dir("usr/", 0o755)
        .dir("usr/share/", 0o755)
        .dir("tmp/", 0o1777)
        .file("etc/os-release", 0o644, b"NAME=\"Varve demo\"\nID=demo\n")
        .file("etc/motd", 0o644, b"Hello from the lowest layer.\n")
        .symlink("usr/bin", "../bin")
        .finish()
}

fn program(architecture: &str) -> Vec<u8> {
    let script = format!("#!/bin/sh\necho 'built for {architecture}'\n");
    Layer::new()
        .file("bin/hello", 0o755, script.as_bytes())
        .hard_link("bin/hello-again", "bin/hello")
        .dir("usr/share/doc/", 0o755)
        .file("usr/share/doc/hello.txt", 0o644, &b"A line of documentation.\n".repeat(500))
        .finish()
}

/// Replaces a file of the lowest layer and hides another.
fn settings() -> Vec<u8> {
    Layer::new()
        .file("etc/hello.conf", 0o600, b"greeting = \"good day\"\n")
        .whiteout("etc/motd")
        .finish()
}
