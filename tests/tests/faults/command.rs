//! The main faults once more through `varve pull`, where the services are as the environment says: what is said to a
//! person has the noun, the reason and the next step, in one line; and what is left serves the next try.

use std::path::Path;
use std::sync::Arc;

use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use varve_registry::testsuite::TestRegistry;
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};

use super::BUSY;
use super::pipeline::check_blobs;
use super::scene::Scene;
use super::table::{self, Outcome, Row};

/// The limits of the table, in a file.
const LIMITS: &str =
    "stall = 0.5\ndocument = 1.0\npatience = 20.0\nbackoff = 0.005\nbackoff_max = 0.02\n";

/// Roots at once: what takes time is waiting.
const AT_ONCE: usize = 4;

const FAULTS: [&str; 12] = [
    "a layer is cut off after n bytes, five times",
    "a layer is cut off after n bytes, each time",
    "a body stalls, each time",
    "a layer has other bytes, each time",
    "a body has no end",
    "429 with a Retry-After beyond all patience",
    "502, each time, from the start",
    "a redirect leads in a circle",
    "a token ends in the middle, without invalid_token",
    "HEAD has a second Docker-Content-Digest",
    "indexes in one another, 200 deep",
    "a manifest of 64 MiB",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_person_is_told_what_failed_why_and_what_to_do_and_pulls_again() {
    let rows = table::rows().into_iter().filter(|row| FAULTS.contains(&row.name));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut all = JoinSet::new();
    for row in rows {
        let places = places.clone();
        all.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            pull(&row).await.err().map(|why| format!("{}: {why}", row.name))
        });
    }
    assert_eq!(all.len(), FAULTS.len(), "all are in the table");
    let wrong: Vec<String> = all.join_all().await.into_iter().flatten().collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn pull(row: &Row) -> Result<(), String> {
    let (registry, other) = (TestRegistry::start().await, TestRegistry::start().await);
    let scene = Scene::stock(&registry, &other);
    registry.faults((row.rules)(&scene, &registry, &other));
    let image = registry.reference(super::scene::REPO, "1");
    let topology = Topology::from_env().unwrap();
    let person = tokio::task::spawn_blocking(move || {
        let varve = Varve::talking(topology, binary().unwrap(), LIMITS).unwrap();
        Person { varve, image }
    });
    let mut person = person.await.unwrap();
    let output;
    (person, output) = person.pull().await;
    judge(row, &output, registry.address())?;
    let asked = registry.requests().len() + other.requests().len();
    if asked > row.requests + BUSY {
        return Err(format!("{asked} requests, more than {}", row.requests));
    }
    person = person.check_left(row).await?;
    if row.again {
        registry.faults([]);
        let (person, output) = person.pull().await;
        if output.0 != Some(0) {
            return Err(format!("not even then: {}", output.1));
        }
        person.check_nothing_left().await?;
    }
    Ok(())
}

fn judge(row: &Row, (code, told): &(Option<i32>, String), address: &str) -> Result<(), String> {
    let (expected, says) = match row.outcome {
        Outcome::Survived => (Some(0), &[][..]),
        Outcome::Refused(_, says) => (Some(1), says),
    };
    let missing: Vec<_> = says.iter().filter(|word| !told.contains(**word)).collect();
    if *code != expected || !missing.is_empty() {
        return Err(format!("{code:?}, without {missing:?}: {told}"));
    }
    if matches!(row.outcome, Outcome::Survived) {
        return Ok(());
    }
    let step = [";", " again"].iter().any(|word| told.contains(word));
    let lines = told.lines().filter(|line| line.starts_with("varve: ")).count();
    match lines == 1 && step && told.contains(address) && told.contains("lab/app") {
        true => Ok(()),
        false => Err(format!("no noun, no next step, or more than a line: {told}")),
    }
}

struct Person {
    varve: Varve,
    image: String,
}

impl Person {
    /// Its exit status and what it said.
    async fn pull(self) -> (Self, (Option<i32>, String)) {
        let pulled = tokio::task::spawn_blocking(move || {
            let args = ["pull", "-q", "--platform", "linux/amd64", &self.image];
            let output = self.varve.output(&args).unwrap();
            let told = varve_tests::command::text(&output.stderr);
            (self, (output.status.code(), told))
        });
        pulled.await.unwrap()
    }

    /// What a failure leaves: verified blobs, ingests that go on, a lease that ends; no image.
    async fn check_left(self, row: &Row) -> Result<Self, String> {
        let survived = matches!(row.outcome, Outcome::Survived);
        let checked = tokio::task::spawn_blocking(move || {
            let list = |what: &[&str]| self.varve.json(what).unwrap().as_array().unwrap().clone();
            check_blobs(&self.varve.layout())?;
            let images = list(&["images", "ls"]).len();
            if images != usize::from(survived) {
                return Err(format!("{images} images are left"));
            }
            for lease in list(&["leases", "ls"]) {
                let labels = lease["labels"].to_string();
                if survived || !labels.contains("containerd.io/gc.expire") {
                    return Err(format!("a lease is left: {lease}"));
                }
            }
            Ok(self)
        });
        checked.await.unwrap()
    }

    async fn check_nothing_left(self) -> Result<(), String> {
        let checked = tokio::task::spawn_blocking(move || {
            for what in [["content", "active"], ["leases", "ls"]] {
                let left = self.varve.json(&what).unwrap();
                if !left.as_array().unwrap().is_empty() {
                    return Err(format!("{what:?}: {left}"));
                }
            }
            check_blobs(Path::new(&self.varve.layout()))
        });
        checked.await.unwrap()
    }
}
