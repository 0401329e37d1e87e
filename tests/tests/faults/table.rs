//! Fault -> what comes of it: survived without a person, or given up with the noun and the reason, within so many
//! requests.

mod answers;
mod bodies;
mod documents;
mod trust;

use varve_core::Kind;
use varve_registry::testsuite::{Fault, On, Rule, TestRegistry};

use super::scene::Scene;

/// What is asked of the registry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ask {
    Pull,
    Tags,
}

pub enum Outcome {
    Survived,
    /// With this kind, and these words in what is said.
    Refused(Kind, &'static [&'static str]),
}

type Rules = fn(&Scene, &TestRegistry, &TestRegistry) -> Vec<Rule>;

pub struct Row {
    pub name: &'static str,
    pub ask: Ask,
    pub rules: Rules,
    pub outcome: Outcome,
    /// Most requests that it may take; without a fault there are seven.
    pub requests: usize,
    /// What is named beside the registry.
    pub noun: &'static str,
    /// Whether it works once the fault is gone.
    pub again: bool,
}

impl Row {
    /// As docs/faults.md has it.
    pub fn line(&self) -> String {
        let outcome = match self.outcome {
            Outcome::Survived => "survived".to_owned(),
            Outcome::Refused(_, says) => format!("given up: “… {} …”", says[0]),
        };
        format!("| {} | {outcome} | {} |", self.name, self.requests)
    }

    fn of(self, ask: Ask) -> Self {
        Self { ask, ..self }
    }

    /// What was pushed in place of the image stays.
    fn for_good(self) -> Self {
        Self { again: false, ..self }
    }
}

fn survived(name: &'static str, requests: usize, rules: Rules) -> Row {
    let (ask, outcome) = (Ask::Pull, Outcome::Survived);
    Row { name, ask, rules, outcome, requests, noun: "sha256:", again: true }
}

fn given_up(
    name: &'static str,
    requests: usize,
    kind: Kind,
    says: &'static [&'static str],
    rules: Rules,
) -> Row {
    Row {
        outcome: Outcome::Refused(kind, says),
        noun: "lab/app",
        ..survived(name, requests, rules)
    }
}

fn layer(scene: &Scene, fault: Fault) -> Rule {
    Rule::new(On::Path(scene.path()), fault)
}

fn status(status: u16, after: Option<&str>) -> Fault {
    Fault::Status(status, after.map(str::to_owned))
}

pub fn rows() -> Vec<Row> {
    [
        bodies::bodies(),
        bodies::ranges(),
        answers::statuses(),
        answers::redirects(),
        trust::tokens(),
        trust::digests(),
        documents::documents(),
        documents::lists(),
    ]
    .into_iter()
    .flatten()
    .collect()
}
