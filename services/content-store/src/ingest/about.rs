//! The small file beside an ingest's data: what it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};
use varve_core::{Digest, Error, Namespace, Result, Timestamp};

use super::Ingest;
use crate::layout::at;
use crate::records::values::stamp;

const FORMAT: u32 = 1;

#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct About {
    pub v: u32,
    pub namespace: Namespace,
    #[serde(rename = "ref")]
    pub reference: String,
    #[serde(default)]
    pub total: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected: Option<Digest>,
    #[serde(with = "stamp")]
    pub started_at: Timestamp,
}

impl About {
    pub fn new(namespace: &Namespace, reference: &str) -> Self {
        Self {
            v: FORMAT,
            namespace: namespace.clone(),
            reference: reference.into(),
            total: 0,
            expected: None,
            started_at: varve_core::time::now(),
        }
    }

    pub fn of(ingest: &Ingest) -> Self {
        let aims = ingest.aims();
        Self {
            total: aims.total,
            expected: aims.expected,
            started_at: ingest.started_at,
            ..Self::new(&ingest.namespace, &ingest.reference)
        }
    }

    /// The directory's name: no ref is ever a path.
    pub fn dir_name(namespace: &Namespace, reference: &str) -> String {
        Digest::of(format!("{namespace}\0{reference}").as_bytes()).hex()
    }

    /// Written beside and renamed. Not synced: an ingest that a power cut tears is begun anew.
    pub fn write(&self, dir: &Path) -> Result<()> {
        let path = dir.join("about");
        let internal = |error| Error::internal("an ingest's record").with_source(error);
        let bytes = serde_json::to_vec(self).map_err(internal)?;
        let beside = dir.join("about.tmp");
        fs::write(&beside, bytes).map_err(|error| at(&beside, error))?;
        fs::rename(&beside, &path).map_err(|error| at(&path, error))
    }

    /// Reads the ingest in `dir`; `None` where it is not whole or not where it belongs.
    pub fn read(dir: PathBuf) -> Option<Ingest> {
        let about: Self = serde_json::from_slice(&fs::read(dir.join("about")).ok()?).ok()?;
        let name = Self::dir_name(&about.namespace, &about.reference);
        if about.v != FORMAT || dir.file_name()? != name.as_str() {
            return None;
        }
        let data = fs::symlink_metadata(dir.join("data")).ok();
        let data = data.filter(fs::Metadata::is_file);
        let offset = data.as_ref().map_or(0, fs::Metadata::len);
        let touched = data.and_then(|facts| timestamp(facts.modified().ok()?));
        Some(Ingest::new(&about, dir, offset, touched.unwrap_or(about.started_at)))
    }
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    Timestamp::try_from(time).ok()
}
