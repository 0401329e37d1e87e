//! What every service's `main` does around its own work: arguments, configuration, log, runtime, the
//! socket, and a word to systemd.

use std::os::fd::{FromRawFd, OwnedFd, RawFd};
use std::path::PathBuf;
use std::process::ExitCode;

use rustix::process::DumpableBehavior;
use serde::de::DeserializeOwned;
use tokio::runtime::Builder;
use varve_core::{Error, Result};

use crate::{Address, Listener, config, telemetry};

/// Async work is little: bytes are hashed, inflated and written by threads of their own.
const WORKERS: usize = 2;
const STACK: usize = 1 << 20;
/// The log filter, as for the command.
const LOG: &str = "VARVE_LOG";

/// Runs a service to its end: reads the file that `--config` names into `C` and hands it to `work`.
/// Failures go to stderr as one line, with status 1.
pub fn run<C, F>(name: &str, work: impl FnOnce(C) -> F) -> ExitCode
where
    C: DeserializeOwned,
    F: Future<Output = Result<()>>,
{
    let path = match arguments(name) {
        Ok(path) => path,
        Err(status) => return status,
    };
    spare_memory();
    keep_secrets();
    let run = || {
        telemetry::init(&std::env::var(LOG).unwrap_or_else(|_| "info".into()))?;
        let config = config::load(&path)?;
        let runtime = Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_stack_size(STACK)
            .enable_all()
            .build()
            .map_err(|error| Error::io("starting the threads", error))?;
        runtime.block_on(work(config))
    };
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => fail(name, &error.chain(), 1),
    }
}

/// Tells the C library's allocator to give memory back.
///
/// By default each thread that allocates may open an arena of its own, and a buffer of a pipeline that was
/// freed once raises what the next ones are kept for: what was needed for a moment stays. One arena is
/// enough for what is allocated here, and a large buffer (a zstd window) is returned to the kernel when it is
/// freed. A batch of bytes on their way (256 KiB) is not: the next one would fault in each of its pages anew.
pub fn spare_memory() {
    #[cfg(target_env = "gnu")]
    #[expect(unsafe_code, reason = "the C library has no other way to be told")]
    // SAFETY: mallopt takes a number of a parameter and its value, and no pointer.
    unsafe {
        libc::mallopt(libc::M_ARENA_MAX, 1);
        libc::mallopt(libc::M_MMAP_THRESHOLD, 320 << 10);
        libc::mallopt(libc::M_TRIM_THRESHOLD, 512 << 10);
    }
}

/// Has no core of this process written, and lets no other process of its user read its memory or its
/// environment: logins are in it while requests are under way, and so are tokens.
///
/// A core goes to whatever the machine does with cores: a file in a directory of images, a service that
/// sends it elsewhere. Wiping each copy instead is not possible: a header, a frame and a TLS record are
/// made of a secret in libraries that do not know it for one. A limit on the size of cores (RLIMIT_CORE)
/// would be inherited by what is run from here, containers among it, and does not hold where cores are
/// piped to a program; this ends with exec. Root reads and dumps as before.
pub fn keep_secrets() {
    let kept = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
    if let Err(error) = kept {
        tracing::debug!(%error, "a core dump of this process may have logins in it");
    }
}

/// `--config FILE` and nothing else: all there is to say is in the file.
fn arguments(name: &str) -> Result<PathBuf, ExitCode> {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.iter().map(|argument| argument.to_str()).collect::<Vec<_>>()[..] {
        [Some("--config"), _] => Ok(PathBuf::from(&arguments[1])),
        [Some("--version")] => Err(fail(name, env!("CARGO_PKG_VERSION"), 0)),
        _ => Err(fail(name, "usage: --config FILE (deploy/config has an example)", 2)),
    }
}

fn fail(name: &str, message: &str, status: u8) -> ExitCode {
    use std::io::Write;
    let _ = writeln!(std::io::stderr(), "{name}: {message}");
    ExitCode::from(status)
}

/// The socket that systemd passed, if it did, else one bound at `address`.
pub async fn listen(address: &Address) -> Result<Listener> {
    let failed = |error| Error::io("the sockets that systemd passed", error);
    let mut passed = sd_notify::listen_fds().map_err(failed)?;
    match passed.next() {
        Some(fd) => Listener::inherited(own(fd)),
        None => Listener::bind(address).await,
    }
}

#[expect(unsafe_code, reason = "a number becomes a descriptor: nothing else can do that")]
fn own(fd: RawFd) -> OwnedFd {
    // SAFETY: the number comes from LISTEN_FDS, checked by sd-notify against this process's id; it is
    // open, and `listen` takes it once.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

/// Tells systemd, if it waits for it, that requests are answered from now on.
pub fn ready() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
}

/// Tells systemd that the end has begun.
pub fn stopping() {
    let _ = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
}
