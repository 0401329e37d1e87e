//! The content store's own service.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};
use varve_core::collect::Collector;
use varve_core::content::Content;
use varve_core::fsck::Fsck;
use varve_core::images::{Images, Record, Removal};
use varve_core::leases::Leases;
use varve_core::scope::check_identifier;
use varve_core::unpack::Progress;
use varve_core::{Digest, Error, Labels, Result};
use varve_proto::varve::content::v1 as wire;
use varve_proto::varve::content::v1::content_store_server::{
    ContentStore as Wire, ContentStoreServer,
};
use wire::attend_request::Says;
use wire::attend_response::Asks;
use wire::fsck_response::Event;

use super::attendee::{Question, Remote};
use super::convert::collected;
use crate::channel::MAX_MESSAGE;
use crate::content::write_beside;
use crate::images::convert::image;
use crate::leases::convert::lease;
use crate::progress::{Teller, Told, told};
use crate::shutdown::Shutdown;
use crate::status::to_status;
use crate::{convert, fsck, scope};

/// The wire over one store's traits. Those who attend are let go when `shutdown` begins.
pub fn server(
    content: Arc<dyn Content>,
    images: Arc<dyn Images>,
    leases: Arc<dyn Leases>,
    collector: Arc<dyn Collector>,
    fsck: Arc<dyn Fsck>,
    shutdown: Shutdown,
) -> ContentStoreServer<impl Wire> {
    let server = Server { content, images, leases, collector, fsck, shutdown };
    ContentStoreServer::new(server).max_decoding_message_size(MAX_MESSAGE)
}

struct Server {
    content: Arc<dyn Content>,
    images: Arc<dyn Images>,
    leases: Arc<dyn Leases>,
    collector: Arc<dyn Collector>,
    fsck: Arc<dyn Fsck>,
    shutdown: Shutdown,
}

type Answer<T> = Result<Response<T>, Status>;
type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;

#[tonic::async_trait]
impl Wire for Server {
    type FollowStream = Messages<wire::FollowResponse>;
    type WriteStream = Messages<wire::WriteResponse>;
    type AttendStream = Messages<wire::AttendResponse>;
    type FsckStream = Told<wire::FsckResponse>;

    async fn references(
        &self,
        request: Request<wire::ReferencesRequest>,
    ) -> Answer<wire::ReferencesResponse> {
        let scope = scope::of(&request)?;
        let digest = convert::from_digest(&request.into_inner().digest).map_err(to_status)?;
        let count = self.collector.references(&scope, &digest).await.map_err(to_status)?;
        Ok(Response::new(wire::ReferencesResponse { count }))
    }

    async fn recount(&self, _: Request<wire::RecountRequest>) -> Answer<wire::RecountResponse> {
        let lines = self.collector.recount().await.map_err(to_status)?;
        Ok(Response::new(wire::RecountResponse { lines }))
    }

    async fn collect(&self, request: Request<wire::CollectRequest>) -> Answer<wire::Collected> {
        let scope = scope::of(&request)?;
        let wire::CollectRequest { dry_run, below } = request.into_inner();
        let below: Result<Vec<Digest>> = below.iter().map(|digest| digest.parse()).collect();
        let done = match below.map_err(to_status)?.as_slice() {
            [] => self.collector.collect(dry_run).await,
            _ if dry_run => Err(Error::invalid("a dry run is of the whole store")),
            below => self.collector.collect_below(&scope, below).await,
        };
        Ok(Response::new(collected(&done.map_err(to_status)?)))
    }

    async fn follow(
        &self,
        request: Request<Streaming<wire::FollowRequest>>,
    ) -> Answer<Self::FollowStream> {
        let scope = scope::of(&request)?;
        let answers = super::follow::follow(&*self.content, &scope, request.into_inner()).await?;
        Ok(Response::new(Box::pin(answers)))
    }

    async fn write(
        &self,
        request: Request<Streaming<wire::WriteRequest>>,
    ) -> Answer<Self::WriteStream> {
        let scope = scope::of(&request)?;
        let answers = write_beside(&*self.content, &scope, request.into_inner()).await?;
        Ok(Response::new(Box::pin(answers)))
    }

    async fn attend(
        &self,
        request: Request<Streaming<wire::AttendRequest>>,
    ) -> Answer<Self::AttendStream> {
        let mut answers = request.into_inner();
        let hello = answers.message().await?.and_then(|first| first.says);
        let Some(Says::Hello(wire::Hello { name })) = hello else {
            return Err(to_status(Error::invalid("the first message must say who attends")));
        };
        check_identifier("snapshotter", &name).map_err(to_status)?;
        let (asks, questions) = mpsc::channel::<Question>(1);
        let attendee = Arc::new(Remote::new(asks, answers));
        self.collector.attend(&name, attendee).await.map_err(to_status)?;
        let attending = Some(Asks::Attending(wire::Attending {}));
        // There is room, unless a collection asks already: then that is as good a welcome.
        let welcome = tokio_stream::once(Ok(wire::AttendResponse { id: 0, asks: attending }));
        let questions = welcome.chain(ReceiverStream::new(questions));
        let shutdown = self.shutdown.clone();
        let over = async move { shutdown.started().await };
        Ok(Response::new(Box::pin(questions.take_until(Box::pin(over)))))
    }

    async fn record(&self, request: Request<wire::RecordRequest>) -> Answer<wire::RecordResponse> {
        let scope = scope::of(&request)?;
        let record = from_record(request.into_inner()).map_err(to_status)?;
        let before = self.images.record(&scope, record).await.map_err(to_status)?;
        Ok(Response::new(wire::RecordResponse { before: before.as_ref().map(image) }))
    }

    async fn remove(&self, request: Request<wire::RemoveRequest>) -> Answer<wire::RemoveResponse> {
        let scope = scope::of(&request)?;
        let wire::RemoveRequest { name, force } = request.into_inner();
        let removed = self.images.remove(&scope, Removal { name, force }).await;
        let removed = removed.map_err(to_status)?;
        let image = Some(image(&removed.image));
        Ok(Response::new(wire::RemoveResponse { image, left: removed.left }))
    }

    async fn renew(&self, request: Request<wire::RenewRequest>) -> Answer<wire::RenewResponse> {
        let scope = scope::of(&request)?;
        let wire::RenewRequest { id, from_now } = request.into_inner();
        let from_now = Duration::try_from(from_now.unwrap_or_default())
            .map_err(|_| to_status(Error::invalid("a lease cannot end before it begins")))?;
        let renewed = self.leases.renew(&scope, &id, from_now).await.map_err(to_status)?;
        Ok(Response::new(wire::RenewResponse { lease: Some(lease(renewed)) }))
    }

    async fn fsck(&self, request: Request<wire::FsckRequest>) -> Answer<Self::FsckStream> {
        let how = fsck::from_request(request.into_inner()).map_err(to_status)?;
        let store = self.fsck.clone();
        let response = |event| wire::FsckResponse { event: Some(event) };
        let work = move |teller: Teller<wire::FsckResponse>| async move {
            let tell = move |at| teller.at(at, |at| response(Event::At(at)));
            let report = store.fsck(how, Progress::new(tell)).await?;
            Ok(response(Event::Done(fsck::report(report))))
        };
        Ok(Response::new(told(work)))
    }
}

fn from_record(wire: wire::RecordRequest) -> Result<Record> {
    let labels = |one: wire::ContentLabels| -> Result<(Digest, Labels)> {
        Ok((convert::from_digest(&one.digest)?, convert::from_labels(one.labels)))
    };
    Ok(Record {
        name: wire.name,
        target: convert::from_descriptor(wire.target)?,
        content_labels: wire.content_labels.into_iter().map(labels).collect::<Result<_>>()?,
    })
}
