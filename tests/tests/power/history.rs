//! What happens before the power goes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Result;
use varve_tests::command::{Varve, binary};
use varve_tests::fake::Fake;
use varve_tests::power::{Disk, Log, Moment};
use varve_tests::soak::Random;

use crate::IMAGES;

const SIZE: u64 = 128 << 20;
const STEPS: usize = 12;

/// What a tag adds to the name that it is another one of.
pub const AGAIN: &str = "-again";

/// The names that there are.
pub type Names = BTreeSet<String>;

/// Commands, one after another, on a disk that remembers.
pub struct History {
    log: Arc<Log>,
    /// The moment at which each was answered, and the names since.
    steps: Vec<(Moment, Names)>,
    begun: Moment,
}

impl History {
    /// Any moment since the first command began.
    pub fn moment(&self, random: &mut Random) -> Moment {
        let all = self.log.moment().0 - self.begun.0;
        Moment(self.begun.0 + usize::try_from(random.next() % all as u64).unwrap())
    }

    /// What there may be after a cut: what was answered, or that and the command that was under way.
    pub fn allowed(&self, moment: Moment) -> Vec<Names> {
        let answered = self.steps.iter().filter(|(at, _)| *at <= moment).count();
        let after = |n: usize| match n {
            0 => Names::new(),
            n => self.steps[n - 1].1.clone(),
        };
        vec![after(answered), after((answered + 1).min(self.steps.len()))]
    }

    pub fn cut(&self, moment: Moment, random: &mut Random, image: &Path) -> std::io::Result<()> {
        self.log.cut(moment, random, image)
    }
}

/// Where the root is on the disk that is mounted at `place`.
pub fn root(place: &Path) -> PathBuf {
    place.join("root")
}

/// Makes a history, and unmounts its disk.
pub fn live(seed: u64, registry: &Fake, place: &Path) -> Result<History> {
    let disk = Disk::at(place, SIZE)?;
    let varve = Varve::on(&root(place), binary()?)?;
    let mut random = Random::new(seed);
    let (mut names, mut steps) = (Names::new(), Vec::new());
    let begun = disk.log.moment();
    for _ in 0..STEPS {
        step(&varve, registry, &mut names, &mut random)?;
        steps.push((disk.log.moment(), names.clone()));
    }
    Ok(History { log: disk.log.clone(), steps, begun })
}

fn step(varve: &Varve, registry: &Fake, names: &mut Names, random: &mut Random) -> Result<()> {
    let image = format!("{}/image-{}:1", registry.address(), random.next() % IMAGES);
    let other = format!("{image}{AGAIN}");
    match random.next() % 6 {
        0 if names.contains(&image) => {
            varve.run(&["rmi", &image])?;
            names.remove(&image);
        }
        1 if names.contains(&other) => {
            varve.run(&["rmi", &other])?;
            names.remove(&other);
        }
        2 if names.contains(&image) => {
            varve.run(&["tag", &image, &other])?;
            names.insert(other);
        }
        3 => drop(varve.run(&["gc"])?),
        _ => {
            varve.run(&["pull", "--quiet", &image])?;
            names.insert(image);
        }
    }
    Ok(())
}
