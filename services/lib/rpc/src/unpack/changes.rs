//! Changes of a snapshot, to the wire and back.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::pin::Pin;

use async_trait::async_trait;
use futures_util::stream::try_unfold;
use tokio_stream::Stream;
use tonic::{Status, Streaming};
use varve_core::changes::{Change, Kind, Listing};
use varve_core::{Error, Result};
use varve_proto::varve::snapshots::v1 as wire;

use crate::status::{from_status, to_status};

/// The answers of one request.
pub type Told = Pin<Box<dyn Stream<Item = Result<wire::ChangesResponse, Status>> + Send>>;

/// A listing, as it is taken.
pub fn told(listing: Box<dyn Listing>) -> Told {
    Box::pin(try_unfold(listing, |mut listing| async move {
        let changes = listing.next().await.map_err(to_status)?;
        if changes.is_empty() {
            return Ok(None);
        }
        let changes = changes.into_iter().map(to_wire).collect();
        Ok(Some((wire::ChangesResponse { changes }, listing)))
    }))
}

/// A listing elsewhere.
pub struct Listed(pub Streaming<wire::ChangesResponse>);

#[async_trait]
impl Listing for Listed {
    async fn next(&mut self) -> Result<Vec<Change>> {
        match self.0.message().await.map_err(from_status)? {
            Some(answer) => answer.changes.into_iter().map(from_wire).collect(),
            None => Ok(Vec::new()),
        }
    }
}

fn to_wire(change: Change) -> wire::Change {
    let kind = match change.kind {
        Kind::Added => wire::ChangeKind::Added,
        Kind::Changed => wire::ChangeKind::Changed,
        Kind::Deleted => wire::ChangeKind::Deleted,
    };
    wire::Change { kind: kind.into(), path: change.path.as_os_str().as_bytes().to_vec().into() }
}

fn from_wire(wire: wire::Change) -> Result<Change> {
    let kind = match wire.kind() {
        wire::ChangeKind::Added => Kind::Added,
        wire::ChangeKind::Changed => Kind::Changed,
        wire::ChangeKind::Deleted => Kind::Deleted,
        wire::ChangeKind::Unspecified => {
            return Err(Error::internal("a change of a kind that is not known here"));
        }
    };
    Ok(Change { kind, path: OsString::from_vec(wire.path.into()).into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_survives_the_trip_whatever_its_name() {
        for kind in [Kind::Added, Kind::Changed, Kind::Deleted] {
            let path = OsString::from_vec(b"/not/utf8-\xff\n".to_vec()).into();
            let change = Change { kind, path };
            assert_eq!(from_wire(to_wire(change.clone())).unwrap(), change);
        }
        assert!(from_wire(wire::Change::default()).is_err());
    }
}
