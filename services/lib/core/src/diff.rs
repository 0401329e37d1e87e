//! The differ's trait: what containerd's clients unpack with, and make layers with.

use async_trait::async_trait;

use crate::error::{Error, Kind, Result};
use crate::labels::Labels;
use crate::mount::Mount;
use crate::oci::{Compression, Descriptor, MediaType};
use crate::scope::Scope;
use crate::time::Timestamp;

/// Layers to trees and back (containerd.services.diff.v1).
#[async_trait]
pub trait Diff: Send + Sync {
    /// Applies the layer `blob`, which must be in the content store, to what `mounts` describe, and
    /// answers the descriptor of its uncompressed tar (its digest is the diff id). Only the mounts
    /// of a known active snapshot are accepted: another path is InvalidArgument.
    async fn apply(&self, scope: &Scope, blob: &Descriptor, mounts: &[Mount])
    -> Result<Descriptor>;

    /// Makes a layer of what leads from the tree `lower` to the tree `upper`, and answers the
    /// descriptor of its blob, which is in the content store then, labelled with its diff id. The same
    /// two trees make the same bytes. Without mounts the lower tree is empty.
    ///
    /// # Errors
    /// InvalidArgument for other mounts than those of known active snapshots and views;
    /// Unimplemented for a media type that is no layer's; FailedPrecondition where a layer cannot say
    /// what is in the tree; Aborted where the trees change meanwhile; Unavailable while another writer
    /// holds the ingest.
    async fn diff(
        &self,
        scope: &Scope,
        lower: &[Mount],
        upper: &[Mount],
        layer: NewLayer,
    ) -> Result<Descriptor>;
}

/// The layer that is wanted of two trees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewLayer {
    pub media_type: MediaType,
    /// The ref to write it through, which begins anew; empty for one of the differ's own.
    pub ingest: String,
    /// Of the blob, beside its diff id.
    pub labels: Labels,
    /// Files that were modified later are told to be of this time.
    pub latest: Option<Timestamp>,
}

impl Default for NewLayer {
    fn default() -> Self {
        Self {
            media_type: MediaType::OciLayer(Compression::Gzip),
            ingest: String::new(),
            labels: Labels::new(),
            latest: None,
        }
    }
}

impl NewLayer {
    /// What it is to be compressed with; Unimplemented where the media type is no layer's.
    pub fn compression(&self) -> Result<Compression> {
        self.media_type.layer().ok_or_else(|| {
            let message = format!("no layer can be made with the media type {}", self.media_type);
            Error::new(Kind::Unimplemented, message)
        })
    }
}
