//! A snapshotter whose nodes are given, and that can be held up.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use tokio::sync::oneshot::{self, Receiver, Sender};
use varve_core::collect::{Attendee, Frozen, Node};
use varve_core::{Error, Namespace, Result};

use super::labels;

/// A place to stop at, once: whoever comes there tells, and waits for the answer.
#[derive(Default)]
pub struct Pause(Mutex<Option<Sender<Sender<()>>>>);

impl Pause {
    /// Gets what tells the next one to come on.
    pub fn set(&self) -> Receiver<Sender<()>> {
        let (tell, told) = oneshot::channel();
        *self.0.lock().unwrap() = Some(tell);
        told
    }

    async fn wait(&self) {
        let tell = self.0.lock().unwrap().take();
        if let Some(tell) = tell {
            let (go_on, told) = oneshot::channel();
            let _ = tell.send(go_on);
            let _ = told.await;
        }
    }
}

/// Key, parent, labels.
pub type Snapshot<'a> = (&'a str, Option<&'a str>, &'a [(&'a str, &'a str)]);

/// A snapshotter whose nodes are given.
#[derive(Default)]
pub struct Snapshotter {
    pub nodes: Mutex<Vec<Node>>,
    pub removed: Mutex<Vec<String>>,
    /// Told between the freeze and the mark, which waits for the answer.
    pub meanwhile: Pause,
    /// Told when removing begins, which waits for the answer.
    pub removing: Pause,
    pub away: AtomicBool,
}

impl Snapshotter {
    pub fn with(nodes: &[Snapshot<'_>]) -> Arc<Self> {
        let node = |(key, parent, own): &Snapshot<'_>| Node {
            namespace: Namespace::default(),
            key: key.to_string(),
            parent: parent.map(str::to_owned),
            labels: labels(own),
            size: 10,
        };
        Arc::new(Self { nodes: Mutex::new(nodes.iter().map(node).collect()), ..Self::default() })
    }
}

#[async_trait]
impl Attendee for Snapshotter {
    async fn freeze(&self) -> Result<Frozen> {
        if self.away.load(Ordering::Relaxed) {
            return Err(Error::unavailable("away"));
        }
        let nodes = self.nodes.lock().unwrap().clone();
        self.meanwhile.wait().await;
        Ok(Frozen { generation: 1, nodes })
    }

    async fn remove(&self, _: u64, doomed: Vec<(Namespace, String)>) -> Result<u64> {
        self.removing.wait().await;
        let mut nodes = self.nodes.lock().unwrap();
        nodes.retain(|node| !doomed.iter().any(|(_, key)| *key == node.key));
        let bytes = 10 * doomed.len() as u64;
        self.removed.lock().unwrap().extend(doomed.into_iter().map(|(_, key)| key));
        Ok(bytes)
    }
}
