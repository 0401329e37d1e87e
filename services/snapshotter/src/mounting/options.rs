//! Mount options, from words to what the calls take.

use rustix::mount::MountFlags;
use varve_core::{Error, Mount, Result};

/// A bind mount.
#[derive(Debug)]
pub(super) struct Bind {
    pub source: String,
    pub recursive: bool,
    /// Beyond binding: read-only and the like.
    pub flags: MountFlags,
}

impl Bind {
    pub fn parse(mount: &Mount) -> Result<Self> {
        let mut bind =
            Self { source: mount.source.clone(), recursive: false, flags: MountFlags::empty() };
        for option in &mount.options {
            match (option.as_str(), flag(option)) {
                ("rbind", _) => bind.recursive = true,
                ("bind", _) => {}
                (_, Some(flag)) => bind.flags |= flag,
                _ => return Err(unknown(option)),
            }
        }
        Ok(bind)
    }
}

/// The flag that an option stands for; `rw` and the like stand for none.
pub(super) fn flag(option: &str) -> Option<MountFlags> {
    Some(match option {
        "rw" | "suid" | "dev" | "exec" | "defaults" => MountFlags::empty(),
        "ro" => MountFlags::RDONLY,
        "nosuid" => MountFlags::NOSUID,
        "nodev" => MountFlags::NODEV,
        "noexec" => MountFlags::NOEXEC,
        "noatime" => MountFlags::NOATIME,
        _ => return None,
    })
}

pub(super) fn unknown(option: &str) -> Error {
    Error::invalid(format!("the mount option {option:?} is not supported"))
}

/// Splits a `lowerdir` value at colons that no backslash escapes.
pub(super) fn split_lowers(value: &str) -> Vec<String> {
    let mut lowers = vec![String::new()];
    let mut chars = value.chars();
    while let Some(c) = chars.next() {
        match c {
            ':' => lowers.push(String::new()),
            '\\' => lowers.last_mut().expect("never empty").extend(chars.next()),
            c => lowers.last_mut().expect("never empty").push(c),
        }
    }
    lowers
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lower_directories_are_split_at_bare_colons() {
        assert_eq!(split_lowers("/a:/b"), ["/a", "/b"]);
        assert_eq!(split_lowers(r"/a\:x:/b\\"), ["/a:x", r"/b\"]);
    }

    #[test]
    fn an_option_that_is_not_known_is_refused_rather_than_dropped() {
        let mut mount = Mount::bind("/x", "ro");
        assert!(Bind::parse(&mount).unwrap().flags.contains(MountFlags::RDONLY));
        mount.options.push("shiny".into());
        assert!(Bind::parse(&mount).is_err());
    }
}
