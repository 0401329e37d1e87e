//! An archive that can be read once only, into the content store as it comes.
//!
//! What tells of the archive stays in memory, each within the bound of a document. All else becomes a blob under the
//! lease of the load; what no image turns out to need is collected when that ends.

use bytes::{Bytes, BytesMut};
use varve_core::oci::Bounds;
use varve_core::{Error, Result, ResultExt};

use super::entry::{Entry, What, promised};
use super::intake::{Intake, Taking};
use super::shelf::{At, Names};
use super::stream::{Event, Events, Packed};

/// What tells of the archive.
const DOCUMENTS: [&str; 3] = ["index.json", "manifest.json", "oci-layout"];

/// Takes in all of it.
pub async fn spool(packed: Packed, intake: &Intake) -> Result<Names> {
    let mut events = Events::of(packed, intake)?;
    let mut names = Names::default();
    let mut next = events.next().await?;
    while let Some(event) = next {
        // Bytes come only after their entry, and are read below.
        let Event::Entry(entry) = event else { break };
        names.check_new(&entry.name)?;
        next = match entry.what {
            What::Link(_) => {
                names.add(entry, None)?;
                events.next().await?
            }
            What::File { size, .. } if DOCUMENTS.contains(&entry.name.as_str()) => {
                let (bytes, next) = document(&entry, size, &mut events, &intake.bounds).await?;
                names.add(entry, Some(At::Memory(bytes)))?;
                next
            }
            What::File { size, .. } => {
                let (at, next) = blob(&entry, size, &mut events, intake).await?;
                names.add(entry, Some(at))?;
                next
            }
        };
    }
    Ok(names)
}

async fn document(
    entry: &Entry,
    size: u64,
    events: &mut Events,
    bounds: &Bounds,
) -> Result<(Bytes, Option<Event>)> {
    bounds.check_size(size).context(|| entry.name.clone())?;
    let mut all = BytesMut::new();
    loop {
        match events.next().await? {
            Some(Event::Bytes(bytes)) => all.extend_from_slice(&bytes),
            next => return Ok((all.freeze(), next)),
        }
    }
}

async fn blob(
    entry: &Entry,
    size: u64,
    events: &mut Events,
    intake: &Intake,
) -> Result<(At, Option<Event>)> {
    let expected = promised(&entry.name);
    let noun = || format!("entry {:?}", entry.name);
    let Some(mut taking) = intake.begin(size, expected).await.context(noun)? else {
        // It is here: its bytes in the archive are of no use.
        let digest = expected.ok_or_else(|| Error::internal("a blob of no digest is here"))?;
        return Ok((At::Store(digest), skip(events).await?));
    };
    let taken = match taking.offset() {
        0 => take(&mut taking, events).await,
        // Another namespace has it.
        _ => skip(events).await,
    };
    match taken {
        Ok(next) => Ok((At::Store(taking.finish().await.context(noun)?), next)),
        Err(error) => {
            taking.abort().await;
            Err(error)
        }
    }
}

async fn take(taking: &mut Taking, events: &mut Events) -> Result<Option<Event>> {
    loop {
        match events.next().await? {
            Some(Event::Bytes(bytes)) => taking.write(bytes).await?,
            next => return Ok(next),
        }
    }
}

async fn skip(events: &mut Events) -> Result<Option<Event>> {
    loop {
        match events.next().await? {
            Some(Event::Bytes(_)) => {}
            next => return Ok(next),
        }
    }
}
