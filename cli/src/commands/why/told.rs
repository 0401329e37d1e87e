//! What is told of one place, as lines and as data.

use serde::Serialize;
use varve_core::Timestamp;

use crate::output::{age, size};
use crate::reach::{self, Edge, Keeper, Place};

#[derive(Serialize, Debug)]
pub struct Told {
    #[serde(flatten)]
    noun: Noun,
    /// Bytes on disk.
    size: u64,
    ways: Vec<Way>,
    /// Keepers beside those.
    more: usize,
    /// The next collection takes it.
    pub collected: bool,
}

/// A blob or a snapshot.
#[derive(Serialize, Debug)]
struct Noun {
    kind: &'static str,
    /// A digest, or a key.
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    snapshotter: Option<String>,
}

#[derive(Serialize, Debug)]
struct Way {
    root: Root,
    steps: Vec<Step>,
}

#[derive(Serialize, Debug)]
struct Root {
    kind: &'static str,
    /// None for a place that its own label keeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// When a lease ends, if it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    ends: Option<Timestamp>,
    /// What is done under a lease.
    #[serde(skip_serializing_if = "Option::is_none")]
    work: Option<String>,
}

#[derive(Serialize, Debug)]
struct Step {
    /// A label's key; `target`, `parent`, `snapshot` or `holds` where there is none.
    by: String,
    #[serde(flatten)]
    to: Noun,
}

impl Told {
    pub fn new(place: &Place, size: u64, ways: &[reach::Way], more: usize) -> Self {
        let ways = ways.iter().map(Way::of).collect();
        Self { noun: Noun::of(place), size, ways, more, collected: false }
    }

    pub fn lines(&self) -> Vec<String> {
        let title = format!("{} ({})", self.noun.words(), size::exact(self.size));
        if self.ways.is_empty() {
            let why = match self.collected {
                true => "nothing: the next gc takes it",
                false => {
                    "nothing that is seen from here; a gc leaves it while a snapshotter is away or the \
                     records were rebuilt lately"
                }
            };
            return vec![title, why.to_owned()];
        }
        let now = varve_core::time::now();
        let mut lines = vec![title];
        for way in &self.ways {
            lines.push(way.root.words(now));
            lines.extend(way.steps.iter().enumerate().map(|(depth, step)| step.line(depth)));
        }
        if self.more > 0 {
            lines.push(format!("and {} more", self.more));
        }
        lines
    }
}

impl Noun {
    fn of(place: &Place) -> Self {
        match place.clone() {
            Place::Blob(name) => Self { kind: "blob", name, snapshotter: None },
            Place::Snapshot(by, name) => Self { kind: "snapshot", name, snapshotter: Some(by) },
        }
    }

    fn words(&self) -> String {
        match &self.snapshotter {
            Some(by) => format!("{} {} of {by}", self.kind, self.name),
            None => format!("{} {}", self.kind, self.name),
        }
    }
}

impl Way {
    fn of(way: &reach::Way) -> Self {
        let step = |edge: &&Edge| Step { by: edge.by.clone(), to: Noun::of(&edge.to) };
        Self { root: Root::of(way.keeper), steps: way.steps.iter().map(step).collect() }
    }
}

impl Root {
    fn of(keeper: &Keeper) -> Self {
        let root =
            |kind, name: &String| Self { kind, name: Some(name.clone()), ends: None, work: None };
        match keeper {
            Keeper::Image(name) => root("image", name),
            Keeper::Container(id) => root("container", id),
            Keeper::Mount(dir) => root("mount", dir),
            Keeper::Lease { id, ends, work } => {
                Self { ends: *ends, work: work.clone(), ..root("lease", id) }
            }
            Keeper::Label => Self { kind: "label", name: None, ends: None, work: None },
        }
    }

    fn words(&self, now: Timestamp) -> String {
        let Some(name) = &self.name else { return "itself".into() };
        let work = self.work.as_ref().map(|work| format!(", {work}"));
        let ends = match (self.kind, self.ends) {
            ("lease", Some(end)) => format!(", ends in {}", age::since(now, end).to_lowercase()),
            ("lease", None) => ", without an end".into(),
            _ => String::new(),
        };
        let on = if self.kind == "mount" { " on" } else { "" };
        format!("{}{on} {name}{}{ends}", self.kind, work.unwrap_or_default())
    }
}

impl Step {
    fn line(&self, depth: usize) -> String {
        format!("{}└─ {}: {}", "   ".repeat(depth), self.by, self.to.words())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn told(keeper: &Keeper, edges: &[Edge]) -> Vec<String> {
        let way = reach::Way { keeper, steps: edges.iter().collect() };
        Told::new(&edges[edges.len() - 1].to, 1500, &[way], 2).lines()
    }

    #[test]
    fn a_way_has_a_line_for_each_step_and_a_lease_tells_its_end() {
        let edge = |by: &str, to| Edge { by: by.into(), to };
        let snapshot = Place::Snapshot("native".into(), "k".into());
        let edges = [edge("target", Place::Blob("d".into())), edge("label", snapshot)];
        let image = told(&Keeper::Image("a:1".into()), &edges);
        let want = [
            "snapshot k of native (1.5kB)",
            "image a:1",
            "└─ target: blob d",
            "   └─ label: snapshot k of native",
            "and 2 more",
        ];
        assert_eq!(image, want);
        let ends = varve_core::time::now().checked_add(Duration::from_secs(330)).ok();
        let lease = |ends, work: Option<&str>| {
            let work = work.map(str::to_owned);
            told(&Keeper::Lease { id: "l".into(), ends, work }, &edges)[1].clone()
        };
        assert_eq!(lease(ends, Some("pulling a:1")), "lease l, pulling a:1, ends in 5 minutes");
        assert_eq!(lease(None, None), "lease l, without an end");
        assert_eq!(told(&Keeper::Mount("/mnt".into()), &edges)[1], "mount on /mnt");
    }

    #[test]
    fn what_nothing_keeps_is_the_next_collections() {
        let mut told = Told::new(&Place::Blob("d".into()), 0, &[], 0);
        assert!(told.lines()[1].starts_with("nothing that is seen from here"));
        told.collected = true;
        assert_eq!(told.lines()[1], "nothing: the next gc takes it");
    }
}
