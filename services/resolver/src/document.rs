//! A document as the registry has it, looked at and kept nowhere.

use bytes::{Bytes, BytesMut};
use varve_core::oci::Bounds;
use varve_core::remotes::Remote;
use varve_core::{Descriptor, Digest, Error, Result, ResultExt};
use varve_registry::{ASK, BlobStream, Client, Failure};

/// Reads it to its end; what breaks off is read anew, as it is small.
pub(crate) async fn document(
    bounds: &Bounds,
    client: &Client,
    remote: &Remote,
    document: &Descriptor,
) -> Result<Bytes> {
    let Descriptor { digest, size, .. } = document;
    bounds.check_size(*size).context(|| format!("document {digest}"))?;
    let repository = client.open(remote)?;
    let mut budget = repository.budget();
    loop {
        let stream = repository.blob(document, 0, &mut budget).await?;
        let bytes = match whole(stream).await {
            Ok(bytes) => bytes,
            Err(failure) => {
                budget.survive(failure).await?;
                continue;
            }
        };
        let other = Digest::of(&bytes);
        if other == *digest {
            return Ok(bytes);
        }
        let name = repository.full_name();
        let message = format!("{name}: the registry sent {other} in place of {digest}; {ASK}");
        budget.survive_deceit(Error::precondition(message)).await?;
    }
}

/// Its connection is given back before anything is waited for.
async fn whole(mut stream: BlobStream) -> Result<Bytes, Failure> {
    let mut all = BytesMut::new();
    while let Some(chunk) = stream.chunk().await? {
        all.extend_from_slice(&chunk);
    }
    Ok(all.freeze())
}
