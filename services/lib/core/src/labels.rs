//! Labels: small facts on content, images, leases, snapshots and containers, and the names of those
//! that mean something.

use std::collections::BTreeMap;

use crate::error::{Error, Result};

/// Sorted, so that two equal sets print alike.
pub type Labels = BTreeMap<String, String>;

/// Keeps the noun and all it refers to from collection.
pub const GC_ROOT: &str = "containerd.io/gc.root";
/// Prefix of an edge to a blob: `containerd.io/gc.ref.content[.anything]` = digest.
pub const GC_REF_CONTENT: &str = "containerd.io/gc.ref.content";
/// Prefix of an edge to a snapshot: `containerd.io/gc.ref.snapshot.<snapshotter>[/x]` = key.
pub const GC_REF_SNAPSHOT: &str = "containerd.io/gc.ref.snapshot.";
/// RFC 3339; a lease with it is void from then on.
pub const GC_EXPIRE: &str = "containerd.io/gc.expire";
/// A lease with it keeps what it names, and not what that refers to.
pub const GC_FLAT: &str = "containerd.io/gc.flat";
/// On a layer's blob: the diff id that its bytes were seen to inflate to.
pub const UNCOMPRESSED: &str = "containerd.io/uncompressed";
/// Prefix: `containerd.io/distribution.source.<host>` = repositories, comma-separated.
pub const DISTRIBUTION_SOURCE: &str = "containerd.io/distribution.source.";
/// On a container that was made of an image: the digest of the image's target, as names move.
pub const IMAGE: &str = "varve.image";
/// On a snapshot and a lease made for `varve mount`: the directory it is mounted on.
pub const MOUNT_TARGET: &str = "varve.mount.target";
/// On a snapshot and a lease made for `varve mount`: the boot it was mounted in.
pub const MOUNT_BOOT: &str = "varve.mount.boot-id";

/// Prefix of the name that keeps an image whose last tag has moved away.
pub const DANGLING: &str = "varve.dangling@";

/// Key and value together, in bytes: containerd's limit.
pub const MAX_LABEL: usize = 4096;

/// The labels that tell the repositories of `host` which a blob is in: containerd's clients leave a port out.
pub fn source_keys(host: &str) -> [String; 2] {
    let bare = match host.rsplit_once(':') {
        Some((bare, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => bare,
        _ => host,
    };
    [host, bare].map(|host| format!("{DISTRIBUTION_SOURCE}{host}"))
}

/// The repositories of `host` that a blob is known to be in, by whoever brought or pushed it.
pub fn repositories<'a>(labels: &'a Labels, host: &str) -> Vec<&'a str> {
    let values = source_keys(host).into_iter().filter_map(|key| labels.get(&key));
    let mut all: Vec<&str> = values.flat_map(|value| value.split(',')).collect();
    all.retain(|repository| !repository.is_empty());
    all.sort_unstable();
    all.dedup();
    all
}

/// Refuses a label that is empty or too long.
pub fn check(labels: &Labels) -> Result<()> {
    for (key, value) in labels {
        if key.is_empty() {
            return Err(Error::invalid("label with an empty key"));
        }
        if key.len() + value.len() > MAX_LABEL {
            let start: String = key.chars().take(64).collect();
            return Err(Error::invalid(format!(
                "label {start}: key and value have {} bytes, more than {MAX_LABEL}",
                key.len() + value.len()
            )));
        }
    }
    Ok(())
}

/// Sets what `changes` names and removes what it names with an empty value.
pub fn merge(labels: &mut Labels, changes: &Labels) {
    for (key, value) in changes {
        if value.is_empty() {
            labels.remove(key);
        } else {
            labels.insert(key.clone(), value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_known_with_its_port_and_as_containerd_has_it() {
        let label =
            |host: &str, value: &str| (format!("{DISTRIBUTION_SOURCE}{host}"), value.into());
        let labels = Labels::from([label("h:5000", "a,b"), label("h", "b,c"), label("other", "d")]);
        assert_eq!(repositories(&labels, "h:5000"), ["a", "b", "c"]);
        assert_eq!(repositories(&labels, "h"), ["b", "c"]);
        assert!(repositories(&labels, "h:x").is_empty());
    }

    #[test]
    fn an_empty_value_removes_the_label() {
        let mut labels = Labels::from([("a".into(), "1".into()), ("b".into(), "2".into())]);
        merge(&mut labels, &Labels::from([("a".into(), String::new()), ("c".into(), "3".into())]));
        assert_eq!(labels, Labels::from([("b".into(), "2".into()), ("c".into(), "3".into())]));
    }

    #[test]
    fn a_label_longer_than_containerds_limit_is_refused() {
        assert!(check(&Labels::from([("k".into(), "v".repeat(4095))])).is_ok());
        assert!(check(&Labels::from([("k".into(), "v".repeat(4096))])).is_err());
        assert!(check(&Labels::from([(String::new(), "v".into())])).is_err());
    }
}
