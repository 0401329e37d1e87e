//! A snapshotter's side of its attendance: it is asked, and answers.

use std::sync::Arc;
use std::time::Duration;

use prost::Message;
use tokio::sync::mpsc;
use tokio::time::sleep;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;
use tonic::transport::Channel;
use varve_core::collect::{Attendee, Frozen};
use varve_core::{Error, Namespace, Result};
use varve_proto::varve::content::v1 as wire;
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;
use wire::attend_request::Says;
use wire::attend_response::Asks;

use super::convert::{failure, from_place, node};
use crate::channel::MAX_MESSAGE;
use crate::status::from_status;

/// Between two attempts to attend: the first, doubled up to the last. While the snapshotter is away no
/// blob is collected, so a store that is back is found soon, however long it was gone.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(1));
/// Bytes of nodes in one message, more or less.
const BATCH: usize = 1 << 20;

/// Attends every collection of the store behind `channel`, as the snapshotter `name`, until it is
/// cancelled. While the store is away it is tried again and again.
pub async fn attend(channel: Channel, name: &str, attendee: Arc<dyn Attendee>) {
    let store = ContentStoreClient::new(channel).max_decoding_message_size(MAX_MESSAGE);
    again(store, name, attendee).await;
}

async fn again(store: ContentStoreClient<Channel>, name: &str, attendee: Arc<dyn Attendee>) {
    let (first, last) = BACK_OFF;
    let mut pause = first;
    loop {
        match Attendance::begin(store.clone(), name).await {
            Ok(attendance) => {
                pause = first;
                attendance.serve(name, &*attendee).await;
            }
            // Said once, and not each second.
            Err(error) if pause == first => {
                tracing::warn!(name, error = %error.chain(), "cannot attend collections; trying again");
            }
            Err(error) => {
                tracing::debug!(name, error = %error.chain(), "cannot attend collections")
            }
        }
        sleep(pause).await;
        pause = last.min(pause * 2);
    }
}

/// One stream, on which the store has said that it knows the snapshotter.
pub struct Attendance {
    answers: mpsc::Sender<wire::AttendRequest>,
    asks: Streaming<wire::AttendResponse>,
}

impl Attendance {
    pub async fn begin(mut store: ContentStoreClient<Channel>, name: &str) -> Result<Self> {
        let (answers, messages) = mpsc::channel(1);
        let hello = Says::Hello(wire::Hello { name: name.to_owned() });
        // There is room: it is the first.
        let _ = answers.try_send(wire::AttendRequest { id: 0, says: Some(hello) });
        let asks = store.attend(ReceiverStream::new(messages)).await.map_err(from_status)?;
        let mut asks = asks.into_inner();
        match asks.message().await.map_err(from_status)?.and_then(|first| first.asks) {
            Some(Asks::Attending(_)) => Ok(Self { answers, asks }),
            _ => Err(Error::unavailable("the content store is about to leave")),
        }
    }

    /// Serves this stream, and all that follow it.
    pub async fn go_on(
        self,
        store: ContentStoreClient<Channel>,
        name: &str,
        attendee: Arc<dyn Attendee>,
    ) {
        self.serve(name, &*attendee).await;
        again(store, name, attendee).await;
    }

    /// Answers until the stream ends.
    async fn serve(mut self, name: &str, attendee: &dyn Attendee) {
        let mut doomed = Vec::new();
        while let Ok(Some(question)) = self.asks.message().await {
            let id = question.id;
            let says = match question.asks {
                Some(Asks::Freeze(_)) => frozen(attendee.freeze().await),
                Some(Asks::Remove(remove)) => {
                    doomed.extend(remove.doomed);
                    if remove.more {
                        continue;
                    }
                    vec![removed(attendee, remove.generation, std::mem::take(&mut doomed)).await]
                }
                _ => continue,
            };
            for says in says {
                if self.answers.send(wire::AttendRequest { id, says: Some(says) }).await.is_err() {
                    break;
                }
            }
        }
        tracing::info!(name, "the content store has left; attending again when it is back");
    }
}

async fn removed(attendee: &dyn Attendee, generation: u64, doomed: Vec<wire::Place>) -> Says {
    let doomed: Result<Vec<(Namespace, String)>> = doomed.into_iter().map(from_place).collect();
    let removed = match doomed {
        Ok(doomed) => attendee.remove(generation, doomed).await,
        Err(error) => Err(error),
    };
    match removed {
        Ok(bytes) => Says::Removed(wire::Removed { bytes }),
        Err(error) => Says::Failed(failure(error)),
    }
}

/// In batches: a list can be longer than a message may be.
fn frozen(frozen: Result<Frozen>) -> Vec<Says> {
    let Frozen { generation, nodes } = match frozen {
        Ok(frozen) => frozen,
        Err(error) => return vec![Says::Failed(failure(error))],
    };
    let (mut batches, mut size) = (vec![Vec::new()], 0);
    for one in nodes.into_iter().map(node) {
        size += one.encoded_len();
        batches.last_mut().expect("there is always one").push(one);
        if size > BATCH {
            (size, _) = (0, batches.push(Vec::new()));
        }
    }
    let last = batches.len() - 1;
    let batch = |(at, nodes)| Says::Frozen(wire::Frozen { generation, nodes, more: at < last });
    batches.into_iter().enumerate().map(batch).collect()
}
