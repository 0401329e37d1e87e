//! Starting a container's program, and staying with it.

use varve_core::{Error, Mount};

use crate::args::Global;
use crate::container::attach::{self, Keys, Outcome, Signals};
use crate::container::find::Found;
use crate::container::job::Job;
use crate::container::launch::{self, Monitor};
use crate::container::remove;
use crate::container::settings::Settings;
use crate::container::terminal;
use crate::container::wire::Started;
use crate::failure::{self, Failure, Result};
use crate::life;
use crate::progress;

/// Whether a command stays with a program that it starts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stay {
    Left,
    /// Its output comes here.
    Watching,
    /// And what is typed here goes there, where the program's input is open.
    Typing,
}

/// Starts a container's program, and stays with it unless it is to be left. Its exit status is the failure, where it is
/// not 0.
pub async fn start(global: &Global, found: &Found, mounts: Vec<Mount>, stay: Stay) -> Result<()> {
    // From here on signals are the program's, even before it runs.
    let signals = Signals::listen()?;
    let (monitor, started) = match launched(global, found, mounts, stay).await {
        Ok(launched) => launched,
        Err(failure) => {
            give_up(global, found).await;
            return Err(failure);
        }
    };
    match stay {
        Stay::Left => Ok(()),
        _ => follow(monitor, &started, found, stay, signals).await,
    }
}

async fn launched(
    global: &Global,
    found: &Found,
    mounts: Vec<Mount>,
    stay: Stay,
) -> Result<(Monitor, Started)> {
    let job = Job {
        place: found.place.clone(),
        settings: found.settings.clone(),
        mounts,
        detached: stay != Stay::Typing,
        size: if stay == Stay::Left { None } else { terminal::size() },
    };
    let global = global.clone();
    let launched = tokio::task::spawn_blocking(move || launch::launch(&global, &job)).await;
    launched.map_err(|error| Error::internal("starting").with_source(error))?
}

async fn follow(
    monitor: Monitor,
    started: &Started,
    found: &Found,
    stay: Stay,
    signals: Signals,
) -> Result<()> {
    let stream = monitor.stream.try_clone().map_err(|error| Error::io("a socket", error))?;
    let typed = found.settings.open_stdin && stay == Stay::Typing;
    let settings = Settings { open_stdin: typed, ..found.settings.clone() };
    match attach::attach(stream, started, &settings, signals, &Keys::default()).await? {
        Outcome::Ended(status) => {
            monitor.join();
            failure::ended(status)
        }
        outcome => leave(outcome),
    }
}

/// Ends a command whose program goes on.
pub fn leave(outcome: Outcome) -> Result<()> {
    match outcome {
        Outcome::Ended(status) => failure::ended(status),
        Outcome::Detached => {
            progress::warn("read escape sequence");
            Ok(())
        }
        Outcome::GivenUp => Err(Failure::Interrupted { resumes: false }),
    }
}

/// One that was to go when its program ends goes when that does not even begin. Why it did not is told by the caller.
async fn give_up(global: &Global, found: &Found) {
    if !found.settings.auto_remove {
        return;
    }
    let remove =
        async |session: &crate::session::Session| Ok(remove::remove(session, found, false).await?);
    if let Err(failure) = life::with(global, remove).await {
        failure.message().iter().for_each(|message| progress::warn(message));
    }
}
