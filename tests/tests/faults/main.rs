//! Registries that do everything wrong: each fault on the way through resolver, fetcher and content store, and
//! the main ones through the command; and what threatens credentials and the network around a registry.
//!
//! The table is `table`; docs/faults.md has it for people, and is held to it.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod command;
mod network;
mod pipeline;
mod random;
mod scene;
mod table;

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use varve_tests::cluster::Topology;

use pipeline::House;
use table::{Outcome, Row};

/// No fault may hold up a pull for longer, with limits as short as these: those of minutes are
/// configured.
const LONGEST: Duration = Duration::from_secs(40);
/// On a busy machine even what is good takes longer than the half second of a stall now and then, and is asked for
/// once more.
const BUSY: usize = 4;
/// Faults at once: what takes time is waiting.
const AT_ONCE: usize = 6;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_survived_or_given_up_within_its_limits_and_leaves_nothing() {
    // The services are here, wherever those of the command are.
    if Topology::from_env().unwrap() != Topology::Embedded {
        return;
    }
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let mut all = JoinSet::new();
    for row in table::rows() {
        let places = places.clone();
        all.spawn(async move {
            let _place = places.acquire_owned().await.unwrap();
            judge(&row).await.err().map(|wrong| format!("{}: {wrong}", row.name))
        });
    }
    let mut wrong: Vec<String> = all.join_all().await.into_iter().flatten().collect();
    wrong.sort();
    assert!(wrong.is_empty(), "{} faults:\n{}", wrong.len(), wrong.join("\n"));
}

/// Runs one fault; says what is not as it should be.
async fn judge(row: &Row) -> Result<(), String> {
    let house = House::open().await;
    house.set(row);
    let began = Instant::now();
    let outcome = house.ask(row.ask).await;
    let took = began.elapsed();
    let asked = house.asked();
    match (&row.outcome, outcome) {
        (Outcome::Survived, Ok(())) => {}
        (Outcome::Survived, Err(error)) => {
            return Err(format!("not survived: {}", error.chain()));
        }
        (Outcome::Refused(..), Ok(())) => return Err("survived".into()),
        (Outcome::Refused(kind, says), Err(error)) => {
            let told = error.chain();
            let named = house.registry.address();
            let words = says.iter().copied().chain([named, row.noun]);
            let missing: Vec<_> = words.filter(|word| !told.contains(word)).collect();
            if error.kind() != *kind || !missing.is_empty() {
                return Err(format!("{:?}, without {missing:?}: {told}", error.kind()));
            }
        }
    }
    if asked > row.requests + BUSY {
        return Err(format!("{asked} requests, more than {}", row.requests));
    }
    if took > LONGEST {
        return Err(format!("took {took:?}"));
    }
    house.check_what_is_left(row).await
}

#[test]
fn the_table_for_people_says_what_is_tested() {
    let page = include_str!("../../../docs/faults.md");
    let mut missing = String::new();
    for row in table::rows() {
        let line = row.line();
        if !page.contains(&line) {
            writeln!(missing, "{line}").unwrap();
        }
    }
    assert!(missing.is_empty(), "docs/faults.md lacks:\n{missing}");
    let told = |line: &&str| line.contains("| survived |") || line.contains("| given up: ");
    let lines = page.lines().filter(told).count();
    assert_eq!(lines, table::rows().len(), "docs/faults.md has lines of its own");
}
