//! The writer: what a caller holds while it writes one ingest.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::OwnedSemaphorePermit;
use varve_core::content::{self, Commit, OpenWriter, Status};
use varve_core::{Digest, Error, Kind, Result, Scope};

use super::channel::{Channel, open_data};
use super::commit::{self, Checked};
use super::pump::Request;
use super::{Held, Ingest};
use crate::layout::at;
use crate::records::blocking;
use crate::store::Store;

/// The one writer of an ingest.
pub struct Writer {
    pub store: Arc<Store>,
    pub scope: Scope,
    pub ingest: Arc<Ingest>,
    /// Shared with what goes on in the background for this writer, if it is given up meanwhile.
    pub held: Option<Arc<Held>>,
    state: State,
    _slot: OwnedSemaphorePermit,
}

/// Where the bytes are.
pub enum State {
    /// Nowhere yet: another namespace has the blob, and committing links it.
    Linked {
        digest: Digest,
        size: u64,
    },
    Open(Channel),
    Done,
}

impl Writer {
    /// Opens or resumes an ingest that is held already.
    pub async fn open(store: Arc<Store>, scope: &Scope, held: Held) -> Result<Self> {
        let slot = Arc::clone(&store.writers).try_acquire_owned().map_err(|_| {
            Error::unavailable(format!("{} writers are open already", store.config.max_writers))
        })?;
        let mut writer = Self {
            store,
            scope: scope.clone(),
            ingest: Arc::clone(&held.0),
            held: Some(Arc::new(held)),
            state: State::Done,
            _slot: slot,
        };
        writer.state = match writer.elsewhere().await? {
            Some((digest, size)) => State::Linked { digest, size },
            None => State::Open(Channel::start(&writer.ingest).await?),
        };
        Ok(writer)
    }

    /// The blob that this ingest expects, where another namespace has it and nothing was written.
    async fn elsewhere(&self) -> Result<Option<(Digest, u64)>> {
        let ingest = &self.ingest;
        let Some(digest) = ingest.aims().expected else { return Ok(None) };
        if ingest.taken().0 > 0 {
            return Ok(None);
        }
        let Some(record) = self.store.held_by_any(&digest).await? else { return Ok(None) };
        let sound = self.store.is_sound(digest).await?;
        Ok(sound.then_some((digest, record.size)))
    }

    /// The channel; a linked blob is copied first, because it is about to be changed.
    async fn channel(&mut self) -> Result<&mut Channel> {
        if let State::Linked { digest, size } = self.state {
            self.state = State::Open(self.copy(digest, size).await?);
        }
        match &mut self.state {
            State::Open(channel) => Ok(channel),
            _ => Err(Error::precondition(format!(
                "ingest {}: this writer is done; open another",
                self.ingest.reference
            ))),
        }
    }

    async fn copy(&self, digest: Digest, size: u64) -> Result<Channel> {
        let (ingest, layout) = (Arc::clone(&self.ingest), self.store.layout.clone());
        blocking(move || {
            let mut from = layout.open_blob(&digest, size)?;
            let mut to = open_data(&ingest)?;
            std::io::copy(&mut from, &mut to).map_err(|error| at(&ingest.data(), error))?;
            Ok(())
        })
        .await?;
        Channel::start(&self.ingest).await
    }
}

#[async_trait]
impl content::Writer for Writer {
    async fn write(&mut self, bytes: Bytes) -> Result<()> {
        let len = bytes.len() as u64;
        if len > 0 {
            self.channel().await?.write(bytes).await?;
            self.ingest.take(self.ingest.taken().0 + len);
        }
        Ok(())
    }

    fn status(&self) -> Status {
        let mut status = self.ingest.status();
        if let State::Linked { size, .. } = &self.state {
            (status.offset, status.total) = (*size, *size);
        }
        status
    }

    async fn digest(&mut self) -> Result<Digest> {
        match &self.state {
            State::Linked { digest, .. } => Ok(*digest),
            _ => self.channel().await?.ask(Request::Digest).await,
        }
    }

    async fn truncate(&mut self, size: u64) -> Result<()> {
        let now = self.status().offset;
        if size > now {
            let message = format!("cannot cut an ingest of {now} bytes to {size}");
            return Err(Error::new(Kind::OutOfRange, message));
        }
        if size == 0
            && let State::Linked { .. } = self.state
        {
            self.state = State::Open(Channel::start(&self.ingest).await?);
            return Ok(());
        }
        let channel = self.channel().await?;
        channel.ask(|answer| Request::Truncate(size, answer)).await?;
        self.ingest.take(size);
        Ok(())
    }

    async fn commit(&mut self, commit: Commit) -> Result<Digest> {
        let answer = self.finish(commit).await;
        // Whatever the answer, the ref is free again: a client may open it anew at once.
        self.state = State::Done;
        self.held = None;
        answer
    }
}

impl Writer {
    async fn finish(&mut self, commit: Commit) -> Result<Digest> {
        varve_core::labels::check(&commit.labels)?;
        let aims = self.ingest.aims();
        let want = Checked {
            size: if commit.size > 0 { commit.size } else { aims.total },
            expected: commit.expected.or(aims.expected),
        };
        if let State::Linked { digest, size } = self.state {
            want.check(&self.ingest, size, &digest)?;
            return commit::link(self, digest, commit.labels).await;
        }
        let digest = self.channel().await?.ask(Request::Digest).await?;
        let size = self.ingest.taken().0;
        want.check(&self.ingest, size, &digest)?;
        self.channel().await?.ask(Request::Sync).await?;
        commit::place(self, digest, size, commit.labels).await
    }
}

/// Refuses what cannot be a ref.
pub fn check(open: &OpenWriter) -> Result<()> {
    crate::records::noun::check_name("ref", &open.ingest)
}
