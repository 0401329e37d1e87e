//! `crowd [SECONDS]`: a hundred clients of one daemon at once, fifty that pull five images, and fifty that list, mount and
//! remove them. Says how often each was refused and why, and what memory the daemon had; fails on a refusal that a
//! containerd would not give, and on anything that is left afterwards.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use varve_tests::cluster::Topology;
use varve_tests::command::{Varve, text};
use varve_tests::registry::Registry;
use varve_tests::soak::{self, Random};

const PULLERS: usize = 50;
const OTHERS: usize = 50;
const IMAGES: usize = 5;
const LAYERS: usize = 2;
/// Of the daemon's memory, between two looks.
const LOOK: Duration = Duration::from_secs(10);

/// Whoever removes or mounts what others pull and remove at the same moment is told so.
const REFUSALS: [&str; 5] =
    ["No such image", "not found", "is not here", "does not exist", "is in use"];

#[allow(clippy::print_stdout)]
fn main() -> Result<()> {
    let seconds = std::env::args().nth(1).map_or(Ok(300), |text| text.parse())?;
    let registry = Registry::start()?;
    for n in 0..IMAGES {
        registry.push(&format!("image-{n}"), "1", &soak::image(n as u64 + 1, LAYERS))?;
    }
    let mut varve = Varve::over(Topology::Daemon, varve_tests::command::binary()?)?;
    let daemon = varve.cluster().processes()[0].pid().context("a daemon that runs")?;
    let end = Instant::now() + Duration::from_secs(seconds);
    let (tally, mounts) = (Mutex::new(BTreeMap::new()), tempfile::tempdir()?);
    std::thread::scope(|scope| {
        for n in 0..PULLERS + OTHERS {
            let client = Client {
                varve: &varve,
                registry: registry.address(),
                dir: mounts.path().join(n.to_string()),
                random: Random::new(n as u64 + 1),
                tally: &tally,
            };
            scope.spawn(move || client.work(n < PULLERS, end));
        }
        while Instant::now() < end {
            println!("{} KiB of memory", memory(daemon).unwrap_or_default());
            std::thread::sleep(LOOK.min(end.saturating_duration_since(Instant::now())));
        }
    });
    let tally = tally.into_inner().unwrap_or_default();
    tally.iter().for_each(|(what, count)| println!("{count:6} {what}"));
    nothing_left(&varve, mounts.path())?;
    println!("{} KiB of memory, nothing left", memory(daemon)?);
    match tally.keys().find(|what| what.starts_with("UNEXPECTED")) {
        Some(what) => bail!("{what}"),
        None => Ok(()),
    }
}

struct Client<'a> {
    varve: &'a Varve,
    registry: &'a str,
    /// Where it mounts.
    dir: std::path::PathBuf,
    random: Random,
    tally: &'a Mutex<BTreeMap<String, usize>>,
}

impl Client<'_> {
    fn work(mut self, pulls: bool, end: Instant) {
        while Instant::now() < end {
            let n = self.below(IMAGES);
            let image = format!("{}/image-{n}:1", self.registry);
            match (pulls, self.below(4)) {
                (true, _) => drop(self.call("pull", &["pull", "--quiet", &image], &[])),
                (_, 0) => drop(self.call("images", &["images"], &[])),
                (_, 1) => drop(self.call("rmi", &["rmi", &image], &REFUSALS)),
                _ => self.mount(&image),
            }
        }
    }

    fn mount(&self, image: &str) {
        let dir = self.dir.to_string_lossy();
        if std::fs::create_dir_all(&self.dir).is_err()
            || !self.call("mount", &["mount", image, &dir], &REFUSALS)
        {
            return;
        }
        let read = std::fs::read(self.dir.join("layer-1/7"));
        if read.is_ok_and(|bytes| bytes == b"small") {
            self.count("read from a mount".into());
        } else {
            self.count("UNEXPECTED: a mount without its files".into());
        }
        self.call("unmount", &["unmount", &dir], &[]);
    }

    /// Whether it worked; what may go wrong contains one of `refusals`.
    fn call(&self, name: &str, words: &[&str], refusals: &[&str]) -> bool {
        let output = match self.varve.output(words) {
            Ok(output) if output.status.success() => {
                self.count(name.to_owned());
                return true;
            }
            Ok(output) => text(&output.stderr),
            Err(error) => format!("{error:#}"),
        };
        let known = refusals.iter().find(|known| output.contains(**known));
        self.count(match known {
            Some(known) => format!("{name}: {known}"),
            None => format!("UNEXPECTED: {name}: {output}"),
        });
        false
    }

    fn count(&self, what: String) {
        if let Ok(mut tally) = self.tally.lock() {
            *tally.entry(what).or_default() += 1;
        }
    }

    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.random.next() % limit as u64).unwrap_or_default()
    }
}

/// No mount; and once all images are removed, no snapshot, blob, lease or ingest.
fn nothing_left(varve: &Varve, mounts: &Path) -> Result<()> {
    let own = mounts.to_string_lossy();
    let table = std::fs::read_to_string("/proc/self/mounts")?;
    ensure!(!table.contains(&*own), "a mount is left");
    let images = varve.run(&["images", "--format", "{{.Repository}}:{{.Tag}}"])?;
    for image in images.lines() {
        varve.run(&["rmi", image])?;
    }
    soak::settled(varve, 0, LAYERS)
}

/// KiB of memory that are the process's own.
fn memory(pid: u32) -> Result<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().next());
    Ok(number.context("RssAnon in its status")?.parse()?)
}
