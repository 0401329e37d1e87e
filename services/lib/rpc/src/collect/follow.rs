//! The stream of one follower, served: each question is answered by what came next.

use std::fs::File;
use std::sync::Arc;

use futures_util::stream::try_unfold;
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use varve_core::content::{Content, Extent, Follower};
use varve_core::{Kind, Result, Scope};
use varve_proto::varve::content::v1 as wire;
use wire::{FollowRequest as Question, FollowResponse as Answer};

use crate::channel::CHUNK;
use crate::convert;
use crate::shared_file;
use crate::status::to_status;

struct Following {
    follower: Box<dyn Follower>,
    questions: Streaming<Question>,
    /// The first question has come with the digest.
    asked: bool,
    inline: bool,
    /// The file that was named.
    named: Option<Arc<File>>,
    /// Bytes that were more than one message carries.
    rest: bytes::Bytes,
}

/// Follows the digest that the first message names.
pub async fn follow(
    content: &dyn Content,
    scope: &Scope,
    mut questions: Streaming<Question>,
) -> Result<impl Stream<Item = Result<Answer, Status>> + Send + use<>, Status> {
    let first = questions.message().await?.unwrap_or_default();
    let digest = convert::from_digest(&first.digest).map_err(to_status)?;
    let follower = content.follow(scope, &digest).await.map_err(to_status)?;
    let following = Following {
        follower,
        questions,
        asked: true,
        inline: first.inline,
        named: None,
        rest: bytes::Bytes::new(),
    };
    Ok(try_unfold(following, |following| following.step()))
}

impl Following {
    async fn step(mut self) -> Result<Option<(Answer, Self)>, Status> {
        if !std::mem::take(&mut self.asked) && self.questions.message().await?.is_none() {
            // The client has left, and must not take this end for the blob's.
            return Err(Status::cancelled("the follower left"));
        }
        let answer = self.answer().await.map_err(to_status)?;
        Ok(answer.map(|answer| (answer, self)))
    }

    async fn answer(&mut self) -> Result<Option<Answer>> {
        if !self.inline {
            match self.follower.next_extent().await {
                Ok(extent) => return Ok(extent.map(|extent| self.name(&extent))),
                Err(error) if error.kind() == Kind::Unimplemented => self.inline = true,
                Err(error) => return Err(error),
            }
        }
        if self.rest.is_empty() {
            let Some(bytes) = self.follower.next().await? else { return Ok(None) };
            self.rest = bytes;
        }
        let bytes = self.rest.split_to(self.rest.len().min(CHUNK));
        Ok(Some(Answer { bytes, ..Answer::default() }))
    }

    /// Tells how far the file can be read, and which it is where that is news.
    fn name(&mut self, extent: &Extent) -> Answer {
        let before = self.named.replace(Arc::clone(&extent.file));
        let news = before.is_none_or(|before| !Arc::ptr_eq(&before, &extent.file));
        // One that cannot be named is one that the client cannot open: it asks again, inline.
        let file = news.then(|| shared_file::name(&extent.file, &extent.path).unwrap_or_default());
        Answer { file, readable: extent.end, ..Answer::default() }
    }
}
