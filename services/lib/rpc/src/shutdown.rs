//! How a process is asked to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use varve_core::{Error, Result};

/// Set once, by a signal or by whoever started the server; everybody who serves looks at it.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    pub fn new() -> Self {
        Self::default()
    }

    /// Set by SIGTERM and SIGINT.
    pub fn on_signal() -> Result<Self> {
        let failed = |error| Error::io("listening for signals", error);
        let mut terminate = signal(SignalKind::terminate()).map_err(failed)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(failed)?;
        let shutdown = Self::new();
        let set = shutdown.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            set.start();
        });
        Ok(shutdown)
    }

    pub fn start(&self) {
        self.0.cancel();
    }

    /// One that starts with this one, and whose look at it is nobody else's to wait for.
    pub(crate) fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Returns once it was started.
    pub async fn started(&self) {
        self.0.cancelled().await;
    }
}
