//! What a pull says: its first line, its last ones, and its JSON.

use serde::Serialize;
use varve_core::images::Image as Named;
use varve_core::{Descriptor, Reference};

use super::Wish;
use super::layers::Brought;
use crate::image::Image;

/// The first line; of several platforms each has its own.
pub fn header(wish: &Wish) -> String {
    let header = header_of(&wish.remote.reference);
    match &wish.platform {
        Some(platform) if wish.one_of_several => format!("{header} ({platform})"),
        _ => header,
    }
}

/// `1: Pulling from lab/python`; with a digest Docker names the whole reference.
fn header_of(reference: &Reference) -> String {
    let what = match (reference.digest(), reference.tag()) {
        (None, Some(tag)) => tag.to_owned(),
        _ => reference.to_string(),
    };
    format!("{what}: Pulling from {}", reference.path())
}

/// `Status: Downloaded newer image for alpine:3`.
pub fn status(up_to_date: bool, familiar: &str) -> String {
    let what = match up_to_date {
        true => "Image is up to date for",
        false => "Downloaded newer image for",
    };
    format!("Status: {what} {familiar}")
}

/// What came of a pull.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Pulled {
    /// Canonical.
    pub name: String,
    #[serde(skip)]
    familiar: String,
    /// What the name points to.
    pub digest: String,
    pub media_type: String,
    pub manifest: String,
    /// The image's id: its config's digest.
    pub id: String,
    pub platform: String,
    /// Whether anything was new.
    pub up_to_date: bool,
    /// Bytes of layers that came over the network.
    pub downloaded: u64,
    /// Where it is unpacked, if it is.
    pub snapshotter: Option<String>,
    pub chain_id: Option<String>,
    pub layers: Vec<Layer>,
    #[serde(skip)]
    notices: Vec<String>,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Layer {
    pub digest: String,
    pub size: u64,
    pub diff_id: String,
    pub chain_id: String,
    pub downloaded: u64,
    pub resumed_at: u64,
    /// Whether this pull unpacked it.
    pub unpacked: bool,
}

impl Pulled {
    /// All was here.
    pub fn nothing(wish: &Wish, target: Descriptor, image: Image) -> Self {
        let layers = image.layers.iter().map(|layer| Layer {
            digest: layer.blob.digest.to_string(),
            size: layer.blob.size,
            diff_id: layer.diff_id.to_string(),
            chain_id: layer.chain_id().to_string(),
            downloaded: 0,
            resumed_at: 0,
            unpacked: false,
        });
        let layers = layers.collect();
        Self::of(wish, &target, &image, layers, true)
    }

    /// Up to date is, as with Docker, a name that did not move and nothing that came.
    pub fn new(
        wish: &Wish,
        target: Descriptor,
        image: Image,
        brought: Vec<Brought>,
        before: Option<Named>,
    ) -> Self {
        let same = before.is_some_and(|before| before.target.digest == target.digest);
        let nothing = brought.iter().all(|layer| layer.fetched.reused);
        let notices = brought.iter().flat_map(notices).collect();
        let layers = brought.iter().map(Layer::of).collect();
        Self { notices, ..Self::of(wish, &target, &image, layers, same && nothing) }
    }

    fn of(
        wish: &Wish,
        target: &Descriptor,
        image: &Image,
        layers: Vec<Layer>,
        up_to_date: bool,
    ) -> Self {
        Self {
            name: wish.remote.reference.to_string(),
            familiar: wish.remote.reference.familiar(),
            digest: target.digest.to_string(),
            media_type: target.media_type.to_string(),
            manifest: image.manifest.digest.to_string(),
            id: image.id().to_string(),
            platform: image.platform().to_string(),
            up_to_date,
            downloaded: layers.iter().map(|layer| layer.downloaded).sum(),
            snapshotter: wish.snapshotter.as_ref().map(|snapshotter| snapshotter.name.clone()),
            chain_id: wish.snapshotter.as_ref().and(image.top()).map(|top| top.to_string()),
            layers,
            notices: Vec::new(),
        }
    }

    /// The lines after the layers.
    pub fn lines(&self) -> [String; 3] {
        self.with_status(self.up_to_date)
    }

    /// The same, where others of its name decide whether anything was new.
    pub fn with_status(&self, up_to_date: bool) -> [String; 3] {
        let digest = format!("Digest: {}", self.digest);
        [digest, status(up_to_date, &self.familiar), self.name.clone()]
    }

    /// What could not be set on this machine.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}

impl Layer {
    fn of(brought: &Brought) -> Self {
        Self {
            digest: brought.layer.blob.digest.to_string(),
            size: brought.layer.blob.size,
            diff_id: brought.layer.diff_id.to_string(),
            chain_id: brought.layer.chain_id().to_string(),
            downloaded: brought.fetched.downloaded,
            resumed_at: brought.fetched.resumed_at,
            unpacked: brought.unpacked.as_ref().is_some_and(|unpacked| !unpacked.reused),
        }
    }
}

fn notices(brought: &Brought) -> Vec<String> {
    let id = brought.layer.blob.digest.short();
    let notices = brought.unpacked.iter().flat_map(|unpacked| &unpacked.notices);
    notices.map(|notice| format!("{id}: {notice}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_is_dockers() {
        let header = |name: &str| header_of(&name.parse().unwrap());
        assert_eq!(header("127.0.0.1:5000/lab/python:1"), "1: Pulling from lab/python");
        assert_eq!(header("alpine"), "latest: Pulling from library/alpine");
        let digest = format!("sha256:{}", "ab".repeat(32));
        assert_eq!(
            header(&format!("alpine@{digest}")),
            format!("docker.io/library/alpine@{digest}: Pulling from library/alpine")
        );
    }
}
