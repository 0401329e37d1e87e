//! Archives and layouts whose documents are gigabytes, or links to files of this machine.

use std::fs;
use std::io::Read;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use varve_core::Digest;
use varve_tests::bundle::{Bundle, Small};
use varve_tests::command::Varve;

use crate::{ends, left, refused};

const GIB: u64 = 1 << 30;
/// Kibibytes of address space that a command may have: a document in memory would not fit.
const MEMORY: &str = "ulimit -v 1000000 && exec \"$@\"";

/// The same command, with little memory.
fn frugal(command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", MEMORY, "sh"]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

fn header(name: &str, size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_gnu();
    header.set_path(name).unwrap();
    header.set_size(size);
    header.set_mode(0o644);
    header.set_cksum();
    header.as_bytes().to_vec()
}

/// An archive in which `name` has a gibibyte, packed to kilobytes.
fn packed(name: &str) -> Vec<u8> {
    let zeros = std::io::repeat(0).take(GIB);
    zstd::encode_all(std::io::Cursor::new(header(name, GIB)).chain(zeros), 1).unwrap()
}

/// The same as a file with a hole, in which an image follows.
fn sparse(path: &Path, name: &str) {
    let small = Small::new();
    let rest = Bundle::new().blob(&small.layer).blob(&small.config).blob(&small.manifest);
    let rest = rest.layout(&small.target, "a/b:1").finish();
    let mut file = fs::File::create(path).unwrap();
    std::io::Write::write_all(&mut file, &header(name, GIB)).unwrap();
    std::io::Seek::seek(&mut file, std::io::SeekFrom::Start(512 + GIB)).unwrap();
    std::io::Write::write_all(&mut file, &rest).unwrap();
}

#[test]
fn documents_of_a_gibibyte_are_refused_before_they_are_read() {
    let (varve, dir) = (Varve::new().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("archive.tar");
    let name = file.to_str().unwrap();
    for document in ["index.json", "manifest.json", "oci-layout"] {
        let why = format!("{document}: has 1073741824 bytes, more than 4194304");
        fs::write(&file, packed(document)).unwrap();
        refused(&mut frugal(&varve.command(&["load", "--input", name])), &why);
        let mut piped = frugal(&varve.command(&["load"]));
        refused(piped.stdin(Stdio::from(fs::File::open(&file).unwrap())), &why);
    }
    for document in ["index.json", "manifest.json"] {
        sparse(&file, document);
        let why = if document == "index.json" { "stands twice" } else { "" };
        let told = ends(&mut frugal(&varve.command(&["load", "--input", name])));
        // Where index.json tells of the images, manifest.json is not read at all.
        assert_eq!(told.status, Some(i32::from(!why.is_empty())), "{document}: {}", told.err);
        assert!(told.err.contains(why), "{}", told.err);
    }
    varve.run(&["rmi", "a/b:1"]).unwrap();
    assert_eq!(left(&varve), [0; 5]);
}

#[test]
fn a_layout_whose_parts_are_links_reads_no_file_of_this_machine() {
    let (varve, dir) = (Varve::new().unwrap(), tempfile::tempdir().unwrap());
    let (root, secret) = (dir.path().join("layout"), dir.path().join("secret"));
    let small = Small::new();
    let make = || {
        let _ = fs::remove_dir_all(&root);
        fs::create_dir_all(root.join("blobs/sha256")).unwrap();
        for blob in [&small.layer, &small.config, &small.manifest] {
            fs::write(root.join("blobs/sha256").join(Digest::of(blob).hex()), blob).unwrap();
        }
        let index = serde_json::json!({"schemaVersion": 2, "manifests": [small.target]});
        fs::write(root.join("index.json"), serde_json::to_vec(&index).unwrap()).unwrap();
        fs::write(root.join("oci-layout"), r#"{"imageLayoutVersion": "1.0.0"}"#).unwrap();
        let _ = fs::remove_dir_all(&secret);
        fs::rename(root.join("blobs"), dir.path().join("blobs")).unwrap();
        let _ = fs::remove_dir_all(&secret);
        fs::rename(dir.path().join("blobs"), &secret).unwrap();
        fs::create_dir(root.join("blobs")).unwrap();
    };
    let layout = root.to_str().unwrap();
    // All of blobs, and sha256 alone.
    make();
    fs::remove_dir(root.join("blobs")).unwrap();
    symlink(&secret, root.join("blobs")).unwrap();
    refused(&mut varve.command(&["load", "--input", layout]), "is a symbolic link");
    make();
    symlink(secret.join("sha256"), root.join("blobs/sha256")).unwrap();
    refused(&mut varve.command(&["load", "--input", layout]), "is a symbolic link");
    // Each blob, by a link that stays below the directory, too.
    for blob in [&small.layer, &small.config, &small.manifest] {
        make();
        fs::remove_dir(root.join("blobs")).unwrap();
        fs::rename(&secret, root.join("blobs")).unwrap();
        let path = root.join("blobs/sha256").join(Digest::of(blob).hex());
        fs::rename(&path, root.join("aside")).unwrap();
        symlink("../../aside", &path).unwrap();
        refused(&mut varve.command(&["load", "--input", layout]), "is a symbolic link");
    }
    assert_eq!(left(&varve), [0; 5]);
}

#[test]
fn what_an_archive_takes_a_name_from_is_told_and_stays() {
    let (varve, dir) = (Varve::new().unwrap(), tempfile::tempdir().unwrap());
    let file = dir.path().join("archive.tar");
    let name = file.to_str().unwrap();
    let small = Small::new();
    let mine = Bundle::new().blob(&small.layer).blob(&small.config).blob(&small.manifest);
    fs::write(&file, mine.layout(&small.target, "docker.io/library/nginx:latest").finish())
        .unwrap();
    varve.run(&["load", "--input", name]).unwrap();
    let id = Digest::of(&small.config).to_string();
    let other = crate::forge::Parts::new();
    let manifest = crate::forge::bytes(&other.manifest());
    let target: varve_core::Descriptor =
        serde_json::from_value(crate::forge::descriptor(crate::forge::MANIFEST, &manifest))
            .unwrap();
    let theirs = Bundle::new().blob(&other.tar).blob(&other.config).blob(&manifest);
    fs::write(&file, theirs.layout(&target, "docker.io/library/nginx:latest").finish()).unwrap();
    let told = ends(&mut varve.command(&["load", "--input", name]));
    assert_eq!(told.status, Some(0), "{}", told.err);
    assert!(
        told.err.contains("nginx:latest already exists") && told.err.contains(&id),
        "{}",
        told.err
    );
    varve.run(&["inspect", &id]).unwrap();
}
