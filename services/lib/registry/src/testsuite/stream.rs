//! Bodies that come as the faults say.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;

use super::faults::Fault;
use super::shelf::Source;

const CHUNK: usize = 64 << 10;

pub(super) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A source from `at` to `end`, and what goes wrong on the way.
struct Flow {
    source: Source,
    at: u64,
    end: u64,
    sent: Arc<AtomicU64>,
    chunk: usize,
    pause: Duration,
    cut: Option<u64>,
    stall: Option<u64>,
    endless: bool,
    other: bool,
}

/// The body, and the count of its bytes.
pub(super) fn body(source: Source, at: u64, end: u64, faults: &[Fault]) -> (Body, Arc<AtomicU64>) {
    let sent = Arc::new(AtomicU64::new(0));
    let mut flow = Flow {
        source,
        at,
        end,
        sent: Arc::clone(&sent),
        chunk: CHUNK,
        pause: Duration::ZERO,
        cut: None,
        stall: None,
        endless: false,
        other: false,
    };
    for fault in faults {
        match fault {
            Fault::Cut(bytes) => flow.cut = Some(*bytes),
            Fault::Stall(bytes) => flow.stall = Some(*bytes),
            Fault::Slow(chunk, pause) => (flow.chunk, flow.pause) = (*chunk, *pause),
            Fault::Endless => flow.endless = true,
            Fault::OtherBytes => flow.other = true,
            _ => {}
        }
    }
    let frames = stream::unfold(flow, async |mut flow| {
        let frame = flow.next().await?;
        Some((frame.map(Frame::data), flow))
    });
    (StreamBody::new(frames).boxed_unsync(), sent)
}

impl Flow {
    async fn next(&mut self) -> Option<std::io::Result<Bytes>> {
        let sent = self.sent.load(Ordering::Relaxed);
        let room = |limit: Option<u64>| limit.map_or(u64::MAX, |limit| limit.saturating_sub(sent));
        if room(self.stall) == 0 {
            std::future::pending::<()>().await;
        }
        if room(self.cut) == 0 {
            // What was handed over shall be on its way first.
            tokio::time::sleep(Duration::from_millis(20)).await;
            return Some(Err(std::io::Error::other("cut, as a fault says")));
        }
        if sent > 0 && !self.pause.is_zero() {
            tokio::time::sleep(self.pause).await;
        }
        let len = (self.chunk as u64).min(room(self.cut)).min(room(self.stall));
        let bytes = self.read(usize::try_from(len).unwrap_or(CHUNK))?;
        if let Ok(bytes) = &bytes {
            self.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        Some(bytes)
    }

    fn read(&mut self, len: usize) -> Option<std::io::Result<Bytes>> {
        let left = self.end - self.at;
        if left == 0 {
            return self.endless.then(|| Ok(Bytes::from(vec![0; len])));
        }
        let len = usize::try_from(left).map_or(len, |left| len.min(left));
        let bytes = self.source.read_at(self.at, len);
        self.at += len as u64;
        let other = |bytes: Bytes| bytes.iter().map(|byte| !byte).collect::<Bytes>();
        Some(if self.other { bytes.map(other) } else { bytes })
    }
}
