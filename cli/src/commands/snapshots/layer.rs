//! `varve snapshots layer`: what a snapshot changed of its parent, as a layer's bytes.

use varve_core::diff::NewLayer;

use crate::changes;
use crate::commands::content;
use crate::failure::Result;
use crate::pull::Lease;
use crate::services::Snapshotter;
use crate::session::Session;

/// Makes the layer, writes it to stdout, and leaves it to the collector.
pub async fn write(
    session: &Session,
    snapshotter: &Snapshotter,
    key: &str,
    layer: NewLayer,
) -> Result<()> {
    let work = format!("making a layer of {key}");
    let lease = Lease::for_work(&session.services, &session.scope, &work).await?;
    let made = changes::layer(&lease.scope(&session.scope), snapshotter, key, layer).await;
    let written = match made {
        Ok(blob) => content::get(session, &blob.digest).await,
        Err(error) => Err(error.into()),
    };
    lease.release().await?;
    written
}
