//! Saved images, as `varve load` reads them: an archive that can be read at any place, and the same through a pipe.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use varve_cli::archive::{Format, Input, Intake, Listed, ListedAs, Shelf, list};
use varve_content_store::ContentStore;
use varve_core::collect::Collector;
use varve_core::content::Content;
use varve_core::leases::Leases;
use varve_core::oci::Bounds;
use varve_core::{Labels, Result, Scope};
use varve_snapshotter::apply::Limits;

use crate::shared::{self, Shared};

/// Inputs that share a store: it is opened and closed now and then, too.
const INPUTS: usize = 256;
const LEASE: &str = "load";

static ROOM: Shared<Room> = Shared::new(INPUTS, Room::open, Room::close);

/// The bytes are an archive, the sums of its headers made right. What comes through a pipe is what is read in place,
/// wherever the pipe's way, which sees every byte, refuses nothing; and of what is given up nothing stays.
pub fn archives(data: &[u8]) {
    formats(data);
}

/// As which of three formats images are found in it, both ways: an image layout or what `docker save` writes, the one,
/// the other.
pub fn formats(data: &[u8]) -> [bool; 3] {
    let data = crate::tar::summed(data);
    ROOM.with(|room| room.read(&data, &packed(&data)))
}

/// What is compressed cannot be read at any place: it takes the pipe's way.
fn packed(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::none());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// A store, open, and a place for an archive.
struct Room {
    runtime: Runtime,
    store: Arc<ContentStore>,
    dir: TempDir,
}

impl Room {
    fn open() -> Self {
        let dir = crate::scratch::directory();
        let runtime = shared::runtime();
        let config = varve_content_store::Config::new(dir.path().join("content"));
        let store = runtime.block_on(varve_content_store::open(config));
        Self { runtime, store: store.expect("a new store opens"), dir }
    }

    /// Reads the same archive both ways. Afterwards nothing is left of it.
    fn read(&self, plain: &[u8], packed: &[u8]) -> [bool; 3] {
        let (in_place, pipe) = (self.file("plain", plain), self.file("packed", packed));
        self.runtime.block_on(async {
            let scope = Scope::default();
            self.store.create(&scope, LEASE, &Labels::new()).await.unwrap();
            let leased = scope.leased(LEASE);
            let mut found = [false; 3];
            let formats = [Format::Either, Format::Oci, Format::Docker];
            for (format, found) in formats.into_iter().zip(&mut found) {
                let in_place = self.load(&leased, &in_place, format).await;
                if let Ok(piped) = self.load(&leased, &pipe, format).await {
                    assert_eq!(in_place.unwrap(), piped, "{format:?}");
                    *found = true;
                }
            }
            Leases::delete(&*self.store, &scope, LEASE).await.unwrap();
            self.store.collect(false).await.unwrap();
            let left = Content::list(&*self.store, &scope, &[]).await.unwrap();
            assert!(left.is_empty(), "{left:?}");
            let begun = self.store.list_statuses(&scope, &[]).await.unwrap();
            assert!(begun.is_empty(), "{begun:?}");
            found
        })
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.dir.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    /// Which images there are, all files of them taken in.
    async fn load(&self, scope: &Scope, path: &Path, format: Format) -> Result<Vec<Listed>> {
        let limits = Limits { total_bytes: 1 << 20, entries: 1000, ..Limits::default() };
        let dir = Some(self.dir.path().to_owned());
        let intake = Intake::new(self.store.clone(), scope.clone(), dir, Bounds::default(), limits);
        let shelf = Shelf::open(&Input::Path(path.to_owned()), &intake).await?;
        let listed = list(&shelf, format, &intake).await?;
        for image in &listed {
            let _ = files(image, &shelf, &intake).await;
        }
        Ok(listed)
    }

    fn close(self) {
        self.runtime.block_on(self.store.close()).expect("a store can be closed");
    }
}

/// Takes in what an image names, as far as that can be had.
async fn files(image: &Listed, shelf: &Shelf, intake: &Intake) -> Result<()> {
    let names = match &image.what {
        ListedAs::Item(item) => [&item.config].into_iter().chain(&item.layers).cloned().collect(),
        ListedAs::Target(target) => vec![varve_cli::archive::blob_name(&target.digest)],
    };
    for name in names {
        if let Some(file) = shelf.file(&name)? {
            let digest = intake.file(&file, varve_cli::archive::promised(&name)).await?;
            let info = intake.content().info(intake.scope(), &digest).await;
            assert_eq!(info.unwrap().size, file.size, "{name}");
        }
    }
    Ok(())
}
