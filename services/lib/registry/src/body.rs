//! Bodies: every one has a cap and a stall limit.

use std::time::{Duration, Instant};

use bytes::{Bytes, BytesMut};
use tokio::sync::OwnedSemaphorePermit;
use varve_core::oci::LARGE;
use varve_core::{Error, Kind};

use crate::exchange::Answer;
use crate::failure::Failure;

/// Bytes that must come within the stall limit: a byte a minute is a stall too.
const FLOOR: usize = 1 << 10;

/// A body as it arrives. It keeps its place at the host until it is dropped.
pub(crate) struct Body {
    host: String,
    response: reqwest::Response,
    stall: Duration,
    /// Waited for since `FLOOR` bytes last came. The reader's own time does not count.
    waited: Duration,
    came: usize,
    _permit: OwnedSemaphorePermit,
}

impl Body {
    pub(crate) fn new(answer: Answer, stall: Duration) -> Self {
        let host = answer.authority();
        let (response, _permit) = (answer.response, answer.permit);
        Self { host, response, stall, waited: Duration::ZERO, came: 0, _permit }
    }

    /// The next bytes, however few; `None` at the end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let (began, left) = (Instant::now(), self.stall.saturating_sub(self.waited));
        match tokio::time::timeout(left, self.response.chunk()).await {
            Ok(Ok(chunk)) => {
                self.count(began.elapsed(), chunk.as_ref().map_or(0, Bytes::len));
                Ok(chunk)
            }
            Ok(Err(error)) => Err(Failure::from_http(&self.host, error)),
            Err(_) => Err(Failure::stalled(&self.host, self.stall)),
        }
    }

    fn count(&mut self, waited: Duration, came: usize) {
        self.waited += waited;
        self.came += came;
        if self.came >= FLOOR {
            (self.waited, self.came) = (Duration::ZERO, 0);
        }
    }

    /// All of it within `limit`, refused (`what` being its name) at the first byte beyond `cap`. A kibibyte
    /// now and then is no stall; for mebibytes it would be a day.
    pub(crate) async fn all(
        self,
        what: &str,
        cap: usize,
        limit: Duration,
    ) -> Result<Bytes, Failure> {
        let late = Error::new(
            Kind::DeadlineExceeded,
            format!("{} took more than {} s to send {what}", self.host, limit.as_secs_f64()),
        );
        let all = tokio::time::timeout(limit, self.whole(what, cap)).await;
        all.unwrap_or_else(|_| Err(Failure::passing(late)))
    }

    async fn whole(mut self, what: &str, cap: usize) -> Result<Bytes, Failure> {
        let mut all = BytesMut::new();
        while let Some(chunk) = self.chunk().await? {
            if all.len() + chunk.len() > cap {
                let message =
                    format!("{} sent {what} of more than {cap} bytes; {LARGE}", self.host);
                return Err(Error::exhausted(message).into());
            }
            all.extend_from_slice(&chunk);
        }
        Ok(all.freeze())
    }

    /// The first `cap` bytes, or as many as came before it broke or the stall limit was over: for the
    /// text of an error, which nobody waits long for.
    pub(crate) async fn head(mut self, cap: usize) -> Bytes {
        let (limit, mut head) = (self.stall, BytesMut::new());
        let read = async {
            while let Ok(Some(chunk)) = self.chunk().await {
                head.extend_from_slice(&chunk[..chunk.len().min(cap - head.len())]);
                if head.len() >= cap {
                    break;
                }
            }
        };
        // What came is what there is.
        let _ = tokio::time::timeout(limit, read).await;
        head.freeze()
    }
}
