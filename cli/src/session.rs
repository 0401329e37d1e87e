//! What a command works with: the root that it owns, the services, the namespace, the output.

use varve_core::{Result, Scope};

use crate::args::Global;
use crate::output::Output;
use crate::progress;
use crate::root::{self, Root};
use crate::services::Services;

/// An open root and all that works in it.
pub struct Session {
    pub services: Services,
    /// The namespace that was asked for, without a lease.
    pub scope: Scope,
    pub output: Output,
    /// Freed last.
    root: Root,
}

impl Session {
    /// Waits for the root, saying on stderr whom for, and opens the services in it.
    pub async fn open(global: &Global) -> Result<Self> {
        let path = root::path(global.root.as_deref())?;
        let noun = path.display().to_string();
        let root = Root::own(&path, move |whom| {
            progress::warn(&format!("Waiting for {whom}, which is using {noun}"));
        })
        .await?;
        let services = Services::open(&root.path).await?;
        let output = Output { format: global.output };
        Ok(Self { services, scope: Scope::of(global.namespace.clone()), output, root })
    }

    /// Writes what is pending and lets go of the root.
    pub async fn close(self) -> Result<()> {
        let closed = self.services.close().await;
        drop(self.root);
        closed
    }
}
