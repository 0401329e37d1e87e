//! config.json, changed in one place and kept as it is everywhere else: order, numbers and keys that
//! nobody here knows of are not touched.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;
use varve_core::{Error, Result};

use super::named;

/// An object's members, in their order, each as it was written.
#[derive(Default)]
pub(super) struct Members(Vec<(String, Box<RawValue>)>);

impl Members {
    fn get(&self, key: &str) -> Option<&RawValue> {
        self.0.iter().find(|(known, _)| known == key).map(|(_, value)| &**value)
    }

    /// In place of what was there, or at the end.
    fn set(&mut self, key: &str, value: &impl Serialize) -> serde_json::Result<()> {
        let value = serde_json::value::to_raw_value(value)?;
        match self.0.iter_mut().find(|(known, _)| known == key) {
            Some((_, old)) => *old = value,
            None => self.0.push((key.to_owned(), value)),
        }
        Ok(())
    }
}

/// A config that is about to be changed.
pub(super) struct Config {
    path: PathBuf,
    members: Members,
    auths: Members,
}

impl Config {
    /// Reads it; empty where there is none. A link is followed: it is what it leads to that is changed.
    pub(super) fn open(path: &Path) -> Result<Self> {
        let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => b"{}".to_vec(),
            Err(error) => return Err(io(&path)(error)),
        };
        Self::read(path, &bytes)
    }

    fn read(path: PathBuf, bytes: &[u8]) -> Result<Self> {
        let unread = || Error::invalid(format!("docker config {}: cannot be read", path.display()));
        // serde_json's own words may quote a secret.
        let members: Members = match bytes.trim_ascii().is_empty() {
            true => Members::default(),
            false => serde_json::from_slice(bytes).map_err(|_| unread())?,
        };
        let auths = match members.get("auths").map(RawValue::get) {
            None | Some("null") => Members::default(),
            Some(text) => serde_json::from_str(text).map_err(|_| unread())?,
        };
        Ok(Self { path, members, auths })
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Sets the entry `key` of `auths`.
    pub(super) fn set(&mut self, key: &str, entry: &impl Serialize) -> Result<()> {
        self.auths.set(key, entry).map_err(|_| Error::internal("a login that cannot be written"))
    }

    /// Takes every entry out of `auths` that is for `host`, however it is spelled; whether there was
    /// one.
    pub(super) fn remove(&mut self, host: &str) -> bool {
        let before = self.auths.0.len();
        self.auths.0.retain(|(key, _)| named(key) != host);
        self.auths.0.len() < before
    }

    /// Puts it in the old one's place, whole: 0600, and its owner's.
    pub(super) fn save(mut self) -> Result<()> {
        let text = self.text()?;
        replace(&self.path, text.as_bytes()).map_err(io(&self.path))
    }

    fn text(&mut self) -> Result<String> {
        let unwritten = |_| Error::internal("a docker config that cannot be written");
        let auths = RawValue::from_string(text(&self.auths, 1)).map_err(unwritten)?;
        self.members.set("auths", &auths).map_err(unwritten)?;
        Ok(text(&self.members, 0))
    }
}

/// [`Config::open`], [`Config::remove`] and [`Config::save`] without a file; `None` where it cannot be read.
///
/// # Panics
/// Where what can be read cannot be written.
#[cfg(feature = "testsuite")]
pub(crate) fn without(bytes: &[u8], host: &str) -> Option<String> {
    let mut config = Config::read(PathBuf::new(), bytes).ok()?;
    config.remove(host);
    Some(config.text().expect("what was read can be written"))
}

fn io(path: &Path) -> impl Fn(std::io::Error) -> Error {
    move |error| Error::io(format!("docker config {}", path.display()), error)
}

/// Members a line each, `depth` tabs deep, as Docker writes them. Values stand as they were written:
/// those that were read have lines and tabs of their own.
fn text(members: &Members, depth: usize) -> String {
    if members.0.is_empty() {
        return "{}".into();
    }
    let line = |(key, value): &(String, Box<RawValue>)| {
        format!("\n{}{}: {value}", "\t".repeat(depth + 1), serde_json::Value::from(key.as_str()))
    };
    let lines = members.0.iter().map(line).collect::<Vec<_>>().join(",");
    format!("{{{lines}\n{}}}", "\t".repeat(depth))
}

fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("/"));
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = directory.join(format!(".{name}.{}", std::process::id()));
    let written = write(&temporary, path, bytes).and_then(|()| std::fs::rename(&temporary, path));
    if written.is_err() {
        // What is left of it may hold a login.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    File::open(directory)?.sync_all()
}

fn write(temporary: &Path, old: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(temporary)?;
    if let Ok(old) = std::fs::metadata(old) {
        let own = file.metadata()?;
        if (old.uid(), old.gid()) != (own.uid(), own.gid()) {
            fchown(&file, Some(old.uid()), Some(old.gid()))?;
        }
    }
    file.write_all(bytes)?;
    file.sync_all()
}

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Object;
        impl<'de> Visitor<'de> for Object {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Members::default();
                while let Some(member) = map.next_entry()? {
                    members.0.push(member);
                }
                Ok(members)
            }
        }
        from.deserialize_map(Object)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const OLD: &str = "{\n\t\"zeta\": 1.50,\n\t\"auths\": {\n\t\t\"https://h:5000\": {\n\t\t\t\"auth\": \
        \"b2xk\"\n\t\t},\n\t\t\"other\": {}\n\t},\n\t\"alpha\": {\"b\": 1, \"a\": [2, 1e3]}\n}";

    fn changed(old: Option<&str>, change: impl Fn(&mut Config)) -> String {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/config.json");
        if let Some(old) = old {
            std::fs::create_dir(path.parent().unwrap()).unwrap();
            std::fs::write(&path, old).unwrap();
        }
        let mut config = Config::open(&path).unwrap();
        change(&mut config);
        config.save().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
        std::fs::read_to_string(&path).unwrap()
    }

    fn set(config: &mut Config) {
        config.set("new", &serde_json::json!({"auth": "bmV3"})).unwrap();
    }

    #[test]
    fn a_new_config_is_made_with_its_directory() {
        assert_eq!(
            changed(None, set),
            "{\n\t\"auths\": {\n\t\t\"new\": {\"auth\":\"bmV3\"}\n\t}\n}"
        );
    }

    #[test]
    fn what_is_not_changed_stays_to_the_byte() {
        assert_eq!(changed(Some(OLD), |_| {}), OLD);
        let want = OLD.replace("\"other\": {}", "\"other\": {},\n\t\t\"new\": {\"auth\":\"bmV3\"}");
        assert_eq!(changed(Some(OLD), set), want);
    }

    #[test]
    fn a_host_is_forgotten_under_every_spelling() {
        let text = changed(Some(OLD), |config| {
            assert!(config.remove("h:5000"));
            assert!(!config.remove("h:5000"));
        });
        assert!(!text.contains("b2xk") && text.contains("\"other\""), "{text}");
    }

    #[test]
    fn a_link_stays_one_and_what_it_leads_to_is_changed() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("config.json"));
        std::fs::write(&real, "").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        let mut config = Config::open(&link).unwrap();
        set(&mut config);
        config.save().unwrap();
        assert!(link.is_symlink() && std::fs::read_to_string(&real).unwrap().contains("bmV3"));
    }

    #[test]
    fn what_cannot_be_read_is_not_overwritten_and_not_quoted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for bad in ["[]", "{\"auths\": \"hunter2\"}", "{\"auths\": {\"h\": "] {
            std::fs::write(&file, bad).unwrap();
            let error = Config::open(file.path()).err().unwrap().chain();
            assert!(error.contains("cannot be read") && !error.contains("hunter2"), "{error}");
        }
    }
}
