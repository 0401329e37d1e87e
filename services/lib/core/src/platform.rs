//! Platforms: what an image is for, what a host can run, and which of several is the best.
//!
//! The rules are those of containerd's platforms (image-spec, image-index.md, `platform`): names
//! are normalised first, then a wish ranks what is offered ([`Platform::rank`]). Which descriptor of
//! an index to take when none has a platform is the resolver's affair.

use std::fmt;

use serde::{Deserialize, Serialize};

mod host;
mod parse;
mod rank;

/// Operating system and processor, in Go's words (`linux`, `amd64`, `v7`).
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub variant: String,
    #[serde(default, rename = "os.version", skip_serializing_if = "String::is_empty")]
    pub os_version: String,
    #[serde(default, rename = "os.features", skip_serializing_if = "Vec::is_empty")]
    pub os_features: Vec<String>,
}

impl Platform {
    /// An operating system and an architecture, normalised, without anything more.
    pub fn new(os: &str, architecture: &str, variant: &str) -> Self {
        let [os, architecture, variant] = [os, architecture, variant].map(str::to_owned);
        Self { os, architecture, variant, ..Self::default() }.normalized()
    }

    /// The machine that this runs on. Never fails: what cannot be found out is left at its usual
    /// value (on 32-bit arm, `v7`).
    pub fn host() -> Self {
        host::platform()
    }

    /// The same platform in its one canonical spelling: lower case, `arm64` for `aarch64`, `arm/v7`
    /// for `armhf` and for `arm` alone, no variant where it is the usual one (`arm64/v8`,
    /// `amd64/v1`), features sorted and each once.
    pub fn normalized(&self) -> Self {
        let os = match self.os.to_lowercase().as_str() {
            "macos" => "darwin".to_owned(),
            other => other.to_owned(),
        };
        let (architecture, variant) = normalize(&self.architecture, &self.variant);
        let mut os_features = self.os_features.clone();
        os_features.sort();
        os_features.dedup();
        Self { os, architecture, variant, os_version: self.os_version.clone(), os_features }
    }

    /// How well `candidate` suits this wish: lower is better, `None` not at all.
    ///
    /// An arm processor runs its own variant and all below it down to v5, arm64 runs arm after
    /// arm64, amd64 v3 runs v3, v2, v1 (which is the plain one) and then 386. `os.version` must be
    /// equal where both give one (on Windows up to the build), and the candidate may ask for no
    /// `os.features` that the wish lacks. What is `unknown`, or does not say what it is for, is never
    /// chosen: attestations hide in indexes as `unknown/unknown`.
    pub fn rank(&self, candidate: &Platform) -> Option<u32> {
        rank::rank(&self.normalized(), &candidate.normalized())
    }

    /// The number of the candidate that suits this wish best; of equals, the first.
    pub fn choose<'a>(
        &self,
        candidates: impl IntoIterator<Item = (usize, &'a Platform)>,
    ) -> Option<usize> {
        let ranked = |(number, candidate)| Some((self.rank(candidate)?, number));
        candidates.into_iter().filter_map(ranked).min_by_key(|(rank, _)| *rank).map(|(_, n)| n)
    }

    /// Whether what an index says of a manifest (`self`) agrees with what the image's `config` says.
    ///
    /// Operating system and architecture must be the same. Variants disagree only where both give
    /// one, as many configs leave it out. What either does not say cannot disagree.
    pub fn agrees(&self, config: &Platform) -> bool {
        let (index, image) = (self.normalized(), config.normalized());
        let same = |a: &str, b: &str| a.is_empty() || b.is_empty() || a == b;
        // Asked before normalising, which gives `arm` a variant and takes it from `arm64/v8`.
        let both = !self.variant.is_empty() && !config.variant.is_empty();
        same(&index.os, &image.os)
            && same(&index.architecture, &image.architecture)
            && (!both || index.variant == image.variant)
    }
}

/// Architecture and variant in their canonical spelling.
fn normalize(architecture: &str, variant: &str) -> (String, String) {
    let (architecture, variant) = (architecture.to_lowercase(), variant.to_lowercase());
    let (architecture, variant) = match (architecture.as_str(), variant.as_str()) {
        ("i386", _) => ("386", ""),
        ("x86_64" | "x86-64" | "amd64", "v1") => ("amd64", ""),
        ("x86_64" | "x86-64" | "amd64", other) => ("amd64", other),
        ("aarch64" | "arm64", "8" | "v8" | "v8.0") => ("arm64", ""),
        ("aarch64" | "arm64", "v9.0") => ("arm64", "v9"),
        ("aarch64" | "arm64", other) => ("arm64", other),
        ("armhf", _) | ("arm", "" | "7") => ("arm", "v7"),
        ("armel", _) | ("arm", "6") => ("arm", "v6"),
        ("arm", "5") => ("arm", "v5"),
        ("arm", "8") => ("arm", "v8"),
        other => other,
    };
    (architecture.to_owned(), variant.to_owned())
}

impl fmt::Display for Platform {
    /// `linux/arm/v7`; `unknown` where not even the operating system is known.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.os.is_empty() {
            return f.write_str("unknown");
        }
        f.write_str(&self.os)?;
        for part in [&self.architecture, &self.variant] {
            if !part.is_empty() {
                write!(f, "/{part}")?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
