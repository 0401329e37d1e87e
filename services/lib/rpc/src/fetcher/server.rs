//! A fetcher, served.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::Result;
use varve_core::remotes::{Event, Fetched, Fetcher, Progress};
use varve_proto::varve::fetcher::v1::fetch_response::Event as WireEvent;
use varve_proto::varve::fetcher::v1::fetcher_server::{Fetcher as Wire, FetcherServer};
use varve_proto::varve::fetcher::v1::{Done, FetchRequest, FetchResponse};

use crate::progress::{Teller, Told, told};
use crate::status::to_status;
use crate::{convert, remote, scope};

/// The wire over any fetcher.
pub fn server(fetcher: Arc<dyn Fetcher>) -> FetcherServer<impl Wire> {
    FetcherServer::new(Server(fetcher))
}

struct Server(Arc<dyn Fetcher>);

#[tonic::async_trait]
impl Wire for Server {
    type FetchStream = Told<FetchResponse>;

    async fn fetch(
        &self,
        request: Request<FetchRequest>,
    ) -> Result<Response<Self::FetchStream>, Status> {
        let scope = scope::of(&request)?;
        let FetchRequest { remote, blob } = request.into_inner();
        let remote = remote::from_remote(remote).map_err(to_status)?;
        let blob = convert::from_descriptor(blob).map_err(to_status)?;
        let fetcher = self.0.clone();
        let work = |teller: Teller<FetchResponse>| async move {
            let progress = Progress::new(move |event| tell(&teller, event));
            let fetched = fetcher.fetch(&scope, &remote, &blob, progress).await?;
            Ok(response(WireEvent::Done(done(fetched))))
        };
        Ok(Response::new(told(work)))
    }
}

fn tell(teller: &Teller<FetchResponse>, event: Event) {
    match event {
        Event::At(bytes) => teller.at(bytes, |bytes| response(WireEvent::At(bytes))),
        Event::Retrying { attempt } => teller.tell(response(WireEvent::Retrying(attempt))),
    }
}

fn done(fetched: Fetched) -> Done {
    let Fetched { reused, downloaded, resumed_at } = fetched;
    Done { reused, downloaded, resumed_at }
}

fn response(event: WireEvent) -> FetchResponse {
    FetchResponse { event: Some(event) }
}
