//! A mount as containerd's API describes it: what a caller passes to mount(2), in its own mount
//! namespace. Services answer these and never mount for others.

use serde::{Deserialize, Serialize};

/// One step of mounting a snapshot (containerd.types.Mount).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mount {
    /// `bind`, `overlay`, …
    #[serde(rename = "type")]
    pub kind: String,
    /// A path or a device; `overlay` for overlayfs.
    pub source: String,
    /// Below the mount point, usually empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub target: String,
    /// As in fstab: `rw`, `rbind`, `lowerdir=…`.
    pub options: Vec<String>,
}

impl Mount {
    /// A bind mount of a directory, `rw` or `ro`.
    pub fn bind(source: impl Into<String>, mode: &str) -> Self {
        Self {
            kind: "bind".into(),
            source: source.into(),
            target: String::new(),
            options: vec![mode.into(), "rbind".into()],
        }
    }

    /// The value of `name=value` among the options.
    pub fn option(&self, name: &str) -> Option<&str> {
        self.options.iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
    }

    /// The topmost directory that it shows: an overlay's upper one or else its first lower one, a
    /// bind's source.
    pub fn top(&self) -> &str {
        let first = |lowers: &'_ str| lowers.find(':').unwrap_or(lowers.len());
        let lower = || self.option("lowerdir").map(|lowers| &lowers[..first(lowers)]);
        self.option("upperdir").or_else(lower).unwrap_or(&self.source)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_topmost_directory_of_a_mount_is_where_it_is_looked_for() {
        assert_eq!(Mount::bind("/a", "ro").top(), "/a");
        let overlay = |options: &[&str]| Mount {
            kind: "overlay".into(),
            source: "overlay".into(),
            target: String::new(),
            options: options.iter().map(ToString::to_string).collect(),
        };
        assert_eq!(overlay(&["index=off", "lowerdir=/b:/c"]).top(), "/b");
        assert_eq!(overlay(&["lowerdir=/b"]).top(), "/b");
        assert_eq!(overlay(&["upperdir=/u", "lowerdir=/b:/c"]).top(), "/u");
    }
}
