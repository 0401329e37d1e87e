//! A snapshotter elsewhere, as the collector sees it: it is asked over the stream that it has opened.

use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Mutex, mpsc};
use tonic::{Status, Streaming};
use varve_core::collect::{Attendee, Frozen};
use varve_core::{Error, Kind, Namespace, Result};
use varve_proto::varve::content::v1 as wire;
use wire::attend_request::Says;
use wire::attend_response::Asks;

use super::convert::{confused, from_failure, from_node, place};

/// How long each answer may take. Removing walks directories.
const FREEZE: Duration = Duration::from_secs(30);
const REMOVE: Duration = Duration::from_secs(10 * 60);
/// Snapshots in one message.
const BATCH: usize = 4096;

/// What the server sends on the stream.
pub type Question = Result<wire::AttendResponse, Status>;

/// The snapshotter. One question at a time.
pub struct Remote(Mutex<Line>);

struct Line {
    asks: mpsc::Sender<Question>,
    answers: Streaming<wire::AttendRequest>,
    /// Of the last question.
    id: u64,
}

impl Remote {
    pub fn new(asks: mpsc::Sender<Question>, answers: Streaming<wire::AttendRequest>) -> Self {
        Self(Mutex::new(Line { asks, answers, id: 0 }))
    }
}

#[async_trait]
impl Attendee for Remote {
    async fn freeze(&self) -> Result<Frozen> {
        within(FREEZE, async {
            let mut line = self.0.lock().await;
            line.ask(vec![Asks::Freeze(wire::Freeze {})]).await?;
            let mut frozen = Frozen::default();
            loop {
                let Says::Frozen(part) = line.answer().await? else { return Err(confused()) };
                frozen.generation = part.generation;
                for node in part.nodes {
                    frozen.nodes.push(from_node(node)?);
                }
                if !part.more {
                    return Ok(frozen);
                }
            }
        })
        .await
    }

    async fn remove(&self, generation: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        within(REMOVE, async {
            let mut line = self.0.lock().await;
            line.ask(removals(generation, &doomed)).await?;
            match line.answer().await? {
                Says::Removed(removed) => Ok(removed.bytes),
                _ => Err(confused()),
            }
        })
        .await
    }
}

fn removals(generation: u64, doomed: &[(Namespace, String)]) -> Vec<Asks> {
    let batches = doomed.len().div_ceil(BATCH).max(1);
    let batch = |at: usize| {
        let part = doomed.iter().skip(at * BATCH).take(BATCH);
        let doomed = part.map(|(namespace, key)| place(namespace, key)).collect();
        Asks::Remove(wire::Remove { generation, doomed, more: at + 1 < batches })
    };
    (0..batches).map(batch).collect()
}

impl Line {
    async fn ask(&mut self, question: Vec<Asks>) -> Result<()> {
        self.id += 1;
        for asks in question {
            let message = wire::AttendResponse { id: self.id, asks: Some(asks) };
            self.asks.send(Ok(message)).await.map_err(|_| away())?;
        }
        Ok(())
    }

    /// The next part of the answer. Those to questions that nobody waited for are passed over.
    async fn answer(&mut self) -> Result<Says> {
        loop {
            let message =
                self.answers.message().await.map_err(|status| away().with_source(status))?;
            let message = message.ok_or_else(away)?;
            match message.says {
                _ if message.id != self.id => {}
                Some(Says::Failed(failure)) => return Err(from_failure(failure)),
                Some(says) => return Ok(says),
                None => return Err(confused()),
            }
        }
    }
}

fn away() -> Error {
    Error::unavailable("the snapshotter has gone away")
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    let late = |_| Error::new(Kind::DeadlineExceeded, "the snapshotter did not answer in time");
    tokio::time::timeout(limit, work).await.map_err(late)?
}
