//! Trees beside their layers, to the wire and back.

use std::sync::Arc;

use async_trait::async_trait;
use varve_core::fsck::{Compared, Finding, Trees};
use varve_core::unpack::{Layer, Progress};
use varve_core::{Result, Scope};
use varve_proto::varve::snapshots::v1 as wire;
use varve_proto::varve::snapshots::v1::compare_response::Event;

use super::client::Unpacker;
use crate::progress::{Teller, Told, cut_off, told};
use crate::status::from_status;
use crate::{convert, fsck, scope};

/// A comparison, as it goes on.
pub fn told_of(
    trees: Arc<dyn Trees>,
    scope: Scope,
    layer: Layer,
    repair: bool,
) -> Told<wire::CompareResponse> {
    let response = |event| wire::CompareResponse { event: Some(event) };
    told(move |teller: Teller<wire::CompareResponse>| async move {
        let tell = move |at| teller.at(at, |at| response(Event::At(at)));
        let compared = trees.compare(&scope, layer, repair, Progress::new(tell)).await?;
        let Compared { differences, repaired } = compared;
        Ok(response(Event::Done(wire::Compared { differences, repaired })))
    })
}

#[async_trait]
impl Trees for Unpacker {
    async fn examine(&self, repair: bool) -> Result<Vec<Finding>> {
        let request = wire::ExamineRequest { snapshotter: self.name.clone(), repair };
        let answer = self.client.clone().examine(request).await.map_err(from_status)?;
        answer.into_inner().findings.into_iter().map(fsck::from_finding).collect()
    }

    async fn compare(
        &self,
        scope: &Scope,
        layer: Layer,
        repair: bool,
        progress: Progress,
    ) -> Result<Compared> {
        let request = wire::CompareRequest {
            snapshotter: self.name.clone(),
            blob: Some(convert::descriptor(&layer.blob)),
            diff_id: layer.diff_id.to_string(),
            parent: convert::optional(layer.parent),
            repair,
        };
        let answers = self.client.clone().compare(scope::request(scope, request)).await;
        let mut answers = answers.map_err(from_status)?.into_inner();
        while let Some(answer) = answers.message().await.map_err(from_status)? {
            match answer.event {
                Some(Event::At(bytes)) => progress.tell(bytes),
                Some(Event::Done(wire::Compared { differences, repaired })) => {
                    return Ok(Compared { differences, repaired });
                }
                None => {}
            }
        }
        Err(cut_off())
    }
}
