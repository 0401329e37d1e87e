//! Where the services run while a scenario does: in the command itself, in one daemon, or in four
//! processes. `VARVE_TOPOLOGY` chooses, so that every scenario runs over each, unchanged.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

/// How long processes may take until they answer.
const START: Duration = Duration::from_secs(30);
/// How long one may take to end when it is asked to.
const STOP: Duration = Duration::from_secs(20);

/// Where the services run.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Topology {
    Embedded,
    Daemon,
    Split,
}

impl Topology {
    /// The one that `VARVE_TOPOLOGY` names; embedded where it names none.
    pub fn from_env() -> Result<Self> {
        match std::env::var("VARVE_TOPOLOGY").as_deref() {
            Err(_) | Ok("" | "embedded") => Ok(Self::Embedded),
            Ok("daemon") => Ok(Self::Daemon),
            Ok("split") => Ok(Self::Split),
            Ok(other) => bail!("VARVE_TOPOLOGY={other}: want embedded, daemon or split"),
        }
    }
}

/// The processes that serve one root; they end with it.
pub struct Cluster {
    processes: Vec<Process>,
    /// What the command is told, so that it finds them.
    arguments: Vec<String>,
    health: Vec<String>,
    /// What the processes log.
    level: &'static str,
    // Sockets, configuration and logs.
    run: TempDir,
}

/// One process, which can be killed and started again.
pub struct Process {
    name: &'static str,
    command: PathBuf,
    arguments: Vec<String>,
    level: &'static str,
    log: PathBuf,
    child: Option<Child>,
}

/// The services of the split topology; the first is the one that the others need.
pub const SERVICES: [&str; 4] = ["content-store", "snapshotter", "resolver", "fetcher"];

/// The socket of a daemon that containerds reach; the end of its name where there are two.
const PROXY: &str = "proxy";

impl Cluster {
    /// Starts what `topology` needs below `root` with the binaries beside `varve`.
    pub fn start(topology: Topology, varve: &Path, root: &Path) -> Result<Self> {
        Self::talking(topology, varve, root, "")
    }

    /// The same, with these limits for talking to registries.
    pub fn talking(topology: Topology, varve: &Path, root: &Path, limits: &str) -> Result<Self> {
        Self::logging("info", topology, varve, root, limits)
    }

    /// The same, with a log of this level.
    pub fn logging(
        level: &'static str,
        topology: Topology,
        varve: &Path,
        root: &Path,
        limits: &str,
    ) -> Result<Self> {
        let mut cluster = Self::idle()?;
        cluster.level = level;
        cluster.limit(topology, limits)?;
        match topology {
            Topology::Embedded => {}
            Topology::Daemon => cluster.daemon(varve, root),
            Topology::Split => cluster.split(varve, root, &SERVICES)?,
        }
        cluster.processes.iter_mut().try_for_each(Process::start)?;
        cluster.wait(varve)?;
        Ok(cluster)
    }

    /// Starts `services` of [`SERVICES`] alone, and does not wait until they answer.
    pub fn services(services: &[&'static str], varve: &Path, root: &Path) -> Result<Self> {
        let mut cluster = Self::idle()?;
        cluster.split(varve, root, services)?;
        cluster.processes.iter_mut().try_for_each(Process::start)?;
        Ok(cluster)
    }

    fn idle() -> Result<Self> {
        let run = tempfile::Builder::new().prefix("varve-run-").tempdir()?;
        let (processes, arguments, health) = (Vec::new(), Vec::new(), Vec::new());
        Ok(Self { processes, arguments, health, level: "info", run })
    }

    /// Where services run apart each has them in its own file.
    fn limit(&mut self, topology: Topology, limits: &str) -> Result<()> {
        if limits.is_empty() {
            return Ok(());
        }
        let path = self.limits();
        fs::write(&path, format!("[registry]\n{limits}"))?;
        if topology != Topology::Split {
            self.arguments = vec!["--config".into(), path.display().to_string()];
        }
        Ok(())
    }

    fn limits(&self) -> PathBuf {
        self.run.path().join("registry.toml")
    }

    /// What the command is told.
    pub fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// The processes, in the order of [`SERVICES`] where they are split.
    pub fn processes(&mut self) -> &mut [Process] {
        &mut self.processes
    }

    /// Waits until all of them say that they serve.
    pub fn wait(&self, varve: &Path) -> Result<()> {
        if self.processes.is_empty() {
            return Ok(());
        }
        let end = Instant::now() + START;
        loop {
            let mut health = Command::new(varve);
            health
                .args(&self.arguments)
                .args(&self.health)
                .arg("health")
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            if health.status()?.success() {
                return Ok(());
            }
            if Instant::now() > end {
                bail!("the services do not answer:\n{}", self.logs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// What the processes logged.
    pub fn logs(&self) -> String {
        let log = |process: &Process| {
            let text = fs::read_to_string(&process.log).unwrap_or_default();
            format!("--- {}\n{text}", process.name)
        };
        self.processes.iter().map(log).collect()
    }

    fn daemon(&mut self, varve: &Path, root: &Path) {
        let root = vec!["--root".to_owned(), root.display().to_string()];
        let words = ["--log", self.level, "daemon", "--proxy"].map(str::to_owned);
        let arguments =
            [root.clone(), words.to_vec(), vec![self.socket(PROXY)], self.arguments.clone()];
        self.process("daemon", varve.to_owned(), arguments.concat());
        // The command finds the daemon by the root that both have.
        self.health = root;
    }

    fn split(&mut self, varve: &Path, root: &Path, services: &[&'static str]) -> Result<()> {
        let mut client = String::new();
        for name in services {
            let config = self.config(name, root)?;
            let binary = varve.with_file_name(format!("varve-{name}"));
            let arguments = vec!["--config".into(), config.display().to_string()];
            self.process(name, binary, arguments);
            client += &format!("{} = \"{}\"\n", name.replace('-', "_"), self.socket(name));
        }
        client += &fs::read_to_string(self.limits()).unwrap_or_default();
        let path = self.run.path().join("client.toml");
        fs::write(&path, client)?;
        self.arguments.extend(["--config".into(), path.display().to_string()]);
        Ok(())
    }

    fn config(&self, name: &str, root: &Path) -> Result<PathBuf> {
        let mut text = format!("listen = \"{}\"\n", self.socket(name));
        if name != SERVICES[0] {
            text += &format!("content_store = \"{}\"\n", self.socket(SERVICES[0]));
        }
        if matches!(name, "content-store" | "snapshotter") {
            text += &format!("root = \"{}\"\n", root.display());
            text += &format!("[proxy]\nlisten = \"{}\"\n", self.socket(&format!("{name}-{PROXY}")));
        }
        if matches!(name, "resolver" | "fetcher")
            && let Ok(limits) = fs::read_to_string(self.limits())
        {
            text += &limits;
        }
        let path = self.run.path().join(format!("{name}.toml"));
        fs::write(&path, text)?;
        Ok(path)
    }

    /// Where a containerd reaches one of the first two of [`SERVICES`].
    pub fn proxy(&self, name: &str) -> PathBuf {
        let split = self.processes.len() > 1;
        let socket = if split { format!("{name}-{PROXY}") } else { PROXY.to_owned() };
        self.run.path().join(format!("{socket}.sock"))
    }

    /// The address of one of [`SERVICES`].
    pub fn socket(&self, name: &str) -> String {
        format!("unix://{}/{name}.sock", self.run.path().display())
    }

    fn process(&mut self, name: &'static str, command: PathBuf, arguments: Vec<String>) {
        let log = self.run.path().join(format!("{name}.log"));
        let level = self.level;
        self.processes.push(Process { name, command, arguments, level, log, child: None });
    }
}

impl Drop for Cluster {
    /// The last that was started ends first: each may still need those before it.
    fn drop(&mut self) {
        while let Some(mut process) = self.processes.pop() {
            let _ = process.stop();
        }
    }
}

impl Process {
    /// Its process id, while it runs.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Starts it, or starts it again; its log goes on.
    pub fn start(&mut self) -> Result<()> {
        let log = File::options().create(true).append(true).open(&self.log)?;
        let child = Command::new(&self.command)
            .args(&self.arguments)
            .env("VARVE_LOG", self.level)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("cannot run {}", self.command.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Ends it as SIGKILL does: with no word and no last write.
    pub fn kill(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Asks it to end, and makes it end where it does not. Answers how it ended by itself; `None`
    /// where it did not, or was not running.
    pub fn stop(&mut self) -> Option<ExitStatus> {
        let mut child = self.child.take()?;
        if let Some(pid) = rustix::process::Pid::from_raw(child.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
        }
        let end = Instant::now() + STOP;
        while Instant::now() < end {
            if let Some(ended) = child.try_wait().transpose() {
                return ended.ok();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let _ = child.kill();
        let _ = child.wait();
        None
    }
}
