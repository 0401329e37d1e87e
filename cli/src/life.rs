//! The life of one command: runtime, root, services, the work, and an end that a signal may bring early.

use std::future::Future;
use std::process::ExitCode;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinHandle;
use varve_core::Error;
use varve_core::remotes::Remote;

use crate::args::{Cli, Command, Global};
use crate::commands::pull::Pull;
use crate::failure::{Failure, Result};
use crate::pull::abandoned;
use crate::session::Session;
use crate::{commands, log, progress};

/// Async work is little: bytes are hashed, inflated and written by threads of their own.
const WORKERS: usize = 2;
const STACK: usize = 1 << 20;
/// How long threads that still work may hold up the end.
const LINGER: Duration = Duration::from_secs(5);

/// Runs the command to its end and says what went wrong, if anything did.
pub fn run(cli: Cli) -> ExitCode {
    progress::choose(cli.global.progress);
    match work(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            if let Some(message) = failure.message() {
                progress::fail(&message);
            }
            failure.status()
        }
    }
}

fn work(cli: Cli) -> Result<()> {
    varve_rpc::process::spare_memory();
    log::init(&cli.global.log)?;
    if let Command::Monitor(monitor) = cli.command {
        return Ok(monitor.run(&cli.global)?);
    }
    varve_rpc::process::keep_secrets();
    let runtime = runtime()?;
    let result = runtime.block_on(live(cli));
    runtime.shutdown_timeout(LINGER);
    result
}

fn runtime() -> Result<Runtime> {
    Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .thread_stack_size(STACK)
        .enable_all()
        .build()
        .map_err(|error| Error::io("starting the threads", error).into())
}

async fn live(cli: Cli) -> Result<()> {
    let Cli { global, command } = cli;
    match command {
        // Interrupted, it must still give the terminal back as it was.
        Command::Login(login) => return Signals::listen()?.unless(false, login.run(&global)).await,
        Command::Logout(logout) => return logout.run(&global).await,
        Command::Search(search) => return search.run(&global).await,
        Command::Version(version) => return version.run(&global).await,
        Command::Completion(completion) => return completion.run(),
        #[cfg(any(test, feature = "man"))]
        Command::Man(man) => return man.run(),
        Command::Daemon(daemon) => return daemon.run(&global).await,
        Command::Health(health) => return health.run(&global).await,
        Command::Containers(command) => return Box::pin(command.run(&global)).await,
        Command::Container(container) => return Box::pin(container.run(&global)).await,
        _ => {}
    }
    let pull = match &command {
        Command::Pull(pull) => Some(pull),
        Command::Image(image) => image.pull(),
        _ => None,
    };
    // The same pull again goes on where it was interrupted.
    let (resumes, first) = (pull.is_some(), pull.and_then(Pull::first));
    let work = async |session: &Session| commands::run(session, command).await;
    within(&global, resumes, first.as_ref(), work).await
}

/// Does `work` with a session that is opened for it and closed after it. A signal ends it early.
pub async fn with<T>(global: &Global, work: impl AsyncFnOnce(&Session) -> Result<T>) -> Result<T> {
    within(global, false, None, work).await
}

/// The same for work after which more is to be done than can wait for the store: where this process owns the root and
/// others work in it, that is until they are done. It is let go of beside what comes next; the answered task ends
/// when it has been.
pub async fn before<T>(
    global: &Global,
    work: impl AsyncFnOnce(&Session) -> Result<T>,
) -> Result<(T, JoinHandle<varve_core::Result<()>>)> {
    let mut signals = Signals::listen()?;
    let session = signals.unless(false, Session::open(global)).await?;
    let outcome = signals.unless(false, Box::pin(work(&session))).await;
    match outcome {
        Ok(outcome) => Ok((outcome, tokio::spawn(session.close()))),
        Err(failure) => {
            signals.let_go(&failure, &session).await;
            signals.unless(false, session.close()).await?;
            Err(failure)
        }
    }
}

async fn within<T>(
    global: &Global,
    resumes: bool,
    first: Option<&Remote>,
    work: impl AsyncFnOnce(&Session) -> Result<T>,
) -> Result<T> {
    let mut signals = Signals::listen()?;
    let session = signals.unless(resumes, Session::open_for(global, first)).await?;
    let outcome = signals.unless(resumes, Box::pin(work(&session))).await;
    if let Err(failure) = &outcome {
        signals.let_go(failure, &session).await;
    }
    // A second signal does not wait for the database either.
    let closed = signals.unless(resumes, session.close()).await;
    let outcome = outcome?;
    closed.map(|()| outcome)
}

/// What asks a command to stop.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

impl Signals {
    fn listen() -> Result<Self> {
        let listen = |kind| signal(kind).map_err(|error| Error::io("listening for signals", error));
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
        })
    }

    /// The outcome of `work`, or Interrupted if a signal comes first: `work` is dropped then.
    async fn unless<T, E: Into<Failure>>(
        &mut self,
        resumes: bool,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T> {
        tokio::select! {
            outcome = work => outcome.map_err(Into::into),
            () = self.any() => Err(Failure::Interrupted { resumes }),
        }
    }

    /// Ends the leases of work that a signal has stopped; a second signal does not wait for that.
    async fn let_go(&mut self, failure: &Failure, session: &Session) {
        if !matches!(failure, Failure::Interrupted { .. }) {
            return;
        }
        let ending = abandoned::end_own(&session.services, &session.scope);
        if let Err(Failure::Error(error)) = self.unless(false, ending).await {
            tracing::debug!("leases stay until their time is up: {}", error.chain());
        }
    }

    async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
