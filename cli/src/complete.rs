//! What a shell completes: the words of the command line, and the names of what is here. The shell asks by running the
//! command with [`VARIABLE`] set and the words so far; what it is asked by stands in `commands/completion`.

use std::ffi::OsStr;
use std::time::Duration;

use clap::{CommandFactory, FromArgMatches};
use clap_complete::{ArgValueCompleter, CompleteEnv, CompletionCandidate};
use tokio::runtime::Builder;
use varve_core::Result;

use crate::args::{Cli, Global};
use crate::config::Config;
use crate::removal::familiar;
use crate::root;
use crate::session::Session;
use crate::usage::is_dangling;

/// Names the shell that asks.
pub const VARIABLE: &str = "VARVE_COMPLETE";
/// A person waits with a finger on the key: better no name than a late one.
const PATIENCE: Duration = Duration::from_secs(1);

/// Answers a shell, where one asks, and ends the process then.
pub fn answer() {
    CompleteEnv::with_factory(Cli::command).var(VARIABLE).complete();
}

/// Names that a store has.
#[derive(Clone, Copy, Debug)]
enum Noun {
    Image,
    Blob,
    Snapshot,
}

/// Completes an image's name.
pub fn images() -> ArgValueCompleter {
    completer(&[Noun::Image])
}

/// Completes a blob's digest.
pub fn blobs() -> ArgValueCompleter {
    completer(&[Noun::Blob])
}

/// Completes a snapshot's key.
pub fn snapshots() -> ArgValueCompleter {
    completer(&[Noun::Snapshot])
}

/// Completes whatever has a reason to be kept.
pub fn kept() -> ArgValueCompleter {
    completer(&[Noun::Image, Noun::Blob, Noun::Snapshot])
}

fn completer(nouns: &'static [Noun]) -> ArgValueCompleter {
    ArgValueCompleter::new(move |begun: &OsStr| {
        let begun = begun.to_string_lossy();
        let mut names = names(nouns).unwrap_or_default();
        names.retain(|name| name.starts_with(&*begun));
        names.sort();
        names.dedup();
        names.into_iter().map(CompletionCandidate::new).collect()
    })
}

/// Of the store that the words so far mean; none where there is no store yet, or no answer in time.
fn names(nouns: &[Noun]) -> Option<Vec<String>> {
    let global = global()?;
    let named = global.address.is_some() || Config::of(&global).ok()?.addresses.is_some();
    if !named && !root::path(global.root.as_deref()).ok()?.join("content").exists() {
        return None;
    }
    let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().ok()?;
    let all = async {
        let session = Session::open(&global).await?;
        let names = list(&session, nouns).await;
        session.close().await.and(names)
    };
    let answer = runtime.block_on(async { tokio::time::timeout(PATIENCE, all).await });
    runtime.shutdown_background();
    answer.ok()?.ok()
}

/// The words before and after the command; those that are not finished yet are no errors.
fn global() -> Option<Global> {
    let words = std::env::args_os().skip_while(|word| word != "--").skip(1);
    let command = Cli::command().ignore_errors(true);
    let matches = command.try_get_matches_from(words).ok()?;
    Global::from_arg_matches(&matches).ok()
}

async fn list(session: &Session, nouns: &[Noun]) -> Result<Vec<String>> {
    let (services, scope) = (&session.services, &session.scope);
    let mut names = Vec::new();
    for noun in nouns {
        match noun {
            Noun::Image => {
                let all = services.images.list(scope, &[]).await?.into_iter();
                let all = all.filter(|named| !is_dangling(&named.name));
                names.extend(all.map(|named| familiar(&named.name)));
            }
            Noun::Blob => {
                let all = services.content.list(scope, &[]).await?.into_iter();
                names.extend(all.map(|info| info.digest.to_string()));
            }
            Noun::Snapshot => {
                for snapshotter in services.used_snapshotters().await? {
                    let all = snapshotter.snapshots.list(scope, &[]).await?.into_iter();
                    names.extend(all.map(|info| info.name));
                }
            }
        }
    }
    Ok(names)
}
