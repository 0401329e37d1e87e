//! What the tests that kill things share: images whose download takes a while, moments to kill at, and
//! what must be true once the dust has settled.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};

use crate::command::Varve;
use crate::image::{Content, Family, Packing, platform};
use crate::layer::Layer;

/// How long services that were killed may take until they know of one another again.
const SETTLE: Duration = Duration::from_secs(30);

/// Layers of 3 MB that do not compress, and a few hundred small files each; another image for each
/// `seed`.
pub fn image(seed: u64, layers: usize) -> Content {
    image_of(seed, layers, 3 << 20, 300)
}

/// The same with that many bytes that do not compress, and that many small files.
pub fn image_of(seed: u64, layers: usize, bytes: usize, files: usize) -> Content {
    let mut random = Random::new(seed);
    let layers: Vec<_> = (0..layers)
        .map(|n| {
            let mut noise = Vec::with_capacity(bytes);
            while noise.len() < bytes {
                noise.extend_from_slice(&random.next().to_le_bytes());
            }
            let dir = format!("layer-{n}/");
            let layer = Layer::new().dir(&dir, 0o755).file(&format!("{dir}noise"), 0o644, &noise);
            (0..files)
                .fold(layer, |layer, file| layer.file(&format!("{dir}{file}"), 0o644, b"small"))
                .finish()
        })
        .collect();
    let mut content = Content::default();
    content.image(Family::Oci, Packing::Gzip, &platform("linux", "amd64", ""), &layers);
    content
}

/// splitmix64: random enough, and the same on every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    #[expect(clippy::should_implement_trait, reason = "it never ends: no iterator")]
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A moment within `whole`.
    pub fn moment(&mut self, whole: Duration) -> Duration {
        let share = u32::try_from(self.next() >> 40).expect("24 bits");
        whole.mul_f64(f64::from(share) / f64::from(1u32 << 24))
    }
}

/// Collects, and answers what is left that should not be: where `images` of `layers` layers each are
/// here, nothing is but they. Where services were killed it takes a moment until they know of one
/// another again.
pub fn settled(varve: &Varve, images: usize, layers: usize) -> Result<()> {
    let end = Instant::now() + SETTLE;
    loop {
        // It counts every reference anew, too, and fails where they differ.
        varve.run(&["gc"])?;
        match only_images(varve, images, layers) {
            Err(_) if Instant::now() < end => std::thread::sleep(Duration::from_millis(200)),
            found => return found,
        }
    }
}

/// No ingest, no lease, no staged tree, no blob without a record, no snapshot without an image.
fn only_images(varve: &Varve, images: usize, layers: usize) -> Result<()> {
    let count = |args: &[&str]| -> Result<usize> { Ok(list(varve, args)?.len()) };
    ensure!(count(&["content", "active"])? == 0, "an ingest is left");
    let leases = list(varve, &["leases", "ls"])?;
    ensure!(leases.is_empty(), "a lease is left: {leases:?}");
    let snapshots = count(&["snapshots", "ls"])?;
    ensure!(snapshots == images * layers, "{snapshots} snapshots of {images} images");
    let known: BTreeSet<String> = list(varve, &["content", "ls"])?
        .iter()
        .filter_map(|blob| Some(blob["digest"].as_str()?.replace("sha256:", "")))
        .collect();
    // Layers, config, manifest.
    ensure!(known.len() == images * (layers + 2), "{} blobs of {images} images", known.len());
    ensure!(names(&varve.layout().join("blobs/sha256")) == known, "a file without a record");
    ensure!(names(&varve.layout().join("ingest")).is_empty(), "a file of no ingest");
    ensure!(staged(varve.root()).is_empty(), "a staged tree: {:?}", staged(varve.root()));
    Ok(())
}

fn list(varve: &Varve, args: &[&str]) -> Result<Vec<serde_json::Value>> {
    varve.json(args)?.as_array().cloned().context("a list")
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect()
}

/// What is below any snapshotter's `staged` directory.
fn staged(root: &Path) -> Vec<String> {
    let drivers = root.join("snapshotters");
    let below = |driver: &String| names(&drivers.join(driver).join("staged"));
    names(&drivers).iter().flat_map(below).collect()
}
