//! The stream of one writer whose bytes come beside it, served: containerd's stream, with the data put
//! into each message from the file that it names. Its clients do not ask how each write has changed the digest.

use std::sync::Arc;

use futures_util::{StreamExt, TryStreamExt};
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use varve_core::content::Content;
use varve_core::{Error, Result, Scope};
use varve_proto::containerd::services::content::v1::WriteContentRequest;
use varve_proto::varve::content::v1 as wire;
use wire::{WriteRequest as Request, WriteResponse as Answer};

use super::passage::Passage;
use super::write::write;
use crate::channel::CHUNK;
use crate::status::to_status;

/// Opens the ingest that the first message names, and names a file where bytes may pass through one.
pub async fn write_beside(
    content: &dyn Content,
    scope: &Scope,
    mut requests: Streaming<Request>,
) -> Result<impl Stream<Item = Result<Answer, Status>> + Send + use<>, Status> {
    let first = requests.message().await?.unwrap_or_default().write.unwrap_or_default();
    let passage = passage(content, &first).await.map(Arc::new);
    let mut file = passage.as_ref().and_then(|passage| passage.name());
    let rest = requests.and_then(move |request| whole(passage.clone(), request));
    let messages = tokio_stream::once(Ok(first)).chain(rest);
    let answers = write(content, scope, Box::pin(messages), false).await?;
    Ok(answers.map_ok(move |answer| Answer { write: Some(answer), file: file.take() }))
}

/// What is known to fit into a few messages needs no file.
async fn passage(content: &dyn Content, first: &WriteContentRequest) -> Option<Passage> {
    let short = (1..CHUNK as i64).contains(&first.total);
    match content.passing() {
        Some(dir) if !short => Passage::make(dir).await,
        _ => None,
    }
}

/// The message, with the data that it says was passed.
async fn whole(
    passage: Option<Arc<Passage>>,
    request: Request,
) -> Result<WriteContentRequest, Status> {
    let mut message = request.write.unwrap_or_default();
    if let Some(passed) = request.passed {
        let none = || to_status(Error::invalid("no file was named to pass bytes through"));
        let passage = passage.ok_or_else(none)?;
        message.data = passage.take(passed).map_err(to_status)?;
    }
    Ok(message)
}
