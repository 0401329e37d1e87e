//! What a load says: its lines, and its JSON.

use serde::Serialize;

use super::Wish;
use super::bring::Brought;
use super::name::{Name, Recorded};
use crate::image::Image;
use crate::pull;
use crate::removal::familiar;

/// What came of one name.
#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Loaded {
    /// As Docker shows it; none where the archive has none.
    pub name: Option<String>,
    #[serde(skip)]
    stored: String,
    /// What the name points to now.
    pub digest: String,
    /// The image's ID: of the platform that is unpacked, or else of the first.
    pub id: String,
    /// Those that are whole.
    pub platforms: Vec<String>,
    /// Where it is unpacked, if it is.
    pub snapshotter: Option<String>,
    pub chain_id: Option<String>,
    /// Whether the name pointed there before.
    pub up_to_date: bool,
    /// The ID of the image that had the name.
    pub renamed: Option<String>,
}

impl Loaded {
    pub fn new(wish: &Wish, brought: &Brought, name: &Name, recorded: Recorded) -> Self {
        let image = &brought.images[brought.unpacked.unwrap_or(0)];
        let unpacked = brought.unpacked.map(|_| image);
        let snapshotter = wish.snapshotter.as_ref().filter(|_| unpacked.is_some());
        Self {
            name: name.shown.clone(),
            stored: name.stored.clone(),
            digest: recorded.target.to_string(),
            id: image.id().to_string(),
            platforms: brought.images.iter().map(|image| image.platform().to_string()).collect(),
            snapshotter: snapshotter.map(|snapshotter| snapshotter.name.clone()),
            chain_id: unpacked.and_then(Image::top).map(|top| top.to_string()),
            up_to_date: recorded.same,
            renamed: recorded.taken_from.map(|id| id.to_string()),
        }
    }

    /// In the words of `docker load`.
    pub fn lines(&self) -> impl Iterator<Item = String> {
        let loaded = match &self.name {
            Some(name) => format!("Loaded image: {name}"),
            None => format!("Loaded image ID: {}", self.id),
        };
        self.renaming().into_iter().chain([loaded])
    }

    /// In those of `docker pull`.
    pub fn lines_of_pull(&self) -> impl Iterator<Item = String> {
        let digest = format!("Digest: {}", self.digest);
        let status = pull::status(self.up_to_date, self.name.as_ref().unwrap_or(&self.stored));
        self.renaming().into_iter().chain([digest, status, self.stored.clone()])
    }

    /// As it is stored.
    pub fn stored(&self) -> &str {
        &self.stored
    }

    /// What is said where a name was another image's.
    fn renaming(&self) -> Option<String> {
        let (name, id) = (familiar(&self.stored), self.renamed.as_ref()?);
        let message = "already exists, renaming the old one with ID";
        Some(format!("The image {name} {message} {id} to empty string"))
    }
}
