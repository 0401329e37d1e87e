//! Content, served.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::stream::try_unfold;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use varve_core::content::{Content, Reader};
use varve_core::{Error, Kind, Result};
use varve_proto::containerd::services::content::v1 as wire;
use varve_proto::containerd::services::content::v1::content_server::{
    Content as Wire, ContentServer,
};

use super::convert::{info, status};
use crate::channel::{CHUNK, MAX_MESSAGE};
use crate::convert::{signed, unsigned};
use crate::status::to_status;
use crate::{convert, scope};

/// Blobs in one message of a list, as containerd has it.
const PAGE: usize = 100;

/// The wire over any content.
pub fn server(content: Arc<dyn Content>) -> ContentServer<impl Wire> {
    ContentServer::new(Server(content)).max_decoding_message_size(MAX_MESSAGE)
}

struct Server(Arc<dyn Content>);

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Wire for Server {
    type ListStream = Messages<wire::ListContentResponse>;
    type ReadStream = Messages<wire::ReadContentResponse>;
    type WriteStream = Messages<wire::WriteContentResponse>;

    async fn info(&self, request: Request<wire::InfoRequest>) -> Answer<wire::InfoResponse> {
        let scope = scope::of(&request)?;
        let digest = convert::from_digest(&request.into_inner().digest).map_err(to_status)?;
        let found = self.0.info(&scope, &digest).await.map_err(to_status)?;
        Ok(Response::new(wire::InfoResponse { info: Some(info(found)) }))
    }

    async fn update(&self, request: Request<wire::UpdateRequest>) -> Answer<wire::UpdateResponse> {
        let scope = scope::of(&request)?;
        let wire::UpdateRequest { info: new, update_mask } = request.into_inner();
        let wire::Info { digest, labels, .. } = new.unwrap_or_default();
        let digest = convert::from_digest(&digest).map_err(to_status)?;
        let mask = convert::from_mask(update_mask, &[]).map_err(to_status)?;
        let labels = convert::from_labels(labels);
        let updated = self.0.update(&scope, &digest, &labels, &mask).await.map_err(to_status)?;
        Ok(Response::new(wire::UpdateResponse { info: Some(info(updated)) }))
    }

    async fn list(&self, request: Request<wire::ListContentRequest>) -> Answer<Self::ListStream> {
        let scope = scope::of(&request)?;
        let all = self.0.list(&scope, &request.into_inner().filters).await.map_err(to_status)?;
        let mut all = all.into_iter().map(info);
        let pages = std::iter::from_fn(move || {
            let info: Vec<_> = all.by_ref().take(PAGE).collect();
            (!info.is_empty()).then(|| Ok(wire::ListContentResponse { info }))
        });
        Ok(Response::new(Box::pin(tokio_stream::iter(pages))))
    }

    async fn delete(&self, request: Request<wire::DeleteContentRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let digest = convert::from_digest(&request.into_inner().digest).map_err(to_status)?;
        self.0.delete(&scope, &digest).await.map(Response::new).map_err(to_status)
    }

    async fn read(&self, request: Request<wire::ReadContentRequest>) -> Answer<Self::ReadStream> {
        let Range { reader, offset, len } = open(&*self.0, request).await?;
        Ok(Response::new(Box::pin(range(reader, offset, len))))
    }

    async fn status(&self, request: Request<wire::StatusRequest>) -> Answer<wire::StatusResponse> {
        let scope = scope::of(&request)?;
        let found = self.0.status(&scope, &request.into_inner().r#ref).await;
        let status = Some(status(found.map_err(to_status)?));
        Ok(Response::new(wire::StatusResponse { status }))
    }

    async fn list_statuses(
        &self,
        request: Request<wire::ListStatusesRequest>,
    ) -> Answer<wire::ListStatusesResponse> {
        let scope = scope::of(&request)?;
        let all = self.0.list_statuses(&scope, &request.into_inner().filters).await;
        let statuses = all.map_err(to_status)?.into_iter().map(status).collect();
        Ok(Response::new(wire::ListStatusesResponse { statuses }))
    }

    async fn write(
        &self,
        request: Request<Streaming<wire::WriteContentRequest>>,
    ) -> Answer<Self::WriteStream> {
        let scope = scope::of(&request)?;
        let answers =
            super::write::write(&*self.0, &scope, Box::pin(request.into_inner()), true).await?;
        Ok(Response::new(Box::pin(answers)))
    }

    async fn abort(&self, request: Request<wire::AbortRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let done = self.0.abort(&scope, &request.into_inner().r#ref).await;
        done.map(Response::new).map_err(to_status)
    }
}

/// What is to be read of a blob.
pub(super) struct Range {
    pub reader: Arc<dyn Reader>,
    pub offset: u64,
    /// No more than there is.
    pub len: u64,
}

/// Finds what a request is for.
pub(super) async fn open(
    content: &dyn Content,
    request: Request<wire::ReadContentRequest>,
) -> Result<Range, Status> {
    let scope = scope::of(&request)?;
    let request = request.into_inner();
    let digest = convert::from_digest(&request.digest).map_err(to_status)?;
    let offset = unsigned("the offset of a read", request.offset).map_err(to_status)?;
    let len = unsigned("the size of a read", request.size).map_err(to_status)?;
    let reader = content.reader(&scope, &digest).await.map_err(to_status)?;
    if offset > reader.size() {
        let message = format!("blob {digest}: has {} bytes, not {offset}", reader.size());
        return Err(to_status(Error::new(Kind::OutOfRange, message)));
    }
    let all = reader.size() - offset;
    let len = if len == 0 { all } else { len.min(all) };
    Ok(Range { reader, offset, len })
}

/// `len` bytes from `offset`, a chunk at a time and only as they are taken.
fn range(
    reader: Arc<dyn Reader>,
    offset: u64,
    len: u64,
) -> impl Stream<Item = Result<wire::ReadContentResponse, Status>> + Send {
    try_unfold((reader, offset, len), |(reader, offset, left)| async move {
        if left == 0 {
            return Ok(None);
        }
        let most = usize::try_from(left).unwrap_or(CHUNK).min(CHUNK);
        let data = reader.read_at(offset, most).await.map_err(to_status)?;
        let len = data.len() as u64;
        if len == 0 {
            return Err(to_status(Error::data_loss("a blob ended before its size")));
        }
        let answer = wire::ReadContentResponse { offset: signed(offset), data };
        Ok(Some((answer, (reader, offset + len, left - len))))
    })
}
