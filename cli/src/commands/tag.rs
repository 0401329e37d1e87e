//! `varve tag`: one more name for an image.

use clap::Args;
use varve_core::images::Record;
use varve_core::{Error, Reference};

use crate::failure;
use crate::find;
use crate::session::Session;

/// Give an image one more name
///
/// A name that another image had is taken from that one, which stays as a dangling image if it has no other.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  varve tag alpine registry.example/base/alpine:3")]
pub struct Tag {
    /// By name, by ID or the start of one, or by digest
    #[arg(value_name = "IMAGE", add = crate::complete::images())]
    source: String,
    /// The new name; its tag is `latest` where it has none
    #[arg(value_name = "NAME")]
    target: Reference,
}

impl Tag {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        if self.target.digest().is_some() {
            let message = format!("{}: a digest names itself; give a name with a tag", self.target);
            return Err(Error::invalid(message).into());
        }
        let found = find::find(session, &self.source).await?;
        let record = Record {
            name: self.target.to_string(),
            target: found.first().target.clone(),
            content_labels: Vec::new(),
        };
        session.services.images.record(&session.scope, record).await?;
        Ok(())
    }
}
