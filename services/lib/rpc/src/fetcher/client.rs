//! A fetcher elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::remotes::{Event, Fetched, Fetcher, Progress, Remote};
use varve_core::{Descriptor, Result, Scope};
use varve_proto::varve::fetcher::v1::FetchRequest;
use varve_proto::varve::fetcher::v1::fetch_response::Event as WireEvent;
use varve_proto::varve::fetcher::v1::fetcher_client::FetcherClient;

use crate::progress::cut_off;
use crate::status::from_status;
use crate::{convert, remote, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client(FetcherClient<Channel>);

impl Client {
    pub fn new(channel: Channel) -> Self {
        Self(FetcherClient::new(channel))
    }
}

#[async_trait]
impl Fetcher for Client {
    async fn fetch(
        &self,
        scope: &Scope,
        from: &Remote,
        blob: &Descriptor,
        progress: Progress,
    ) -> Result<Fetched> {
        let request = FetchRequest {
            remote: Some(remote::remote(from)),
            blob: Some(convert::descriptor(blob)),
        };
        let request = scope::request(scope, request);
        let mut answers = self.0.clone().fetch(request).await.map_err(from_status)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(from_status)? {
            match answer.event {
                Some(WireEvent::At(bytes)) => progress.tell(Event::At(bytes)),
                Some(WireEvent::Retrying(attempt)) => progress.tell(Event::Retrying { attempt }),
                Some(WireEvent::Done(done)) => {
                    return Ok(Fetched {
                        reused: done.reused,
                        downloaded: done.downloaded,
                        resumed_at: done.resumed_at,
                    });
                }
                None => {}
            }
        }
        Err(cut_off())
    }
}
