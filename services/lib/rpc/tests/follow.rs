//! Followers whose bytes stand in a file that both sides may see.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use varve_core::content::{Content, Extent, Follower, Info, OpenWriter, Reader, Status, Writer};
use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;
use varve_core::{Digest, Error, Kind, Labels, Mask, Result, Scope};

/// A store in memory whose followers read a file that grows by a step each time.
struct Filed {
    memory: memory::Store,
    path: PathBuf,
    /// What followers tell of the file, and how many asked for bytes.
    told: PathBuf,
    sent: Arc<AtomicUsize>,
    /// How many steps there are before the ingest begins anew.
    steps: usize,
}

struct Steps {
    path: PathBuf,
    file: Arc<File>,
    told: PathBuf,
    sent: Arc<AtomicUsize>,
    left: usize,
    end: u64,
}

const STEP: usize = 300_000;

#[async_trait]
impl Follower for Steps {
    async fn next(&mut self) -> Result<Option<Bytes>> {
        self.sent.fetch_add(1, Ordering::SeqCst);
        let end = self.end;
        let Some(_) = self.next_extent().await? else { return Ok(None) };
        let all = std::fs::read(&self.path).unwrap();
        Ok(Some(all[usize::try_from(end).unwrap()..].to_vec().into()))
    }

    async fn next_extent(&mut self) -> Result<Option<Extent>> {
        match self.left {
            0 => return Ok(None),
            1 if self.told.ends_with("aborted") => return Err(Error::aborted("begin anew")),
            _ => self.left -= 1,
        }
        let mut file = std::fs::OpenOptions::new().append(true).open(&self.path).unwrap();
        file.write_all(&vec![self.left as u8; STEP]).unwrap();
        self.end = file.metadata().unwrap().len();
        let path = self.told.clone();
        Ok(Some(Extent { file: self.file.clone(), path, end: self.end }))
    }
}

#[async_trait]
impl Content for Filed {
    async fn info(&self, scope: &Scope, digest: &Digest) -> Result<Info> {
        self.memory.info(scope, digest).await
    }
    async fn update(&self, s: &Scope, d: &Digest, labels: &Labels, mask: &Mask) -> Result<Info> {
        self.memory.update(s, d, labels, mask).await
    }
    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Info>> {
        Content::list(&self.memory, scope, filters).await
    }
    async fn delete(&self, scope: &Scope, digest: &Digest) -> Result<()> {
        Content::delete(&self.memory, scope, digest).await
    }
    async fn reader(&self, scope: &Scope, digest: &Digest) -> Result<Arc<dyn Reader>> {
        self.memory.reader(scope, digest).await
    }
    async fn status(&self, scope: &Scope, ingest: &str) -> Result<Status> {
        self.memory.status(scope, ingest).await
    }
    async fn list_statuses(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Status>> {
        self.memory.list_statuses(scope, filters).await
    }
    async fn writer(&self, scope: &Scope, open: OpenWriter) -> Result<Box<dyn Writer>> {
        self.memory.writer(scope, open).await
    }
    async fn abort(&self, scope: &Scope, ingest: &str) -> Result<()> {
        self.memory.abort(scope, ingest).await
    }
    async fn follow(&self, _: &Scope, _: &Digest) -> Result<Box<dyn Follower>> {
        let (path, told, sent) = (self.path.clone(), self.told.clone(), self.sent.clone());
        std::fs::write(&path, b"").unwrap();
        let file = Arc::new(File::open(&path).unwrap());
        Ok(Box::new(Steps { path, file, told, sent, left: self.steps, end: 0 }))
    }
}

struct Subject {
    content: Arc<dyn Content>,
    sent: Arc<AtomicUsize>,
    _serving: kit::Serving,
    _dir: tempfile::TempDir,
}

/// The follower's file is at `data`, and is told to be at `told`.
fn start(data: &str, told: &str, steps: usize) -> Subject {
    let dir = tempfile::tempdir().unwrap();
    let (path, told, sent) = (dir.path().join(data), dir.path().join(told), Arc::default());
    let sent: Arc<AtomicUsize> = sent;
    let filed = Filed { memory: memory::Store::new(), path, told, sent: sent.clone(), steps };
    let content = Arc::new(filed);
    let services = Services { content, ..Services::all(Arc::new(memory::Store::new())) };
    let pipes = kit::Pipes::new();
    let _serving = pipes.serve(kit::routes(&services), None);
    let content = kit::clients(&pipes.channel()).content;
    Subject { content, sent, _serving, _dir: dir }
}

async fn drain(subject: &Subject) -> (Vec<u8>, Result<()>) {
    let digest = Digest::of(b"any");
    let mut follower = subject.content.follow(&Scope::default(), &digest).await.unwrap();
    let mut all = Vec::new();
    loop {
        match follower.next().await {
            Ok(Some(bytes)) => all.extend_from_slice(&bytes),
            Ok(None) => return (all, Ok(())),
            Err(error) => return (all, Err(error)),
        }
    }
}

fn wanted(steps: usize) -> Vec<u8> {
    (0..steps).rev().flat_map(|step| vec![step as u8; STEP]).collect()
}

#[tokio::test]
async fn a_file_that_can_be_seen_is_read_and_not_sent() {
    let subject = start("a", "a", 5);
    let (all, end) = drain(&subject).await;
    end.unwrap();
    assert!(all == wanted(5));
    assert_eq!(subject.sent.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_file_that_cannot_be_seen_is_sent() {
    let subject = start("a", "elsewhere", 5);
    let (all, end) = drain(&subject).await;
    end.unwrap();
    assert!(all == wanted(5));
    assert!(subject.sent.load(Ordering::SeqCst) >= 5);
}

#[tokio::test]
async fn who_reads_a_file_of_an_ingest_that_began_anew_is_told() {
    let subject = start("aborted", "aborted", 3);
    let (all, end) = drain(&subject).await;
    assert_eq!(all.len(), 2 * STEP);
    assert_eq!(end.unwrap_err().kind(), Kind::Aborted);
}

#[tokio::test]
async fn extents_of_a_file_that_can_be_seen_are_told() {
    let subject = start("a", "a", 3);
    let digest = Digest::of(b"any");
    let mut follower = subject.content.follow(&Scope::default(), &digest).await.unwrap();
    let mut end = 0;
    while let Some(extent) = follower.next_extent().await.unwrap() {
        assert!(extent.end > end && extent.file.metadata().unwrap().len() >= extent.end);
        end = extent.end;
    }
    assert_eq!(end, 3 * STEP as u64);
}

#[tokio::test]
async fn asking_for_extents_of_bytes_that_are_sent_loses_none() {
    let subject = start("a", "elsewhere", 2);
    let digest = Digest::of(b"any");
    let mut follower = subject.content.follow(&Scope::default(), &digest).await.unwrap();
    let refusal = follower.next_extent().await.unwrap_err();
    assert_eq!(refusal.kind(), Kind::Unimplemented);
    let mut all = Vec::new();
    while let Some(bytes) = follower.next().await.unwrap() {
        all.extend_from_slice(&bytes);
    }
    assert!(all == wanted(2));
}
