//! `--volume SRC:DST[:ro]`: a directory or a file of the machine, seen in a container.

use std::fs;
use std::path::{Component, Path};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use varve_core::{Error, Result};

/// A bind mount. Both paths are absolute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Volume {
    pub source: String,
    pub target: String,
    pub read_only: bool,
}

impl Volume {
    /// Makes the directory on the machine that a container will see, where there is nothing, as Docker does.
    pub fn prepare(&self) -> Result<()> {
        let source = Path::new(&self.source);
        if source.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs::create_dir_all(source)
            .map_err(|error| Error::io(format!("volume {}", self.source), error))
    }
}

impl FromStr for Volume {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let bad = |why: &str| Error::invalid(format!("volume {text:?}: {why}"));
        let parts: Vec<&str> = text.split(':').collect();
        let (source, target, mode) = match parts[..] {
            [source, target] => (source, target, "rw"),
            [source, target, mode] => (source, target, mode),
            _ => return Err(bad("want SRC:DST or SRC:DST:ro")),
        };
        if !source.starts_with(['/', '.']) {
            return Err(bad(
                "SRC is a path on this machine, /DIR or ./DIR; volumes have no names here",
            ));
        }
        let read_only = match mode {
            "rw" => false,
            "ro" => true,
            _ => return Err(bad("what follows DST is ro or rw")),
        };
        let target_path = Path::new(target);
        let climbs = target_path.components().any(|part| part == Component::ParentDir);
        if !target_path.is_absolute() || climbs || target_path.components().count() < 2 {
            return Err(bad("DST is an absolute path below /"));
        }
        // What is mounted over these is no longer what a runtime protects (CVE-2015-3631).
        if target_path.starts_with("/proc") {
            return Err(bad("nothing is mounted over /proc"));
        }
        let source = std::path::absolute(source).map_err(|error| Error::io(text, error))?;
        let source = source.to_str().ok_or_else(|| bad("SRC must be UTF-8"))?.to_owned();
        Ok(Self { source, target: target.to_owned(), read_only })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volumes_are_written_as_docker_writes_them() {
        let volume: Volume = "/srv/x:/data:ro".parse().unwrap();
        let (source, target) = ("/srv/x".to_owned(), "/data".to_owned());
        assert_eq!(volume, Volume { source, target, read_only: true });
        assert!(!"/srv/x:/data".parse::<Volume>().unwrap().read_only);
        let here = std::env::current_dir().unwrap();
        let volume: Volume = "./x:/data:rw".parse().unwrap();
        assert_eq!(volume.source, here.join("x").to_str().unwrap());
    }

    #[test]
    fn what_is_no_path_or_covers_proc_is_refused() {
        for bad in [
            "name:/data",
            "/x",
            "/x:data",
            "/x:/",
            "/x:/a/../proc",
            "/x:/proc",
            "/x:/proc/sys",
            "/x:/a:rx",
            "/x:/a:ro:z",
            "",
        ] {
            assert!(bad.parse::<Volume>().is_err(), "{bad}");
        }
    }
}
