//! Having a container's programs stand still, while what they write is read.

use varve_core::{Error, Result};

use super::find::Found;
use super::runtime::{Paused, Runtime};

/// They stand still until the answer is dropped; `None` where none runs. What else can be done is told where it fails.
pub async fn pause(found: &Found, or_else: &str) -> Result<Option<Paused>> {
    if !found.status().is_running() {
        return Ok(None);
    }
    let (settings, place) = (found.settings.clone(), found.place.clone());
    let pausing = tokio::task::spawn_blocking(move || {
        let runtime = Runtime::find(settings.runtime.as_deref(), place.base())?;
        runtime.pause(&place)
    });
    let paused = pausing.await.map_err(|error| Error::internal("pausing").with_source(error))?;
    match paused {
        Ok(paused) => Ok(Some(paused)),
        // Its program has ended meanwhile.
        Err(_) if !found.status().is_running() => Ok(None),
        Err(error) => {
            let name = &found.settings.name;
            Err(error.context(format!("container {name}: cannot be paused; {or_else}")))
        }
    }
}
