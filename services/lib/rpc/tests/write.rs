//! Content.Write as containerd's clients speak it: message by message.

#![allow(clippy::unwrap_used, reason = "of tests")]

mod kit;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status, Streaming};
use varve_core::Digest;
use varve_core::testsuite::contract::Services;
use varve_core::testsuite::memory;
use varve_proto::containerd::services::content::v1::content_client::ContentClient;
use varve_proto::containerd::services::content::v1::{
    AbortRequest, StatusRequest, WriteAction, WriteContentRequest as Message,
    WriteContentResponse as Answer,
};

fn start() -> (ContentClient<Channel>, kit::Serving) {
    let pipes = kit::Pipes::new();
    let serving = pipes.serve(kit::routes(&Services::all(Arc::new(memory::Store::new()))), None);
    (ContentClient::new(pipes.channel()), serving)
}

/// One stream; it ends when this is dropped.
struct Session(mpsc::UnboundedSender<Message>, Streaming<Answer>);

impl Session {
    async fn open(client: &ContentClient<Channel>, first: Message) -> Result<Self, Status> {
        let (messages, stream) = mpsc::unbounded_channel();
        messages.send(first).unwrap();
        let answers = client.clone().write(UnboundedReceiverStream::new(stream)).await?;
        Ok(Self(messages, answers.into_inner()))
    }

    async fn answer(&mut self) -> Result<Answer, Status> {
        Ok(self.1.message().await?.expect("the stream goes on"))
    }

    async fn say(&mut self, message: Message) -> Result<Answer, Status> {
        self.0.send(message).unwrap();
        self.answer().await
    }
}

fn stat(name: &str) -> Message {
    Message { action: WriteAction::Stat.into(), r#ref: name.into(), ..Message::default() }
}

fn write(offset: i64, data: &'static [u8]) -> Message {
    let data = Bytes::from_static(data);
    Message { action: WriteAction::Write.into(), offset, data, ..Message::default() }
}

fn commit(offset: i64, total: i64, expected: &str) -> Message {
    let (action, expected) = (WriteAction::Commit.into(), expected.to_owned());
    Message { action, offset, total, expected, ..Message::default() }
}

#[tokio::test]
async fn a_first_message_without_a_ref_is_refused() {
    let (client, _serving) = start();
    let refused = Session::open(&client, stat("")).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn every_message_is_answered_and_a_commit_ends_the_stream() {
    let (client, _serving) = start();
    let mut session = Session::open(&client, stat("r")).await.unwrap();
    let told = session.answer().await.unwrap();
    assert_eq!((told.offset, told.digest), (0, Digest::of(b"").to_string()));
    let told = session.say(write(0, b"foo")).await.unwrap();
    assert_eq!((told.offset, told.digest), (3, Digest::of(b"foo").to_string()));
    assert_eq!(session.say(write(3, b"bar")).await.unwrap().offset, 6);
    let told = session.say(stat("r")).await.unwrap();
    assert_eq!((told.offset, told.digest), (6, Digest::of(b"foobar").to_string()));
    let done = session.say(commit(6, 6, "")).await.unwrap();
    assert_eq!(done.action(), WriteAction::Commit);
    assert_eq!((done.offset, done.digest), (6, Digest::of(b"foobar").to_string()));
    assert!(session.1.message().await.unwrap().is_none());
}

#[tokio::test]
async fn a_write_elsewhere_than_at_the_end_is_out_of_range_and_at_0_begins_anew() {
    let (client, _serving) = start();
    let mut session = Session::open(&client, stat("r")).await.unwrap();
    session.answer().await.unwrap();
    session.say(write(0, b"foo")).await.unwrap();
    assert_eq!(session.say(write(2, b"x")).await.unwrap_err().code(), Code::OutOfRange);
    // The stream has ended, and the ingest stays.
    let mut session = Session::open(&client, write(3, b"bar")).await.err().unwrap();
    assert_eq!(session.code(), Code::InvalidArgument);
    let mut again = Session::open(&client, stat("r")).await.unwrap();
    assert_eq!(again.answer().await.unwrap().offset, 3);
    assert_eq!(again.say(write(0, b"ba")).await.unwrap().offset, 2);
    session = again.say(commit(2, 3, "")).await.unwrap_err();
    assert_eq!(session.code(), Code::FailedPrecondition);
}

#[tokio::test]
async fn a_ref_is_locked_while_its_stream_lives_and_free_as_soon_as_it_ends() {
    let (client, _serving) = start();
    let mut first = Session::open(&client, stat("r")).await.unwrap();
    first.answer().await.unwrap();
    let locked = Session::open(&client, stat("r")).await.err().unwrap();
    assert_eq!(locked.code(), Code::Unavailable);
    first.say(write(0, b"kept")).await.unwrap();
    // The client says that it is done, and the server that it has heard.
    let Session(messages, mut answers) = first;
    drop(messages);
    assert!(answers.message().await.unwrap().is_none());
    let mut second = Session::open(&client, stat("r")).await.unwrap();
    assert_eq!(second.answer().await.unwrap().offset, 4);
}

#[tokio::test]
async fn a_ref_whose_writer_has_just_left_is_waited_for() {
    let (client, _serving) = start();
    let mut first = Session::open(&client, stat("r")).await.unwrap();
    first.answer().await.unwrap();
    first.say(write(0, b"kept")).await.unwrap();
    let leaving = tokio::spawn(async move {
        tokio::time::sleep(Duration::from_millis(100)).await;
        drop(first);
    });
    let mut second = Session::open(&client, stat("r")).await.unwrap();
    assert_eq!(second.answer().await.unwrap().offset, 4);
    leaving.await.unwrap();
}

#[tokio::test]
async fn a_failed_commit_frees_the_ref_and_keeps_the_ingest() {
    let (client, _serving) = start();
    let wrong = Digest::of(b"other").to_string();
    let mut session = Session::open(&client, stat("r")).await.unwrap();
    session.answer().await.unwrap();
    session.say(write(0, b"bytes")).await.unwrap();
    let failed = session.say(commit(5, 5, &wrong)).await.unwrap_err();
    assert_eq!(failed.code(), Code::FailedPrecondition);
    let right = Digest::of(b"bytes").to_string();
    let mut again = Session::open(&client, stat("r")).await.unwrap();
    assert_eq!(again.answer().await.unwrap().offset, 5);
    assert_eq!(again.say(commit(5, 5, &right)).await.unwrap().digest, right);
    let known = Session::open(&client, Message { expected: right, ..stat("x") }).await;
    assert_eq!(known.err().unwrap().code(), Code::AlreadyExists);
}

#[tokio::test]
async fn a_client_that_vanishes_leaves_its_ingest_and_no_lock() {
    let (mut client, _serving) = start();
    let mut session = Session::open(&client, stat("r")).await.unwrap();
    session.answer().await.unwrap();
    session.say(write(0, b"some")).await.unwrap();
    // Without waiting for anything.
    drop(session);
    let locked = async |client: &mut ContentClient<Channel>| {
        let request = AbortRequest { r#ref: "r".into() };
        client.abort(request).await.is_err_and(|status| status.code() == Code::Unavailable)
    };
    let status = client.status(StatusRequest { r#ref: "r".into() }).await.unwrap();
    assert_eq!(status.into_inner().status.unwrap().offset, 4);
    let freed = async {
        while locked(&mut client).await {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(10), freed).await.unwrap();
    let gone = client.status(StatusRequest { r#ref: "r".into() }).await.unwrap_err();
    assert_eq!(gone.code(), Code::NotFound);
}
