//! `varve scrub`: the digest of every blob, checked no faster than it may be.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;
use serde::Serialize;
use varve_core::fsck::{Depth, How, Report};
use varve_core::unpack;

use crate::failure::{self, Failure};
use crate::output::size;
use crate::progress::{self, Line, Phase};
use crate::session::Session;

/// Hash every blob again, slowly
///
/// Finds bytes that have rotted on the disk. A blob that is found damaged is refused to whoever reads it from then on;
/// `varve fsck --repair` fetches it again. A daemon does the same in the background.
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  varve scrub\n  varve scrub --rate 1000000")]
pub struct Scrub {
    /// Most bytes that are read in a second; 0 for as many as it can
    #[arg(long, value_name = "BYTES", default_value_t = varve_content_store::Scrub::default().bytes_per_second)]
    rate: u64,
}

#[derive(Serialize)]
struct Scrubbed {
    blobs: u64,
    hashed: u64,
    damaged: Vec<Damaged>,
}

#[derive(Serialize)]
struct Damaged {
    kind: &'static str,
    digest: String,
    what: String,
}

impl Scrub {
    pub async fn run(self, session: &Session) -> failure::Result<()> {
        let how = How { depth: Depth::Scrub, repair: false, bytes_per_second: self.rate };
        let shown = progress::open(session.output.is_json() || !io::stdout().is_terminal());
        let blobs = session.services.content.list(&session.scope, &[]).await?;
        let bytes = blobs.iter().map(|blob| blob.size).sum();
        shown.begin(&[Line { id: "blobs".into(), size: bytes }]);
        let told = Arc::clone(&shown);
        let tell = move |bytes| told.layer(0, Phase::Hashing(bytes));
        let report = session.services.fsck.fsck(how, unpack::Progress::new(tell)).await;
        shown.layer(0, Phase::Hashed);
        shown.end();
        let scrubbed = Scrubbed::of(report?);
        session.output.lines(&scrubbed.lines(), &scrubbed)?;
        match scrubbed.damaged.is_empty() {
            true => Ok(()),
            false => Err(Failure::Told),
        }
    }
}

impl Scrubbed {
    fn of(report: Report) -> Self {
        let damaged = report.findings.into_iter().map(|finding| Damaged {
            kind: finding.fault.as_str(),
            digest: finding.noun,
            what: finding.what,
        });
        Self { blobs: report.blobs, hashed: report.hashed, damaged: damaged.collect() }
    }

    fn lines(&self) -> Vec<String> {
        let line = |it: &Damaged| format!("{} {}: {}", it.kind, it.digest, it.what);
        let mut lines: Vec<String> = self.damaged.iter().map(line).collect();
        let outcome = match self.damaged.len() {
            0 => "sound".to_owned(),
            count => format!("{count} damaged; `varve fsck --repair` fetches them again"),
        };
        let hashed = size::exact(self.hashed);
        let noun = if self.blobs == 1 { "blob" } else { "blobs" };
        lines.push(format!("{} {noun} ({hashed} hashed): {outcome}", self.blobs));
        lines
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_says_what_to_do_about_damage() {
        let mut scrubbed = Scrubbed { blobs: 1, hashed: 1500, damaged: Vec::new() };
        assert_eq!(scrubbed.lines(), ["1 blob (1.5kB hashed): sound"]);
        let (digest, what) = ("sha256:ab".to_owned(), "its file is missing".to_owned());
        scrubbed.damaged.push(Damaged { kind: "no-bytes", digest, what });
        assert_eq!(
            scrubbed.lines(),
            [
                "no-bytes sha256:ab: its file is missing",
                "1 blob (1.5kB hashed): 1 damaged; `varve fsck --repair` fetches them again"
            ]
        );
    }
}
