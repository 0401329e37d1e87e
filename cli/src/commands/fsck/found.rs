//! What was found, who needs it, and what became of it.

use std::collections::HashSet;
use std::fmt;

use serde::Serialize;
use varve_core::fsck::{Fault, Finding};
use varve_core::{Digest, Namespace};

use super::needs::Needs;
use crate::output::size;

/// A finding, as it is printed.
#[derive(Serialize, Clone, PartialEq, Eq, Debug)]
pub struct Found {
    #[serde(serialize_with = "word")]
    pub kind: Fault,
    pub noun: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub snapshotter: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Namespace>,
    pub what: String,
    /// Names of images, as Docker shows them.
    pub needed_by: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub done: Option<String>,
    /// Why nothing could be done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub left: Option<String>,
}

fn word<S: serde::Serializer>(fault: &Fault, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(fault)
}

/// All that was found so far.
#[derive(Default)]
pub struct Findings {
    all: Vec<Found>,
}

impl Findings {
    /// What a service tells.
    pub fn take(&mut self, findings: Vec<Finding>, snapshotter: Option<&str>) {
        self.all.extend(findings.into_iter().map(|finding| Found {
            kind: finding.fault,
            noun: finding.noun,
            snapshotter: snapshotter.map(str::to_owned),
            namespace: finding.namespace,
            what: finding.what,
            needed_by: Vec::new(),
            done: finding.done,
            left: None,
        }));
    }

    /// Adds one, unless the same is known.
    pub fn add(&mut self, found: Found) {
        let same = |it: &Found| {
            (it.kind, &it.noun, &it.snapshotter, &it.namespace)
                == (found.kind, &found.noun, &found.snapshotter, &found.namespace)
        };
        if !self.all.iter().any(same) {
            self.all.push(found);
        }
    }

    /// Whether anything was found of it.
    pub fn knows(&self, digest: &Digest) -> bool {
        let noun = digest.to_string();
        self.all.iter().any(|found| found.noun == noun)
    }

    /// Blobs whose bytes are not here as they should be.
    pub fn damaged(&self) -> HashSet<Digest> {
        let blobs = self.all.iter().filter(|found| found.is_blob() && found.done.is_none());
        blobs.filter_map(|found| found.noun.parse().ok()).collect()
    }

    /// Blobs that had no record, and have one again.
    pub fn bereft(&self) -> HashSet<Digest> {
        let bereft = |found: &&Found| {
            matches!(found.kind, Fault::Missing | Fault::NoRecord) && found.done.is_some()
        };
        self.all.iter().filter(bereft).filter_map(|found| found.noun.parse().ok()).collect()
    }

    /// What is still to be done about a blob, as a namespace sees it.
    pub fn of_blob(&mut self, namespace: &Namespace, digest: &Digest) -> Vec<&mut Found> {
        let noun = digest.to_string();
        let all = self.all.iter_mut();
        all.filter(|it| it.is_blob() && it.noun == noun && it.done.is_none() && it.is_of(namespace))
            .collect()
    }

    /// What was found of a snapshot whose tree is gone.
    pub fn of_tree(
        &mut self,
        snapshotter: &str,
        namespace: &Namespace,
        key: &str,
    ) -> Option<&mut Found> {
        self.all.iter_mut().find(|it| {
            matches!(it.kind, Fault::NoTree | Fault::Unsynced | Fault::NoSnapshot | Fault::Differs)
                && it.snapshotter.as_deref() == Some(snapshotter)
                && it.noun == key
                && it.is_of(namespace)
        })
    }

    /// A snapshot that nobody needs any more is missed by nobody.
    pub fn forget(&mut self, snapshotter: &str, namespace: &Namespace, key: &str) {
        self.all.retain(|it| {
            it.kind != Fault::NoSnapshot
                || it.snapshotter.as_deref() != Some(snapshotter)
                || it.noun != key
                || !it.is_of(namespace)
        });
    }

    /// All of them, with who needs each.
    pub fn finish(mut self, needs: &Needs) -> Vec<Found> {
        for found in &mut self.all {
            found.needed_by = needs.of(found.snapshotter.as_deref(), &found.noun);
        }
        self.all
    }
}

impl Found {
    fn is_blob(&self) -> bool {
        matches!(self.kind, Fault::Flipped | Fault::Cut | Fault::NoBytes | Fault::Missing)
    }

    /// Whether it is a namespace's, or everybody's.
    fn is_of(&self, namespace: &Namespace) -> bool {
        self.namespace.as_ref().is_none_or(|of| of == namespace)
    }

    /// It was repaired.
    pub fn settle(&mut self, done: impl Into<String>) {
        self.done = Some(done.into());
        self.left = None;
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.noun)?;
        if let Some(snapshotter) = &self.snapshotter {
            write!(f, " ({snapshotter})")?;
        }
        write!(f, ": {}", self.what)?;
        if !self.needed_by.is_empty() {
            write!(f, "; needed by {}", self.needed_by.join(", "))?;
        }
        match (&self.done, &self.left) {
            (Some(done), _) => write!(f, "; {done}"),
            (None, Some(left)) => write!(f, "; left: {left}"),
            (None, None) => Ok(()),
        }
    }
}

/// All that is printed.
#[derive(Serialize, Default)]
pub struct Report {
    pub blobs: u64,
    /// Bytes.
    pub hashed: u64,
    pub trees: usize,
    pub findings: Vec<Found>,
    /// Those that are too many to be told.
    #[serde(skip_serializing_if = "is_zero")]
    pub more: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

impl Report {
    pub fn new(blobs: u64, hashed: u64, trees: usize, findings: Vec<Found>, more: u64) -> Self {
        Self { blobs, hashed, trees, findings, more }
    }

    fn left(&self) -> u64 {
        self.findings.iter().filter(|found| found.done.is_none()).count() as u64 + self.more
    }

    /// Nothing is damaged any more.
    pub fn is_sound(&self) -> bool {
        self.left() == 0
    }

    pub fn lines(&self, repair: bool) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(ToString::to_string).collect();
        let many = |count: u64, noun: &str| match count {
            1 => format!("1 {noun}"),
            _ => format!("{count} {noun}s"),
        };
        let found = self.findings.len() as u64 + self.more;
        let outcome = match (found, self.left()) {
            (0, _) => "sound".to_owned(),
            (_, 0) => format!("{found} damaged, all repaired"),
            (_, left) if repair => format!("{found} damaged, {left} left"),
            (..) => format!("{found} damaged; `varve fsck --repair` repairs"),
        };
        let (blobs, trees) = (many(self.blobs, "blob"), many(self.trees as u64, "tree"));
        lines.push(format!("{blobs} ({} hashed), {trees}: {outcome}", size::exact(self.hashed)));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(done: Option<&str>, left: Option<&str>) -> Found {
        Found {
            kind: Fault::Cut,
            noun: "sha256:ab".into(),
            snapshotter: None,
            namespace: None,
            what: "its file has 3 bytes, its record 5".into(),
            needed_by: vec!["a:1".into(), "b:2".into()],
            done: done.map(str::to_owned),
            left: left.map(str::to_owned),
        }
    }

    #[test]
    fn a_finding_is_one_line_with_all_that_is_known() {
        let start = "cut sha256:ab: its file has 3 bytes, its record 5; needed by a:1, b:2";
        assert_eq!(found(None, None).to_string(), start);
        assert_eq!(found(Some("fetched"), None).to_string(), format!("{start}; fetched"));
        assert_eq!(found(None, Some("no way")).to_string(), format!("{start}; left: no way"));
    }

    #[test]
    fn the_last_line_says_what_is_left() {
        let last = |findings, repair| {
            let report = Report::new(1, 1500, 2, findings, 0);
            (report.lines(repair).pop().unwrap(), report.is_sound())
        };
        let start = "1 blob (1.5kB hashed), 2 trees: ";
        assert_eq!(last(vec![], false), (format!("{start}sound"), true));
        let repaired = vec![found(Some("fetched"), None)];
        assert_eq!(last(repaired, true), (format!("{start}1 damaged, all repaired"), true));
        let left = vec![found(Some("fetched"), None), found(None, None)];
        assert_eq!(last(left, true), (format!("{start}2 damaged, 1 left"), false));
        let advice = format!("{start}1 damaged; `varve fsck --repair` repairs");
        assert_eq!(last(vec![found(None, None)], false), (advice, false));
    }
}
