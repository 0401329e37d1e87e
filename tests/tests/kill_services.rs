//! Each of the four processes killed with -9 under ten concurrent pulls, and started again as an init
//! would: every pull ends right after at most one more try, nothing leaks, counts agree.
//!
//! `VARVE_KILL_RUNS` sets how many kills there are (default 8: each process twice).

#![allow(clippy::unwrap_used, reason = "of tests")]

use std::process::{Child, Stdio};
use std::time::Duration;

use varve_registry::testsuite::{Fault, On, Rule};
use varve_tests::cluster::{SERVICES, Topology};
use varve_tests::command::{Varve, binary, text};
use varve_tests::fake::Fake;
use varve_tests::soak::{self, Random};

const LAYERS: usize = 2;
const IMAGES: usize = 5;
const PULLS: usize = 10;
/// About what the pulls take.
const WHOLE: Duration = Duration::from_millis(2500);

#[test]
fn any_of_four_processes_killed_under_ten_pulls_costs_at_most_a_second_try() {
    let runs: usize =
        std::env::var("VARVE_KILL_RUNS").map_or(8, |runs| runs.parse().expect("a count of runs"));
    let registry = Fake::start().unwrap();
    for n in 0..IMAGES {
        registry.push(&format!("image-{n}"), "1", &soak::image(n as u64 + 1, LAYERS));
    }
    // Slow enough that a kill falls into every stage of a download.
    registry.faults([Rule::new(On::Blobs, Fault::Slow(32 << 10, Duration::from_millis(8)))]);
    let mut random = Random::new(7);
    let mut again = 0;
    for run in 0..runs {
        let victim = run % SERVICES.len();
        let mut varve = Varve::over(Topology::Split, binary().unwrap()).unwrap();
        again += killed(&registry, &mut varve, victim, random.moment(WHOLE));
        soak::settled(&varve, IMAGES, LAYERS).unwrap_or_else(|error| {
            panic!("run {run}, {} killed: {error:#}\n{}", SERVICES[victim], varve.cluster().logs())
        });
    }
    eprintln!("{runs} kills under {PULLS} pulls each, {again} pulls needed a second try");
}

/// How many pulls had to be tried again.
fn killed(registry: &Fake, varve: &mut Varve, victim: usize, moment: Duration) -> usize {
    let image = |n: usize| format!("{}/image-{}:1", registry.address(), n % IMAGES);
    let pulls: Vec<Child> = (0..PULLS).map(|n| pull(varve, &image(n))).collect();
    std::thread::sleep(moment);
    let process = &mut varve.cluster().processes()[victim];
    process.kill().unwrap();
    process.start().unwrap();
    let mut failed = Vec::new();
    for (n, pull) in pulls.into_iter().enumerate() {
        if !pull.wait_with_output().unwrap().status.success() {
            failed.push(n);
        }
    }
    varve.wait().unwrap();
    for &n in &failed {
        let output = pull(varve, &image(n)).wait_with_output().unwrap();
        let said = text(&output.stderr);
        assert!(output.status.success(), "{} killed: {said}", SERVICES[victim]);
    }
    failed.len()
}

fn pull(varve: &Varve, image: &str) -> Child {
    let mut command = varve.command(&["pull", "--quiet", image]);
    command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
}
