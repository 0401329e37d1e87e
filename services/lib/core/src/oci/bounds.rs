//! How much of anything an image may have.

use serde::Deserialize;

use crate::config::within;
use crate::error::{Error, Result};
use crate::oci::MediaType;

/// Largest manifest, index or config that is read where nobody says otherwise, in bytes
/// (distribution-spec asks for 4 MiB).
pub const MAX_DOCUMENT: u64 = 4 << 20;

/// What to do about more than that: no room that is made would help.
pub const LARGE: &str = "no image needs that much; ask who made it, or who runs the registry";

/// The bounds of images: `[images]` of every configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(remote = "Self", default, deny_unknown_fields)]
pub struct Bounds {
    /// Bytes of a manifest, an index or a config.
    pub document: u64,
    /// Layers of one image. Overlayfs stacks 500; Docker stops at 127.
    pub layers: usize,
    /// Children of one index.
    pub children: usize,
    /// Indexes inside one another that are followed. Real images nest none or one.
    pub depth: usize,
    /// Indexes that are read for one choice.
    pub indexes: usize,
    /// Entries of one archive of images: an image of five hundred layers has some two thousand.
    pub entries: usize,
}

crate::checked_when_read!(Bounds);

impl Default for Bounds {
    fn default() -> Self {
        Self {
            document: MAX_DOCUMENT,
            layers: 500,
            children: 1024,
            depth: 4,
            indexes: 64,
            entries: 100_000,
        }
    }
}

impl Bounds {
    /// Refuses values that bound nothing, or all.
    ///
    /// # Errors
    /// InvalidArgument naming the key. A document must fit into one message of the wire.
    pub fn check(&self) -> Result<()> {
        within("document", self.document, 1 << 10, 15 << 20)?;
        within("layers", self.layers, 1, 10_000)?;
        within("children", self.children, 1, 100_000)?;
        within("depth", self.depth, 0, 16)?;
        within("indexes", self.indexes, 1, 10_000)?;
        within("entries", self.entries, 1, 10_000_000)
    }

    /// Refuses a document of `size` bytes that is too large to be read.
    ///
    /// # Errors
    /// ResourceExhausted with both sizes.
    pub fn check_size(&self, size: u64) -> Result<()> {
        let most = self.document;
        if size > most {
            return Err(Error::exhausted(format!("has {size} bytes, more than {most}; {LARGE}")));
        }
        Ok(())
    }

    /// Refuses a name that has more than so many indexes and manifests below it, each as often as it is listed.
    ///
    /// # Errors
    /// ResourceExhausted with the bound.
    pub fn check_documents(&self, seen: usize) -> Result<()> {
        let most = self.indexes + self.children;
        if seen > most {
            let what = "indexes and manifests below it";
            return Err(Error::exhausted(format!("has more than {most} {what}")));
        }
        Ok(())
    }

    pub(super) fn check_layers(&self, of: &MediaType, len: usize) -> Result<()> {
        limit(of, "layers", len, self.layers)
    }

    pub(super) fn check_children(&self, of: &MediaType, len: usize) -> Result<()> {
        limit(of, "manifests", len, self.children)
    }
}

fn limit(of: &MediaType, what: &str, len: usize, max: usize) -> Result<()> {
    if len > max {
        return Err(Error::exhausted(format!("{of}: {len} {what}, more than {max}")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_out_has_its_default_and_what_bounds_nothing_is_refused() {
        let read = |text: &str| serde_json::from_str::<Bounds>(text);
        assert_eq!(read("{}").unwrap(), Bounds::default());
        assert_eq!(read(r#"{"layers": 3}"#).unwrap(), Bounds { layers: 3, ..Bounds::default() });
        for (bad, why) in [
            (r#"{"document": 0}"#, "document is 0, and must be from 1024 to 15728640"),
            (r#"{"layers": 0}"#, "layers is 0"),
            (r#"{"indexes": 1000000}"#, "indexes is 1000000"),
            (r#"{"layer": 1}"#, "unknown field"),
            (r#"{"children": -1}"#, "invalid value"),
        ] {
            let error = read(bad).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
    }
}
