//! `ctr PAGE`: the lines of tests/ctr/commands.txt, for containerd and for Varve's daemon; those that differ must be
//! in the table of PAGE, and those in the table must differ. With `--all` every difference is shown.

use anyhow::{Context as _, Result};
use varve_tests::beside::{Said, Tally};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, binary};
use varve_tests::ctr::{self, Side, Told};
use varve_tests::engines::Containerd;
use varve_tests::registry::Registry;
use varve_tests::{busybox, peers};

const SCRIPT: &str = include_str!("../../ctr/commands.txt");
const DRIVERS: [&str; 2] = ["overlayfs", "native"];
/// What `ctr events` is asked for while the lines run, each by a ctr of its own: a filter a word.
const FILTERS: [&str; 5] = [
    "",
    r#"topic=="/images/create""#,
    r#"topic~="/snapshot/.+",namespace==second"#,
    "namespace!=default",
    r#"topic=="/containers/create" topic=="/containers/delete""#,
];

fn main() -> Result<()> {
    let page = std::env::args().nth(1).context("usage: ctr PAGE [--all]")?;
    let all = std::env::args().any(|arg| arg == "--all");
    let tools = ["containerd", "ctr", "docker-registry"];
    if !peers::need_root("ctr") || !peers::have(&tools, "ctr") {
        return Ok(());
    }
    let Some(program) = busybox::program("ctr") else { return Ok(()) };
    let images = ctr::all(&program);
    let registry = Registry::start()?;
    images.iter().try_for_each(|image| registry.push(image.name, "1", &image.content))?;
    let (containerd, varve) = (Containerd::start()?, Varve::over(Topology::Daemon, binary()?)?);
    let sides = [of_containerd(&containerd, &registry)?, of_varve(&varve, &registry)?];
    let names: Vec<_> = images.iter().flat_map(ctr::Named::names).collect();
    let mut tally = Tally::new(&std::fs::read_to_string(page)?, all);
    let told = sides.each_ref().map(|side| FILTERS.map(|filter| Told::start(side, filter)));
    for line in SCRIPT.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let [theirs, ours] = sides.each_ref().map(|side| side.run(line, &names));
        tally.compare(line, (sides[0].name(), &theirs?), &ours?);
    }
    let [theirs, ours] = told;
    for (filter, (theirs, ours)) in FILTERS.into_iter().zip(theirs.into_iter().zip(ours)) {
        events(&mut tally, filter, [theirs?.topics(&sides[0])?, ours?.topics(&sides[1])?]);
    }
    tally.end()
}

/// Topic by topic: `events FILTER TOPIC` stands for each.
fn events(tally: &mut Tally, filter: &str, [theirs, ours]: [ctr::Topics; 2]) {
    let all: std::collections::BTreeSet<_> = theirs.keys().chain(ours.keys()).collect();
    for topic in all {
        let said = |topics: &ctr::Topics| Said {
            status: None,
            out: topics.get(topic).cloned().unwrap_or_default(),
            err: Vec::new(),
        };
        let words = ["events", filter, topic].into_iter().filter(|word| !word.is_empty());
        let command = words.collect::<Vec<_>>().join(" ");
        tally.compare(&command, ("ctr", &said(&theirs)), &said(&ours));
    }
}

fn of_containerd(containerd: &Containerd, registry: &Registry) -> Result<Side> {
    let paths = DRIVERS.map(|driver| (driver, containerd.snapshotter(driver)));
    let drivers = paths.each_ref().map(|(driver, path)| (*driver, path.as_path()));
    Side::new("containerd", &containerd.socket(), registry.address(), drivers)
}

fn of_varve(varve: &Varve, registry: &Registry) -> Result<Side> {
    let paths = DRIVERS.map(|driver| (driver, varve.root().join("snapshotters").join(driver)));
    let drivers = paths.each_ref().map(|(driver, path)| (*driver, path.as_path()));
    Side::new("varve", &varve.root().join("varve.sock"), registry.address(), drivers)
}
