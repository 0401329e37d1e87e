//! Bytes that pass through a file beside the wire, message by message.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use tokio::sync::mpsc::UnboundedSender;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Code, Status, Streaming};
use varve_content_store::ContentStore;
use varve_core::content::Content;
use varve_core::{Digest, Scope};
use varve_proto::containerd::services::content::v1::{WriteAction, WriteContentRequest};
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;
use varve_proto::varve::content::v1::{Passed, WriteRequest, WriteResponse};
use varve_rpc::channel::channel;
use varve_rpc::events::Bus;
use varve_rpc::{Address, Listener, Served, Shutdown, serve};

/// A store that is served, and one stream of a writer to it.
struct Session {
    store: Arc<ContentStore>,
    messages: UnboundedSender<WriteRequest>,
    answers: Streaming<WriteResponse>,
    shutdown: Shutdown,
    server: JoinHandle<varve_core::Result<()>>,
}

impl Session {
    /// Opens an ingest that will have `total` bytes, and takes the first answer.
    async fn open(dir: &Path, total: i64) -> (Self, WriteResponse) {
        let store = kit::store(&dir.join("content")).await;
        let address = Address::Unix(dir.canonicalize().unwrap().join("sock"));
        let shutdown = Shutdown::new();
        let served = Served::default().content_store(store.clone(), Bus::new(), &shutdown);
        let listener = Listener::bind(&address).await.unwrap();
        let server = tokio::spawn(serve(listener, served, shutdown.clone()));
        let (messages, stream) = tokio::sync::mpsc::unbounded_channel();
        let (action, name) = (WriteAction::Stat.into(), "r".to_owned());
        let first = WriteContentRequest { action, r#ref: name, total, ..Default::default() };
        messages.send(WriteRequest { write: Some(first), passed: None }).unwrap();
        let mut request = tonic::Request::new(UnboundedReceiverStream::new(stream));
        request.metadata_mut().insert("containerd-namespace", "default".parse().unwrap());
        let answers = ContentStoreClient::new(channel(&address)).write(request).await;
        let answers = answers.unwrap().into_inner();
        let mut session = Self { store, messages, answers, shutdown, server };
        let answer = session.answers.message().await.unwrap().unwrap();
        (session, answer)
    }

    async fn say(
        &mut self,
        action: WriteAction,
        offset: i64,
        data: &[u8],
        passed: Option<Passed>,
    ) -> Result<i64, Status> {
        let (action, data) = (action.into(), data.to_vec().into());
        let write = WriteContentRequest { action, offset, data, ..Default::default() };
        self.messages.send(WriteRequest { write: Some(write), passed }).unwrap();
        let answer = self.answers.message().await?.unwrap();
        assert!(answer.file.is_none(), "a file is named once");
        Ok(answer.write.unwrap().offset)
    }

    async fn end(self) {
        drop((self.messages, self.answers));
        self.shutdown.start();
        self.server.await.unwrap().unwrap();
        self.store.close().await.unwrap();
    }
}

#[tokio::test]
async fn bytes_are_taken_from_the_file_and_from_messages_in_turn() {
    let dir = tempfile::tempdir().unwrap();
    let (mut session, first) = Session::open(dir.path(), 1 << 20).await;
    let path = first.file.unwrap().path;
    let file = OpenOptions::new().write(true).open(&path).unwrap();
    file.write_all_at(b"-passed-", 10).unwrap();
    let passed = |offset, length| Some(Passed { offset, length });
    let write = WriteAction::Write;
    assert_eq!(session.say(write, 0, b"", passed(10, 8)).await.unwrap(), 8);
    assert_eq!(session.say(write, 8, b"sent", None).await.unwrap(), 12);
    file.write_all_at(b"+", 10).unwrap();
    assert_eq!(session.say(write, 12, b"", passed(10, 1)).await.unwrap(), 13);
    let digest = Digest::of(b"-passed-sent+");
    let commit = WriteContentRequest {
        action: WriteAction::Commit.into(),
        offset: 13,
        total: 13,
        expected: digest.to_string(),
        ..Default::default()
    };
    session.messages.send(WriteRequest { write: Some(commit), passed: None }).unwrap();
    session.answers.message().await.unwrap().unwrap();
    assert!(session.answers.message().await.unwrap().is_none());
    let blob = session.store.reader(&Scope::default(), &digest).await.unwrap();
    assert_eq!(blob.read_all(100).await.unwrap(), "-passed-sent+");
    session.end().await;
    assert!(!Path::new(&path).exists(), "the file goes with the stream");
}

#[tokio::test]
async fn what_was_not_put_into_the_file_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let (mut session, first) = Session::open(dir.path(), 1 << 20).await;
    assert!(first.file.is_some());
    let passed = Some(Passed { offset: 0, length: 5 });
    let refused = session.say(WriteAction::Write, 0, b"", passed).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert_eq!(session.store.status(&Scope::default(), "r").await.unwrap().offset, 0);
    session.end().await;
}

#[tokio::test]
async fn a_document_needs_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let (mut session, first) = Session::open(dir.path(), 4).await;
    assert!(first.file.is_none());
    let passed = Some(Passed { offset: 0, length: 4 });
    let refused = session.say(WriteAction::Write, 0, b"", passed).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    session.end().await;
}

#[tokio::test]
async fn files_of_a_process_that_died_are_removed_at_the_next_open() {
    let dir = tempfile::tempdir().unwrap();
    let passing = dir.path().join("content/passing");
    std::fs::create_dir_all(&passing).unwrap();
    std::fs::write(passing.join("7"), "left").unwrap();
    let store = kit::store(&dir.path().join("content")).await;
    assert_eq!(store.passing().unwrap(), passing);
    assert_eq!(std::fs::read_dir(passing).unwrap().count(), 0);
    store.close().await.unwrap();
}
