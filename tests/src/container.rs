//! A registry with an image that runs, and the command; all containers go with it.

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::busybox;
use crate::command::{Varve, text};
use crate::fake::Fake;
use crate::image::Content;
use crate::peers;

/// Where containers can be run.
pub struct Yard {
    registry: Fake,
    pub varve: Varve,
    /// The name of the image.
    pub image: String,
    pub program: Vec<u8>,
}

impl Yard {
    /// With the usual image at the registry, not pulled yet; `None`, told loudly, where containers cannot be run.
    pub fn new(test: &str) -> Result<Option<Self>> {
        if !peers::need_root(test) || !peers::have(&["runc"], test) {
            return Ok(None);
        }
        let Some(program) = busybox::program(test) else { return Ok(None) };
        let (registry, varve) = (Fake::start()?, Varve::new()?);
        let mut yard = Self { registry, varve, image: String::new(), program };
        yard.image = yard.push("box", &busybox::plain(&yard.program));
        Ok(Some(yard))
    }

    /// One more image at the registry.
    pub fn push(&self, name: &str, content: &Content) -> String {
        self.registry.push(&format!("lab/{name}"), "1", content);
        format!("{}/lab/{name}:1", self.registry.address())
    }

    /// `varve WORDS... IMAGE PROGRAM...`, ready to be run.
    pub fn command(&self, words: &[&str], program: &[&str]) -> Command {
        self.varve.command(&[words, &[&self.image], program].concat())
    }

    /// Runs a program and answers its status, output and errors.
    pub fn run(&self, words: &[&str], program: &[&str]) -> Result<Told> {
        let words = [&["run", "--rm"], words].concat();
        Ok(Told::of(self.command(&words, program).output()?))
    }

    /// A container that is left to itself: its id.
    pub fn detached(&self, words: &[&str], program: &[&str]) -> Result<String> {
        let words = [&["run", "--detach"], words, &[&self.image], program].concat();
        Ok(self.varve.run(&words)?.trim().to_owned())
    }

    /// The status of a container, as `inspect` has it.
    pub fn status(&self, container: &str) -> Result<String> {
        let format = "{{.State.Status}} {{.State.ExitCode}}";
        let words = ["inspect", "--type", "container", "--format", format, container];
        Ok(self.varve.run(&words)?.trim().to_owned())
    }

    /// Ids of all containers.
    pub fn all(&self) -> Result<Vec<String>> {
        let said = self.varve.run(&["ps", "--all", "--quiet", "--no-trunc"])?;
        Ok(said.lines().map(str::to_owned).collect())
    }

    /// Mounts below the root.
    pub fn mounts(&self) -> Result<usize> {
        let all = std::fs::read_to_string("/proc/self/mountinfo")?;
        let root = self.varve.root().display().to_string();
        Ok(all.lines().filter(|line| line.contains(&root)).count())
    }
}

impl Drop for Yard {
    fn drop(&mut self) {
        for id in self.all().unwrap_or_default() {
            let _ = self.varve.output(&["rm", "--force", &id]);
        }
    }
}

/// What came of a command.
#[derive(PartialEq, Eq, Debug)]
pub struct Told {
    pub status: Option<i32>,
    pub out: String,
    pub err: String,
}

impl Told {
    pub fn of(output: Output) -> Self {
        let status = output.status.code();
        Self { status, out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// Waits until `holds` does, for as long as half a minute.
pub fn until(what: &str, mut holds: impl FnMut() -> Result<bool>) -> Result<()> {
    let end = Instant::now() + Duration::from_secs(30);
    while !holds()? {
        anyhow::ensure!(Instant::now() < end, "it did not come to be: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
