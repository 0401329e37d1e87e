//! The images of a store elsewhere.

use async_trait::async_trait;
use tonic::transport::Channel;
use varve_core::images::{Image, Images, Record, Removal, Removed};
use varve_core::{Digest, Labels, Mask, Result, Scope};
use varve_proto::containerd::services::images::v1 as wire;
use varve_proto::containerd::services::images::v1::images_client::ImagesClient;
use varve_proto::varve::content::v1 as own;
use varve_proto::varve::content::v1::content_store_client::ContentStoreClient;

use super::convert::{from_image, image};
use crate::channel::MAX_MESSAGE;
use crate::status::from_status;
use crate::{convert, scope};

/// The trait over a channel.
#[derive(Clone, Debug)]
pub struct Client {
    images: ImagesClient<Channel>,
    store: ContentStoreClient<Channel>,
}

impl Client {
    pub fn new(channel: Channel) -> Self {
        let images = ImagesClient::new(channel.clone()).max_decoding_message_size(MAX_MESSAGE);
        Self { images, store: ContentStoreClient::new(channel) }
    }

    fn images(&self) -> ImagesClient<Channel> {
        self.images.clone()
    }
}

#[async_trait]
impl Images for Client {
    async fn get(&self, scope: &Scope, name: &str) -> Result<Image> {
        let request = scope::request(scope, wire::GetImageRequest { name: name.to_owned() });
        let answer = self.images().get(request).await.map_err(from_status)?;
        from_image(answer.into_inner().image)
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Image>> {
        let request = wire::ListImagesRequest { filters: filters.to_vec() };
        let answer = self.images().list(scope::request(scope, request)).await;
        let images = answer.map_err(from_status)?.into_inner().images;
        images.into_iter().map(|image| from_image(Some(image))).collect()
    }

    async fn create(&self, scope: &Scope, new: &Image) -> Result<Image> {
        let request = wire::CreateImageRequest { image: Some(image(new)), ..Default::default() };
        let answer = self.images().create(scope::request(scope, request)).await;
        from_image(answer.map_err(from_status)?.into_inner().image)
    }

    async fn update(&self, scope: &Scope, new: &Image, mask: &Mask) -> Result<Image> {
        let request = wire::UpdateImageRequest {
            image: Some(image(new)),
            update_mask: Some(convert::mask(mask)),
            ..Default::default()
        };
        let answer = self.images().update(scope::request(scope, request)).await;
        from_image(answer.map_err(from_status)?.into_inner().image)
    }

    async fn delete(&self, scope: &Scope, name: &str) -> Result<()> {
        let request = wire::DeleteImageRequest { name: name.to_owned(), ..Default::default() };
        self.images().delete(scope::request(scope, request)).await.map_err(from_status)?;
        Ok(())
    }

    async fn record(&self, scope: &Scope, record: Record) -> Result<Option<Image>> {
        let request = own::RecordRequest {
            name: record.name,
            target: Some(convert::descriptor(&record.target)),
            content_labels: record.content_labels.iter().map(content_labels).collect(),
        };
        let answer = self.store.clone().record(scope::request(scope, request)).await;
        let before = answer.map_err(from_status)?.into_inner().before;
        before.map(|image| from_image(Some(image))).transpose()
    }

    async fn remove(&self, scope: &Scope, removal: Removal) -> Result<Removed> {
        let Removal { name, force } = removal;
        let request = scope::request(scope, own::RemoveRequest { name, force });
        let answer = self.store.clone().remove(request).await.map_err(from_status)?.into_inner();
        Ok(Removed { image: from_image(answer.image)?, left: answer.left })
    }
}

fn content_labels((digest, labels): &(Digest, Labels)) -> own::ContentLabels {
    own::ContentLabels { digest: digest.to_string(), labels: convert::labels(labels) }
}
