//! The unpacked tree of images made on the spot equals what umoci unpacks, entry for entry: every
//! media type, every compression, every odd layer, on both drivers.

#![allow(clippy::unwrap_used, reason = "of tests")]

use varve_tests::command::Varve;
use varve_tests::compare::{umoci_tree, varve_tree};
use varve_tests::image::{Content, Family, Packing, platform};
use varve_tests::odd;
use varve_tests::peers::{have, need_root};
use varve_tests::registry::Registry;
use varve_tests::tree::differences;

fn compare(test: &str, family: Family, packing: Packing, snapshotter: &str) {
    if !need_root(test) || !have(&["docker-registry", "skopeo", "umoci"], test) {
        return;
    }
    let registry = Registry::start().unwrap();
    push(&registry, "odd", family, packing);
    // umoci knows no zstd: there it reads the same layers, compressed with gzip.
    let reference = if packing == Packing::Zstd { "odd-gzip" } else { "odd" };
    if reference != "odd" {
        push(&registry, reference, family, Packing::Gzip);
    }
    let theirs = umoci_tree(registry.address(), &format!("{reference}:1")).unwrap();
    let varve = Varve::new().unwrap();
    let image = format!("{}/odd:1", registry.address());
    let ours = varve_tree(&varve, &image, snapshotter).unwrap();
    let lines = differences(&ours, &theirs);
    assert!(lines.is_empty(), "{} differences:\n{}", lines.len(), lines.join("\n"));
    assert!(ours.len() > 60, "a tree of {} entries is not the one that was made", ours.len());
}

fn push(registry: &Registry, repository: &str, family: Family, packing: Packing) {
    let mut content = Content::default();
    content.image(family, packing, &platform("linux", "amd64", ""), &odd::layers());
    registry.push(repository, "1", &content).unwrap();
}

macro_rules! trees {
    ($($name:ident: $family:ident $packing:ident $snapshotter:literal;)*) => {$(
        #[test]
        fn $name() {
            compare(stringify!($name), Family::$family, Packing::$packing, $snapshotter);
        }
    )*};
}

trees! {
    oci_and_gzip_on_overlayfs: Oci Gzip "overlayfs";
    oci_and_gzip_of_many_members_on_overlayfs: Oci GzipMembers "overlayfs";
    oci_and_zstd_on_overlayfs: Oci Zstd "overlayfs";
    oci_and_plain_tar_on_overlayfs: Oci Plain "overlayfs";
    docker_and_gzip_on_overlayfs: Docker Gzip "overlayfs";
    docker_and_plain_tar_on_overlayfs: Docker Plain "overlayfs";
    oci_and_gzip_on_native: Oci Gzip "native";
    oci_and_zstd_on_native: Oci Zstd "native";
    docker_and_gzip_on_native: Docker Gzip "native";
}
