//! How fast layers are laid down. Run in release, with the layers' blobs, bottom first:
//! `VARVE_LAYERS="a b" cargo test --release -p varve-snapshotter --lib -- --ignored --nocapture measure`

use std::fs::File;
use std::io::Read;
use std::time::Instant;

use tempfile::TempDir;

use super::kit::OVERLAY;
use crate::apply::{Compression, Mode, Options, apply};

/// User and system seconds of this process, in hundredths (proc_pid_stat(5)).
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit(')').next().unwrap();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
}

fn compression(path: &str) -> Compression {
    let mut head = [0; 2];
    File::open(path).unwrap().read_exact(&mut head).unwrap();
    match head {
        [0x1f, 0x8b] => Compression::Gzip,
        [0x28, 0xb5] => Compression::Zstd,
        _ => Compression::None,
    }
}

#[test]
#[ignore = "measures; needs VARVE_LAYERS"]
fn measure_layers() {
    let layers = std::env::var("VARVE_LAYERS").expect("VARVE_LAYERS names blobs");
    for (number, blob) in layers.split_whitespace().enumerate() {
        let dir = TempDir::new().unwrap();
        let mode = if number == 0 { Mode::Base } else { OVERLAY };
        let (start, before) = (Instant::now(), cpu());
        let root = File::open(dir.path()).unwrap().into();
        let source = File::open(blob).unwrap();
        let applied = apply(source, compression(blob), root, &Options::new(mode)).unwrap();
        let (took, cpu) = (start.elapsed().as_secs_f64(), cpu() - before);
        let megabytes = applied.stream.uncompressed as f64 / 1e6;
        eprintln!(
            "{} entries, {megabytes:.1} MB in {took:.3} s: {:.0} MB/s, {cpu:.3} CPU s",
            applied.stream.entries,
            megabytes / took
        );
    }
}
