//! The command under test, as a person runs it: the built binary, a root of its own, no environment
//! that could lead it elsewhere.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::OnceLock;

use anyhow::{Context as _, Result, bail};
use tempfile::TempDir;

use crate::cluster::{Cluster, Topology};

/// What could lead the command elsewhere.
const VARIABLES: [&str; 8] = [
    "VARVE_REGISTRY_CONFIG",
    "VARVE_HOSTS_DIR",
    "VARVE_ROOT",
    "VARVE_NAMESPACE",
    "VARVE_LOG",
    "VARVE_SNAPSHOTTER",
    "VARVE_ADDRESS",
    "VARVE_CONFIG",
];

/// `varve` with a root of its own, which goes with it, and the processes that serve it, if the
/// topology has any.
pub struct Varve {
    binary: PathBuf,
    // Before the root: they work in it.
    cluster: Cluster,
    root: Place,
    cache: TempDir,
}

/// Where a root is.
enum Place {
    /// It goes with whoever has it.
    Own(TempDir),
    Given(PathBuf),
}

impl AsRef<Path> for Place {
    fn as_ref(&self) -> &Path {
        match self {
            Self::Own(dir) => dir.path(),
            Self::Given(dir) => dir,
        }
    }
}

impl Varve {
    /// With the binary of this build.
    pub fn new() -> Result<Self> {
        Self::with_binary(binary()?)
    }

    /// With any other binary, in the topology of the environment.
    pub fn with_binary(binary: PathBuf) -> Result<Self> {
        Self::over(Topology::from_env()?, binary)
    }

    /// With the services where `topology` has them.
    pub fn over(topology: Topology, binary: PathBuf) -> Result<Self> {
        Self::talking(topology, binary, "")
    }

    /// The same, with these limits for talking to registries.
    pub fn talking(topology: Topology, binary: PathBuf, limits: &str) -> Result<Self> {
        let root = tempfile::Builder::new().prefix("varve-").tempdir()?;
        Self::with(topology, binary, Place::Own(root), limits)
    }

    /// With the services in the command, and a root that was there before.
    pub fn on(root: &Path, binary: PathBuf) -> Result<Self> {
        Self::with(Topology::Embedded, binary, Place::Given(root.to_owned()), "")
    }

    fn with(topology: Topology, binary: PathBuf, root: Place, limits: &str) -> Result<Self> {
        let cluster = Cluster::talking(topology, &binary, root.as_ref(), limits)?;
        let cache = tempfile::Builder::new().prefix("varve-cache-").tempdir()?;
        Ok(Self { binary, cluster, root, cache })
    }

    /// The processes that serve it.
    pub fn cluster(&mut self) -> &mut Cluster {
        &mut self.cluster
    }

    /// Waits until all of them serve.
    pub fn wait(&self) -> Result<()> {
        self.cluster.wait(&self.binary)
    }

    /// The root, as `--root` names it.
    pub fn root(&self) -> &Path {
        self.root.as_ref()
    }

    /// The content store's directory: an OCI image layout.
    pub fn layout(&self) -> PathBuf {
        self.root().join("content")
    }

    /// The command with `args`, ready to be run.
    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.binary);
        command.arg("--root").arg(self.root()).args(self.cluster.arguments());
        command.args(args).stdin(Stdio::null());
        for name in VARIABLES {
            command.env_remove(name);
        }
        command.env("DOCKER_CONFIG", self.root().join("no-docker-config"));
        command.env("XDG_CACHE_HOME", self.cache.path());
        command
    }

    /// Runs it, whatever comes of it.
    pub fn output(&self, args: &[&str]) -> Result<Output> {
        self.command(args).output().with_context(|| format!("cannot run varve {args:?}"))
    }

    /// Runs it and answers what it printed; an exit status other than 0 is an error.
    pub fn run(&self, args: &[&str]) -> Result<String> {
        let output = self.output(args)?;
        if !output.status.success() {
            bail!("varve {args:?}: {}\n{}", output.status, text(&output.stderr));
        }
        Ok(text(&output.stdout))
    }

    /// Runs it and answers its error text; an exit status of 0 is an error.
    pub fn fail(&self, args: &[&str]) -> Result<String> {
        let output = self.output(args)?;
        if output.status.success() {
            bail!("varve {args:?} succeeded:\n{}", text(&output.stdout));
        }
        Ok(text(&output.stderr))
    }

    /// Runs it with `--output json` and reads what it printed.
    pub fn json(&self, args: &[&str]) -> Result<serde_json::Value> {
        let printed = self.run(&[args, &["--output", "json"]].concat())?;
        serde_json::from_str(&printed).with_context(|| format!("varve {args:?}: {printed}"))
    }
}

/// Bytes as text, for messages.
pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The binary that `VARVE_BINARY` names; else that of this build, which is built first where it is not
/// up to date.
pub fn binary() -> Result<PathBuf> {
    if let Some(named) = std::env::var_os("VARVE_BINARY") {
        return Ok(named.into());
    }
    static BINARY: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    BINARY
        .get_or_init(|| build().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow::anyhow!("cannot build varve: {error}"))
}

fn build() -> Result<PathBuf> {
    let own = std::env::current_exe()?;
    // target/<profile>/deps/<test> or target/<profile>/<bin>
    let profile = own
        .ancestors()
        .skip(1)
        .find(|dir| dir.file_name().is_some_and(|name| name != "deps"))
        .context("a test runs from below the target directory")?;
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--workspace", "--bins"]);
    if profile.ends_with("release") {
        cargo.arg("--release");
    }
    let status = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).status()?;
    if !status.success() {
        bail!("cargo build: {status}");
    }
    Ok(profile.join("varve"))
}
