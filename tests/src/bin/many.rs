//! `many [COUNT]…`: how long lists of that many images take, and the removal of one of them, in milliseconds;
//! embedded and against a daemon. Medians of seven, with minimum and maximum.

use std::time::Instant;

use anyhow::{Context as _, Result};
use varve_tests::cluster::Topology;
use varve_tests::command::Varve;
use varve_tests::many::{filled, name};

const RUNS: usize = 7;
const COUNTS: [usize; 4] = [10, 100, 1_000, 10_000];

#[allow(clippy::print_stdout)]
fn main() -> Result<()> {
    let counts: Vec<usize> =
        std::env::args().skip(1).map(|count| count.parse()).collect::<Result<_, _>>()?;
    let counts = if counts.is_empty() { COUNTS.to_vec() } else { counts };
    println!(
        "| images | | `images` first | `images` | `images -q` | `--filter label=` | `rmi` of one |"
    );
    println!("|--:|---|--:|--:|--:|--:|--:|");
    for (topology, named) in [(Topology::Embedded, "embedded"), (Topology::Daemon, "daemon")] {
        for &many in &counts {
            let varve = filled(topology, many)?;
            println!("| {many} | {named} | {} |", row(&varve)?.join(" | "));
        }
    }
    Ok(())
}

fn row(varve: &Varve) -> Result<[String; 5]> {
    // What a list has seen of an image is kept for the next one.
    let first = format!("{:.0}", timed(varve, &["images"])?);
    let list = repeated(varve, |_| vec!["images".into()])?;
    let quiet = repeated(varve, |_| vec!["images".into(), "-q".into()])?;
    let filter = |_| ["images", "--filter", "label=number=7"].map(String::from).to_vec();
    let filtered = repeated(varve, filter)?;
    let removed = repeated(varve, |n| vec!["rmi".into(), name(n)])?;
    Ok([first, list, quiet, filtered, removed])
}

fn repeated(varve: &Varve, words: impl Fn(usize) -> Vec<String>) -> Result<String> {
    let once = |n| {
        let words = words(n);
        timed(varve, &words.iter().map(String::as_str).collect::<Vec<_>>())
    };
    let mut times = (0..RUNS).map(once).collect::<Result<Vec<f64>>>()?;
    times.sort_by(f64::total_cmp);
    let (least, most) = (times[0], times[RUNS - 1]);
    Ok(format!("{:.0} ({least:.0}-{most:.0})", times[RUNS / 2]))
}

/// Milliseconds.
fn timed(varve: &Varve, words: &[&str]) -> Result<f64> {
    let begun = Instant::now();
    varve.run(words).with_context(|| words.join(" "))?;
    Ok(begun.elapsed().as_secs_f64() * 1e3)
}
