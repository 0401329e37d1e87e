//! `ctr events` beside all else: what it shows of both, topic by topic.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use super::Side;
use crate::command::text;

/// How long an event may take until it is shown.
const SHOWN: Duration = Duration::from_secs(20);

/// Namespaces that come and go so that it is known how far it is.
const MARKS: [&str; 2] = ["probe", "the-end"];

/// Topics, and what each event of one said.
pub type Topics = BTreeMap<String, Vec<String>>;

/// `ctr events` with filters; it ends with this value.
pub struct Told {
    ctr: Child,
    dir: TempDir,
}

impl Told {
    /// Starts it, and waits until it shows what happens.
    pub fn start(side: &Side, filter: &str) -> Result<Self> {
        let dir = tempfile::tempdir()?;
        let mut ctr = side.command(&["events"]);
        if !filter.is_empty() {
            ctr.args(filter.split(' ')).args(MARKS.map(|name| format!("namespace=={name}")));
        }
        ctr.stdout(File::create(dir.path().join("out"))?);
        let ctr = ctr.stderr(File::create(dir.path().join("err"))?).spawn()?;
        let told = Self { ctr, dir };
        let end = Instant::now() + SHOWN;
        // Of its beginning it says nothing: it has begun once it shows what is told again and again.
        while !told.shown("out")?.contains("probe") {
            if Instant::now() > end {
                bail!(
                    "{}: ctr events {filter:?} shows nothing:\n{}",
                    side.name(),
                    told.shown("err")?
                );
            }
            mark(side, MARKS[0])?;
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(told)
    }

    fn shown(&self, name: &str) -> Result<String> {
        Ok(text(&fs::read(self.dir.path().join(name))?))
    }

    /// All that was told until now: topics with what each event said, in its order; under the name `stderr` what ctr
    /// could not read.
    pub fn topics(self, side: &Side) -> Result<Topics> {
        mark(side, MARKS[1])?;
        let end = Instant::now() + SHOWN;
        while !self.shown("out")?.contains("/namespaces/delete {\"name\":\"the-end\"}") {
            if Instant::now() > end {
                bail!("{}: ctr events does not show the end:\n{}", side.name(), self.shown("out")?);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let mut topics = Topics::new();
        for line in side.lines(&self.shown("out")?).iter().filter(|line| !is_mark(line)) {
            let (namespace, event) = event(line).with_context(|| format!("no event: {line}"))?;
            let (topic, what) = event.split_once(' ').unwrap_or((event, ""));
            topics.entry(topic.to_owned()).or_default().push(format!("{namespace} {what}"));
        }
        let unread = side.lines(&self.shown("err")?);
        unread.into_iter().for_each(|line| topics.entry("stderr".into()).or_default().push(line));
        Ok(topics)
    }
}

fn event(line: &str) -> Option<(&str, &str)> {
    line.strip_prefix("<time> ")?.split_once(' ')
}

fn is_mark(line: &str) -> bool {
    MARKS.iter().any(|name| line.contains(&format!("\"{name}\"")))
}

/// Tells something of a namespace of this name.
fn mark(side: &Side, name: &str) -> Result<()> {
    for words in [["namespaces", "create", name], ["namespaces", "rm", name]] {
        let status = side.command(&words).stdout(Stdio::null()).status()?;
        anyhow::ensure!(status.success(), "ctr {words:?}: {status}");
    }
    Ok(())
}

impl Drop for Told {
    fn drop(&mut self) {
        let _ = self.ctr.kill();
        let _ = self.ctr.wait();
    }
}
