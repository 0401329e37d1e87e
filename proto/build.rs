//! Compiles every .proto file below this directory, without protoc: protox parses, tonic generates.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::{env, fs};

use prost::Message;

/// What has a secret in it: src/secrets.rs prints it without.
const SECRETS: [&str; 2] = [".varve.types.Credential", ".varve.types.Basic"];

fn main() -> Result<(), Box<dyn Error>> {
    let mut files = Vec::new();
    for tree in ["containerd", "google", "varve"] {
        println!("cargo:rerun-if-changed={tree}");
        gather(Path::new(tree), &mut files)?;
    }
    files.sort();
    let descriptors = protox::compile(&files, ["."])?;
    let out = PathBuf::from(env::var("OUT_DIR")?);
    // What reflection answers from.
    fs::write(out.join("descriptors.bin"), descriptors.encode_to_vec())?;
    tonic_prost_build::configure()
        .bytes(".")
        .skip_debug(SECRETS)
        .include_file("packages.rs")
        .compile_fds(descriptors)?;
    Ok(())
}

fn gather(dir: &Path, files: &mut Vec<PathBuf>) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(dir)? {
        let path = entry?.path();
        if path.is_dir() {
            gather(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "proto") {
            files.push(path);
        }
    }
    Ok(())
}
