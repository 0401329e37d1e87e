//! The OCI runtime: runc, crun, or another that takes the same words.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::process::Pid;
use serde_json::Value;
use varve_core::{Error, Result};

use super::place::{Base, Place};

/// Docker's status for a failure that is not the program's.
pub const OWN: u8 = 125;
/// Tried in this order where none is asked for.
const KNOWN: [&str; 2] = ["runc", "crun"];
/// Where an administrator's programs are, when PATH is a user's.
const ALSO: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A runtime, and where it keeps what it knows of containers.
#[derive(Clone, Debug)]
pub struct Runtime {
    program: PathBuf,
    root: PathBuf,
}

/// What a container's program is connected to.
pub struct Io {
    pub stdin: Stdio,
    pub stdout: Stdio,
    pub stderr: Stdio,
    /// The socket on which a terminal is handed over.
    pub console: Option<PathBuf>,
}

/// When the runtime goes that began another program.
pub enum Leaving<'a> {
    /// Not before the program.
    Never,
    /// As soon as the program has begun.
    Behind,
    /// The same; and somebody else minds the program: its terminal goes to this socket, its process id to a file.
    To { pid: &'a Path, console: &'a Path },
}

/// A container that stands still. It goes on when this is dropped, which blocks.
pub struct Paused {
    runtime: Runtime,
    place: Place,
}

impl Drop for Paused {
    fn drop(&mut self) {
        let mut command = self.runtime.command();
        command.arg("resume").arg(self.place.id());
        if let Err(error) = self.runtime.told(command, &self.place) {
            tracing::error!("not resumed: {}", error.chain());
        }
    }
}

impl Runtime {
    /// The one that is asked for, by name or path; else the first there is.
    pub fn find(asked: Option<&str>, base: &Base) -> Result<Self> {
        let found = match asked {
            Some(path) if path.contains('/') => Some(PathBuf::from(path)),
            Some(name) => find(name),
            None => KNOWN.iter().find_map(|name| find(name)),
        };
        let program = found.filter(|path| is_program(path)).ok_or_else(|| {
            let what = asked.map_or_else(|| KNOWN.join(" nor "), str::to_owned);
            Error::not_found(format!(
                "no OCI runtime: {what} is not on this machine; install runc or crun, or name one with \
                 --runtime"
            ))
        })?;
        Ok(Self { program, root: base.runtime() })
    }

    /// Makes the container of a bundle; its program waits for [`Runtime::start`]. Answers its process id.
    /// Blocks.
    pub fn create(&self, place: &Place, io: Io) -> Result<Pid> {
        let pid = place.bundle().join("pid");
        let mut command = self.logged(place);
        command.arg("create").arg("--bundle").arg(place.bundle()).arg("--pid-file").arg(&pid);
        if let Some(console) = &io.console {
            command.arg("--console-socket").arg(console);
        }
        command.arg(place.id()).stdin(io.stdin).stdout(io.stdout).stderr(io.stderr);
        self.run(command, place)?;
        read_pid(&pid)
    }

    /// Has the program begin. Blocks.
    pub fn start(&self, place: &Place) -> Result<()> {
        let mut command = self.logged(place);
        command.arg("start").arg(place.id());
        self.run(quiet(command), place)
    }

    /// Sends a signal to the program. Blocks.
    pub fn kill(&self, place: &Place, signal: i32) -> Result<()> {
        let mut command = self.command();
        command.arg("kill").arg(place.id()).arg(signal.to_string());
        self.told(command, place)
    }

    /// Has all of the container stand still until the answer is dropped. Blocks.
    pub fn pause(&self, place: &Place) -> Result<Paused> {
        let mut command = self.command();
        command.arg("pause").arg(place.id());
        self.told(command, place)?;
        Ok(Paused { runtime: self.clone(), place: place.clone() })
    }

    /// Runs a command that says on its error output why it fails.
    fn told(&self, mut command: Command, place: &Place) -> Result<()> {
        let output = command.stdin(Stdio::null()).output().map_err(|error| self.failed(error))?;
        if output.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
        Err(Error::precondition(format!("container {}: {said}", place.id())))
    }

    /// Ends what is left of a container, if anything is. Blocks.
    pub fn delete(&self, place: &Place) -> Result<()> {
        let mut command = self.command();
        command.arg("delete").arg("--force").arg(place.id());
        quiet(command).status().map(drop).map_err(|error| self.failed(error))
    }

    /// A command that runs another program in the container, from a file with its *process*. Why that cannot be
    /// run is in `log` afterwards ([`last_error`]), and on its standard error.
    pub fn exec(
        &self,
        place: &Place,
        process: &Path,
        log: &Path,
        leaving: &Leaving<'_>,
    ) -> Command {
        let mut command = self.command();
        command.arg("--log").arg(log).args(["--log-format", "json"]);
        command.arg("exec").arg("--process").arg(process);
        match leaving {
            Leaving::Never => {}
            Leaving::Behind => drop(command.arg("--detach")),
            Leaving::To { pid, console } => {
                command.arg("--detach").arg("--pid-file").arg(pid);
                command.arg("--console-socket").arg(console);
            }
        }
        command.arg(place.id());
        command
    }

    fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command.arg("--root").arg(&self.root);
        command
    }

    /// What the runtime has to say of itself goes to a file: its standard error is the container's.
    fn logged(&self, place: &Place) -> Command {
        let mut command = self.command();
        command.arg("--log").arg(log(place)).args(["--log-format", "json"]);
        command
    }

    fn run(&self, mut command: Command, place: &Place) -> Result<()> {
        let status = command.status().map_err(|error| self.failed(error))?;
        if status.success() {
            return Ok(());
        }
        let why = last_error(&log(place)).unwrap_or_else(|| status.to_string());
        Err(Error::precondition(format!("{}: {why}", self.name())))
    }

    fn name(&self) -> String {
        self.program.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    fn failed(&self, error: std::io::Error) -> Error {
        Error::io(format!("running {}", self.program.display()), error)
    }
}

/// A process id, from the file that a runtime was asked to leave it in.
pub fn read_pid(file: &Path) -> Result<Pid> {
    let text = fs::read_to_string(file).map_err(|error| Error::io(file.display(), error))?;
    let pid = text.trim().parse().ok().and_then(Pid::from_raw);
    pid.ok_or_else(|| Error::internal(format!("{}: {text:?} is no process", file.display())))
}

/// The exit status for a program that could not be run, as Docker has it: 127 where there is none, 126 where
/// it is none, 125 for all else.
pub fn status_of(message: &str) -> u8 {
    let message = message.to_lowercase();
    let says = |words: &[&str]| words.iter().any(|word| message.contains(word));
    // Another file than the program's may be missing, too.
    if !says(&["exec"]) {
        return OWN;
    }
    if says(&["not found in $path", "no such file or directory", "not a directory"]) {
        127
    } else if says(&["permission denied", "is a directory", "exec format error"]) {
        126
    } else {
        OWN
    }
}

fn quiet(mut command: Command) -> Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

fn log(place: &Place) -> PathBuf {
    place.bundle().join("runtime.log")
}

/// The last error of a log with a JSON object a line.
pub fn last_error(log: &Path) -> Option<String> {
    let text = fs::read_to_string(log).ok()?;
    let lines = text.lines().rev().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let errors = lines.filter(|line| line["level"] == "error" || line["level"] == "fatal");
    errors.filter_map(|line| Some(line["msg"].as_str()?.to_owned())).next()
}

fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let dirs = std::env::split_paths(&path).chain(ALSO.iter().map(PathBuf::from));
    dirs.map(|dir| dir.join(name)).find(|file| file.is_absolute() && is_program(file))
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_runtimes_say_becomes_dockers_exit_status() {
        for (said, want) in [
            (
                "runc create failed: unable to start container process: exec: \"x\": executable file not \
              found in $PATH: unknown",
                127,
            ),
            ("executable file `x` not found in $PATH: No such file or directory", 127),
            ("exec: \"/etc/passwd\": permission denied", 126),
            ("open executable: Permission denied", 126),
            ("exec: \"/etc\": is a directory", 126),
            ("cannot set up the cgroup", 125),
            ("error mounting \"/x\" to rootfs: no such file or directory", 125),
        ] {
            assert_eq!(status_of(said), want, "{said}");
        }
    }

    #[test]
    fn a_runtime_that_is_not_there_is_told_by_its_name() {
        let dir = tempfile::tempdir().unwrap();
        let base: Base = serde_json::from_value(dir.path().to_str().into()).unwrap();
        for asked in ["no-such-runtime", "/no/such/runtime", "/etc/passwd"] {
            let error = Runtime::find(Some(asked), &base).unwrap_err();
            assert!(error.message().contains(asked), "{}", error.message());
        }
    }

    #[test]
    fn the_last_error_of_a_log_is_found() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text = "{\"level\":\"error\",\"msg\":\"first\"}\n{\"level\":\"error\",\"msg\":\"why\"}\n\
                    {\"level\":\"warning\",\"msg\":\"never mind\"}\nno json\n";
        fs::write(file.path(), text).unwrap();
        assert_eq!(last_error(file.path()).as_deref(), Some("why"));
    }
}
