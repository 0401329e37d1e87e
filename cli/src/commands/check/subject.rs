//! One image: what must be here of it, and what is wrong.

use std::collections::{BTreeMap, HashSet};

use varve_core::images::Image as Named;
use varve_core::{Descriptor, Digest, Platform};

use super::blobs::Broken;
use super::problem::Problem;
use crate::removal;
use crate::usage::is_dangling;

/// A blob that must be here.
#[derive(Debug)]
pub struct Wanted {
    /// `index`, `manifest`, `config`, `layer`.
    pub kind: &'static str,
    pub digest: Digest,
    pub size: u64,
    /// The one that it was pulled for; none for what all platforms have.
    pub platform: Option<Platform>,
}

/// An image, and what was seen of it.
#[derive(Debug)]
pub struct Subject {
    pub named: Named,
    /// By that name, from a registry.
    pub was_pulled: bool,
    pub wanted: Vec<Wanted>,
    /// Snapshotter and key of each layer that is unpacked.
    pub snapshots: Vec<(String, String)>,
    /// What is wrong though every blob may be right.
    pub problems: Vec<Problem>,
    /// Documents that cannot be read: no problem of their own where a blob is broken.
    pub doubts: Vec<Problem>,
}

/// How the blobs were looked at.
#[derive(Clone, Copy, Debug)]
pub struct Depth {
    pub deep: bool,
    /// What was broken is out of the store.
    pub repaired: bool,
}

impl Subject {
    pub fn new(named: Named, was_pulled: bool) -> Self {
        Self {
            named,
            was_pulled,
            wanted: Vec::new(),
            snapshots: Vec::new(),
            problems: Vec::new(),
            doubts: Vec::new(),
        }
    }

    /// As Docker shows it; the start of its digest where it has no name.
    pub fn name(&self) -> String {
        match is_dangling(&self.named.name) {
            true => self.named.target.digest.short(),
            false => removal::familiar(&self.named.name),
        }
    }

    pub fn want(&mut self, kind: &'static str, blob: &Descriptor, platform: Option<&Platform>) {
        let (digest, size, platform) = (blob.digest, blob.size, platform.cloned());
        self.wanted.push(Wanted { kind, digest, size, platform });
    }

    pub fn problem(&self, what: String, advice: String) -> Problem {
        Problem { image: Some(self.name()), what, advice }
    }

    /// How to bring again what is missing.
    pub fn pull(&self, platform: Option<&Platform>, snapshotter: Option<&str>) -> String {
        if is_dangling(&self.named.name) {
            return format!(
                "it has no name to be pulled by: `varve rmi {}` removes it",
                self.name()
            );
        }
        let other = platform.filter(|platform| Platform::host().rank(platform).is_none());
        let platform = other.map(|it| format!(" --platform {it}")).unwrap_or_default();
        let snapshotter = snapshotter.map(|it| format!(" --snapshotter {it}")).unwrap_or_default();
        let pull = format!("`varve pull{platform}{snapshotter} {}`", self.name());
        match self.was_pulled {
            true => format!("pull it again: {pull}"),
            false => "it came from no registry: load or import it again".into(),
        }
    }

    /// All that is wrong. A blob that several platforms have is told of once.
    pub fn all_problems(&self, broken: &BTreeMap<Digest, Broken>, depth: Depth) -> Vec<Problem> {
        let mut known = HashSet::new();
        let wanted = self.wanted.iter().filter(|wanted| known.insert(wanted.digest));
        let told = |wanted: &Wanted| Some(self.broken(wanted, broken.get(&wanted.digest)?, depth));
        let mut problems: Vec<Problem> = wanted.filter_map(told).collect();
        if problems.is_empty() {
            problems.extend(self.doubts.iter().cloned());
        }
        problems.extend(self.problems.iter().cloned());
        problems
    }

    fn broken(&self, wanted: &Wanted, broken: &Broken, depth: Depth) -> Problem {
        let pull = self.pull(wanted.platform.as_ref(), None);
        let advice = match (broken.is_here, depth) {
            (false, _) => pull,
            (true, Depth { repaired: true, .. }) => format!("it was taken out; {pull}"),
            (true, Depth { deep, .. }) => {
                let deep = if deep { " --deep" } else { "" };
                format!("`varve check{deep} --repair` takes it out; then {pull}")
            }
        };
        self.problem(format!("{} {}: {}", wanted.kind, wanted.digest, broken.what), advice)
    }
}

#[cfg(test)]
mod tests {
    use varve_core::MediaType;

    use super::*;

    fn subject(name: &str) -> Subject {
        let target = Descriptor::new(MediaType::OciManifest, Digest::of(b"m"), 1);
        Subject::new(Named::new(name, target), true)
    }

    #[test]
    fn what_is_missing_is_pulled_again_and_what_is_broken_taken_out_first() {
        let mut subject = subject("docker.io/library/a:1");
        let layer = Descriptor::new(MediaType::OciManifest, Digest::of(b"l"), 1);
        subject.want("layer", &layer, None);
        subject.want("layer", &layer, Some(&Platform::host()));
        subject.doubts.push(subject.problem("doubt".into(), "x".into()));
        let told = |is_here, deep, repaired| {
            let broken = Broken { what: "odd".into(), is_here };
            let broken = BTreeMap::from([(layer.digest, broken)]);
            let told = subject.all_problems(&broken, Depth { deep, repaired });
            told.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let (what, pull) =
            (format!("a:1: layer {}: odd; ", layer.digest), "pull it again: `varve pull a:1`");
        assert_eq!(told(false, false, false), [format!("{what}{pull}")]);
        let first = format!("{what}`varve check --deep --repair` takes it out; then {pull}");
        assert_eq!(told(true, true, false), [first]);
        assert_eq!(told(true, true, true), [format!("{what}it was taken out; {pull}")]);
        let whole = subject.all_problems(&BTreeMap::new(), Depth { deep: true, repaired: false });
        assert_eq!(whole[0].to_string(), "a:1: doubt; x");
    }

    #[test]
    fn another_platform_is_named_and_an_image_without_a_name_cannot_be_pulled() {
        let other: Platform = "linux/s390x".parse().unwrap();
        let named = subject("h:5000/a:1");
        let said = named.pull(Some(&other), Some("native"));
        assert_eq!(
            said,
            "pull it again: `varve pull --platform linux/s390x --snapshotter native h:5000/a:1`"
        );
        let loaded = Subject { was_pulled: false, ..named };
        assert!(loaded.pull(None, None).ends_with("load or import it again"));
        let dangling = subject(&varve_core::images::dangling(&Digest::of(b"m")));
        let said = dangling.pull(None, None);
        assert!(said.contains(&format!("`varve rmi {}`", Digest::of(b"m").short())), "{said}");
    }
}
