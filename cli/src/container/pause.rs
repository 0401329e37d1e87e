//! Having a container's programs stand still, while what they write is read.

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use varve_core::{Error, Kind, Result};

use super::find::Found;
use super::runtime::{Paused, Runtime};
use super::state::Status;
use super::stop;
use super::wire::{Frame, Refused};

/// How long a monitor may take until the program goes on.
const PATIENCE: Duration = Duration::from_secs(10);

/// They stand still until this is dropped, which blocks.
pub enum Still {
    /// Its monitor has them stand still until this process is gone: a kill -9 ends that, too.
    Watched(UnixStream),
    /// There is no monitor any more.
    Unwatched { _paused: Paused },
}

impl Drop for Still {
    fn drop(&mut self) {
        if let Self::Watched(stream) = self {
            // The monitor closes its side when the program goes on.
            let _ = stream.set_read_timeout(Some(PATIENCE));
            let _ = stream.shutdown(Shutdown::Write);
            while let Ok(Some(_)) = Frame::read(stream) {}
        }
    }
}

/// They stand still until the answer is dropped; `None` where none runs. What else can be done is told where it fails.
pub async fn pause(found: &Found, or_else: &str) -> Result<Option<Still>> {
    if !found.status().is_running() {
        return Ok(None);
    }
    let one = found.clone();
    let pausing = tokio::task::spawn_blocking(move || begin(&one));
    let still = pausing.await.map_err(|error| Error::internal("pausing").with_source(error))?;
    match still {
        Ok(still) => Ok(Some(still)),
        // Its program has ended meanwhile.
        Err(_) if !found.status().is_running() => Ok(None),
        Err(error) => {
            let name = &found.settings.name;
            Err(error.context(format!("container {name}: cannot be paused; {or_else}")))
        }
    }
}

/// Blocks.
fn begin(found: &Found) -> Result<Still> {
    if let Status::Running { watched: true, .. } = found.status()
        && let Ok(stream) = stop::connect(&found.place.control())
    {
        return by_monitor(stream);
    }
    let runtime = Runtime::find(found.settings.runtime.as_deref(), found.place.base())?;
    Ok(Still::Unwatched { _paused: runtime.pause(&found.place)? })
}

fn by_monitor(stream: UnixStream) -> Result<Still> {
    let failed = |error| Error::io("a monitor", error);
    Frame::Pause.write(&mut &stream).map_err(failed)?;
    match Frame::read(&mut &stream).map_err(failed)? {
        Some(Frame::Paused) => Ok(Still::Watched(stream)),
        Some(Frame::Refused(body)) => {
            let refused: Refused = serde_json::from_slice(&body)
                .map_err(|error| Error::internal("what a monitor says").with_source(error))?;
            Err(Error::new(Kind::FailedPrecondition, refused.message))
        }
        _ => Err(Error::precondition("its program has ended, or its monitor")),
    }
}
