//! What is not here but at the repository already: an image that is pushed back to where it was pulled from
//! loses none of its platforms.

use std::future::Future;
use std::pin::Pin;

use varve_core::Result;
use varve_registry::{Client, Pusher};

use super::tree::{Part, Tree};

/// Marks those documents below `tree` that are not all here and that the repository has.
pub fn mark<'a>(
    tree: &'a mut Tree,
    client: &'a Client,
    pusher: &'a Pusher,
) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
    Box::pin(async move {
        let Part::Index(children) = &mut tree.part else { return Ok(()) };
        for child in children.iter_mut().filter(|child| !child.is_whole()) {
            let kind = &child.descriptor.media_type;
            let document = kind.is_index() || kind.is_manifest();
            if document && pusher.has_manifest(&child.descriptor, &mut client.budget()).await? {
                child.part = Part::There;
            } else {
                mark(child, client, pusher).await?;
            }
        }
        Ok(())
    })
}
