//! A daemon with a directory of its own: both go with this value.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

/// How long one may take to come, and to go.
const PATIENCE: Duration = Duration::from_secs(30);

pub struct Daemon {
    child: Child,
    dir: TempDir,
}

impl Daemon {
    /// Starts what `command` says for a directory, and waits until `answers`.
    pub fn start(
        command: impl FnOnce(&Path) -> Result<Command>,
        answers: impl Fn(&Path) -> bool,
    ) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("engine-").tempdir()?;
        let log = File::create(dir.path().join("log"))?;
        let mut command = command(dir.path())?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().with_context(|| format!("cannot run {command:?}"))?;
        let mut daemon = Self { child, dir };
        let end = Instant::now() + PATIENCE;
        while !answers(daemon.dir()) {
            if daemon.child.try_wait()?.is_some() || Instant::now() > end {
                let log = std::fs::read_to_string(daemon.file("log"))?;
                bail!("{command:?} did not come:\n{log}");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(daemon)
    }

    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.dir().join(name)
    }

    fn ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Some(pid) = Pid::from_raw(self.child.id().cast_signed()) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let end = Instant::now() + PATIENCE;
        while !self.ended() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        unmount_below(self.dir());
    }
}

/// What an engine has left mounted would keep its directory from going.
pub fn unmount_below(dir: &Path) {
    let all = std::fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let targets = all.lines().filter_map(|line| line.split(' ').nth(1));
    let mut below: Vec<&str> =
        targets.filter(|target| Path::new(target).starts_with(dir)).collect();
    below.sort_unstable();
    for target in below.into_iter().rev() {
        let _ = rustix::mount::unmount(target, rustix::mount::UnmountFlags::DETACH);
    }
}
