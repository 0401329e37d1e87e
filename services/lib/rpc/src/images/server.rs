//! Images, served.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use varve_core::collect::Collector;
use varve_core::images::Images;
use varve_core::{Descriptor, Error, Mask, Result, Scope};
use varve_proto::containerd::services::images::v1 as wire;
use varve_proto::containerd::services::images::v1::images_server::{Images as Wire, ImagesServer};

use super::convert::{FIELDS, from_new, image};
use crate::channel::MAX_MESSAGE;
use crate::collect::{DELAY, Soon};
use crate::shutdown::Shutdown;
use crate::status::to_status;
use crate::{convert, scope};

/// The wire over any images. A deletion that is to be synchronous asks the collector; after any other what it left
/// is collected soon.
pub fn server(
    images: Arc<dyn Images>,
    collector: Arc<dyn Collector>,
    shutdown: Shutdown,
) -> ImagesServer<impl Wire> {
    let soon = Soon::new(collector.clone(), shutdown, DELAY);
    let server = Server { images, collector, soon };
    ImagesServer::new(server).max_decoding_message_size(MAX_MESSAGE)
}

struct Server {
    images: Arc<dyn Images>,
    collector: Arc<dyn Collector>,
    soon: Soon,
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl Wire for Server {
    async fn get(&self, request: Request<wire::GetImageRequest>) -> Answer<wire::GetImageResponse> {
        let scope = scope::of(&request)?;
        let found = self.images.get(&scope, &request.into_inner().name).await;
        let image = Some(image(&found.map_err(to_status)?));
        Ok(Response::new(wire::GetImageResponse { image }))
    }

    async fn list(
        &self,
        request: Request<wire::ListImagesRequest>,
    ) -> Answer<wire::ListImagesResponse> {
        let scope = scope::of(&request)?;
        let all = self.images.list(&scope, &request.into_inner().filters).await;
        let images = all.map_err(to_status)?.iter().map(image).collect();
        Ok(Response::new(wire::ListImagesResponse { images }))
    }

    async fn create(
        &self,
        request: Request<wire::CreateImageRequest>,
    ) -> Answer<wire::CreateImageResponse> {
        let scope = scope::of(&request)?;
        let new = from_new(request.into_inner().image, &Mask::all()).map_err(to_status)?;
        let image = Some(image(&self.images.create(&scope, &new).await.map_err(to_status)?));
        Ok(Response::new(wire::CreateImageResponse { image }))
    }

    async fn update(
        &self,
        request: Request<wire::UpdateImageRequest>,
    ) -> Answer<wire::UpdateImageResponse> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        let mask = convert::from_mask(request.update_mask, &FIELDS).map_err(to_status)?;
        let new = from_new(request.image, &mask).map_err(to_status)?;
        let image = Some(image(&self.images.update(&scope, &new, &mask).await.map_err(to_status)?));
        Ok(Response::new(wire::UpdateImageResponse { image }))
    }

    async fn delete(&self, request: Request<wire::DeleteImageRequest>) -> Answer<()> {
        let scope = scope::of(&request)?;
        let request = request.into_inner();
        if let Some(target) = request.target {
            let target = convert::from_descriptor(Some(target)).map_err(to_status)?;
            self.check(&scope, &request.name, &target).await.map_err(to_status)?;
        }
        self.images.delete(&scope, &request.name).await.map_err(to_status)?;
        match request.sync {
            true => drop(self.collector.collect(false).await.map_err(to_status)?),
            false => self.soon.ask(),
        }
        Ok(Response::new(()))
    }
}

impl Server {
    /// Not one step with the deletion: a tag that moves in between is deleted.
    async fn check(&self, scope: &Scope, name: &str, target: &Descriptor) -> Result<()> {
        let now = self.images.get(scope, name).await?.target.digest;
        if now == target.digest {
            return Ok(());
        }
        let wanted = target.digest;
        Err(Error::not_found(format!("image {name}: points to {now} by now, not to {wanted}")))
    }
}
