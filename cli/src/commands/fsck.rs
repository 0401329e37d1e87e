//! `varve fsck`: whether the store is sound, and what makes it sound again.
//!
//! `varve check` asks whether images are complete; this asks whether what is on the disk is what was put
//! there. The content store looks at blobs and records, each snapshotter at its trees. What they cannot
//! repair alone is done here: blobs are fetched again with this client's logins, and trees are unpacked.

mod found;
mod gallery;
mod labels;
mod mend;
mod needs;
mod trees;

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;
use varve_core::fsck::{Depth, How};
use varve_core::unpack;
use varve_core::{Error, Kind, Result};

use crate::failure::{self, Failure};
use crate::progress::{self, Line, Phase};
use crate::session::Session;
use found::{Findings, Report};
use gallery::Gallery;
use needs::Needs;

/// Tell whether the store is sound, and repair it
///
/// Every blob is hashed, every record is compared with what is on the disk, every reference is counted anew, and
/// every unpacked layer is compared with its blob, in all namespaces. What others are pulling meanwhile is no damage.
/// A line for each finding says what it is, which images need it and what was done; the exit status is 0 where
/// nothing is damaged, or all was repaired.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve fsck\n  varve fsck --quick\n  varve fsck --repair")]
pub struct Fsck {
    /// Fetch damaged blobs again, unpack damaged trees again, make records anew
    #[arg(long)]
    repair: bool,
    /// Look at records, sizes and times only
    #[arg(long)]
    quick: bool,
    /// Speak http to registries that are not on the loopback, too
    #[arg(long)]
    plain_http: bool,
}

impl Fsck {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let report = self.look(session).await?;
        session.output.lines(&report.lines(self.repair), &report)?;
        match report.is_sound() {
            true => Ok(()),
            false => Err(Failure::Told),
        }
    }

    async fn look(&self, session: &Session) -> Result<Report> {
        let depth = if self.quick { Depth::Quick } else { Depth::Full };
        let how = How { depth, repair: self.repair, bytes_per_second: 0 };
        let mut findings = Findings::default();
        let store = store(session, how).await?;
        findings.take(store.findings, None);
        let mut gallery = Gallery::load(session).await?;
        for snapshotter in &gallery.snapshotters {
            let found = snapshotter.trees.examine(self.repair).await?;
            findings.take(found, Some(&snapshotter.name));
        }
        let mut needs = Needs::default();
        needs.load(session, &gallery).await?;
        gallery.missing_manifests(session, &mut findings).await?;
        if self.repair {
            mend::blobs(session, &gallery, &mut findings, self.plain_http).await?;
            labels::restore(session, &gallery, &findings).await?;
            gallery = Gallery::load(session).await?;
        }
        let compared = trees::Look { quick: self.quick, repair: self.repair };
        let trees = compared.all(session, &gallery, &mut findings).await?;
        gallery = Gallery::load(session).await?;
        needs.load(session, &gallery).await?;
        let findings = findings.finish(&needs);
        Ok(Report::new(store.blobs, store.hashed, trees, findings, store.more))
    }
}

/// What the content store says.
async fn store(session: &Session, how: How) -> Result<varve_core::fsck::Report> {
    let silent = session.output.is_json() || !io::stdout().is_terminal();
    let shown = progress::open(silent || how.depth == Depth::Quick);
    shown.begin(&[Line { id: "blobs".into(), size: size(session).await? }]);
    let told = Arc::clone(&shown);
    let tell = move |bytes| told.layer(0, Phase::Hashing(bytes));
    let report = session.services.fsck.fsck(how, unpack::Progress::new(tell)).await;
    shown.layer(0, Phase::Hashed);
    shown.end();
    report.map_err(|error| match error.kind() {
        // A containerd, or a daemon of an older Varve.
        Kind::Unimplemented => Error::new(error.kind(), "this service cannot look for damage"),
        _ => error,
    })
}

/// Bytes of this namespace's blobs.
async fn size(session: &Session) -> Result<u64> {
    let blobs = session.services.content.list(&session.scope, &[]).await?;
    Ok(blobs.iter().map(|blob| blob.size).sum())
}
