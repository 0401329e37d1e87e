//! Where a pull comes from: a registry, or what skopeo and Podman call by the same words, a layout or an archive.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use varve_core::{Error, Reference, Result};

use crate::archive::{Format, Input};
use crate::load::Pick;

/// What the argument of a pull means.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// A name, and whether its tag is the default.
    Registry(Reference, bool),
    Archive(Archive),
}

/// An image of a file or a directory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Archive {
    pub path: PathBuf,
    pub format: Format,
    /// What it is called there, where it is not the only one.
    pub name: Option<String>,
}

/// `oci:DIR[:NAME]` and its like.
const WORDS: [(&str, Format); 3] =
    [("oci:", Format::Oci), ("oci-archive:", Format::Oci), ("docker-archive:", Format::Docker)];

impl FromStr for Origin {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let mut words = WORDS.iter();
        let found = words.find_map(|(word, format)| Some((text.strip_prefix(word)?, *format)));
        let Some((rest, format)) = found else {
            let (reference, defaulted) = Reference::parse_with_default(text)?;
            return Ok(Self::Registry(reference, defaulted));
        };
        let (path, name) = split(rest);
        if path.is_empty() {
            return Err(Error::invalid(format!("{text:?}: names no file")));
        }
        let name = name.filter(|name| !name.is_empty()).map(str::to_owned);
        Ok(Self::Archive(Archive { path: path.into(), format, name }))
    }
}

/// The path ends at the first colon behind which, as far as one can see, no path goes on.
fn split(text: &str) -> (&str, Option<&str>) {
    let colons = || text.match_indices(':').map(|(at, _)| at);
    let exists = |path: &str| Path::new(path).exists();
    if exists(text) {
        return (text, None);
    }
    let end = colons().find(|at| exists(&text[..*at])).or_else(|| colons().next());
    end.map_or((text, None), |end| (&text[..end], Some(&text[end + 1..])))
}

impl Archive {
    pub fn input(&self) -> Input {
        Input::Path(self.path.clone())
    }

    pub fn pick(&self) -> Pick {
        self.name.clone().map_or(Pick::Only, Pick::Called)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_words_lead_to_files_and_all_else_to_a_registry() {
        let dir = tempfile::tempdir().unwrap();
        let odd = dir.path().join("a:b");
        std::fs::create_dir(&odd).unwrap();
        let parsed = |text: &str| match text.parse().unwrap() {
            Origin::Archive(Archive { path, name, .. }) => (path, name),
            Origin::Registry(reference, _) => (reference.to_string().into(), None),
        };
        let name = "127.0.0.1:5000/a:1".to_owned();
        let text = format!("oci:{}:{name}", odd.display());
        assert_eq!(parsed(&text), (odd.clone(), Some(name)));
        assert_eq!(parsed(&format!("oci:{}", odd.display())), (odd, None));
        assert_eq!(parsed("oci-archive:no.tar:1"), ("no.tar".into(), Some("1".into())));
        assert_eq!(parsed("ocix:1"), ("docker.io/library/ocix:1".into(), None));
        assert!("docker-archive:".parse::<Origin>().is_err());
    }
}
