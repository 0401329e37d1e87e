//! The commands: each a file with its words and its work.

pub mod check;
pub mod completion;
pub mod container;
pub mod content;
pub mod daemon;
pub mod df;
pub mod fsck;
pub mod gc;
pub mod health;
pub mod history;
pub mod images;
pub mod import;
pub mod inspect;
pub mod leases;
pub mod load;
pub mod login;
pub mod logout;
#[cfg(any(test, feature = "man"))]
pub mod man;
pub mod mount;
pub mod plan;
pub mod prune;
pub mod pull;
pub mod push;
pub mod rm;
pub mod save;
pub mod scrub;
pub mod search;
pub mod snapshots;
pub mod system;
pub mod tag;
pub mod unmount;
pub mod version;
pub mod why;

use varve_core::Labels;

use crate::args::Command;
use crate::failure::Result;
use crate::session::Session;

/// Runs what needs a session.
pub async fn run(session: &Session, command: Command) -> Result<()> {
    match command {
        Command::Pull(pull) => pull.run(session).await,
        Command::Push(push) => push.run(session).await,
        Command::Image(image) => image.run(session).await,
        Command::Images(images) => images.run(session).await,
        Command::Plan(plan) => plan.run(session).await,
        Command::Prune(prune) => prune.run(session).await,
        Command::Rmi(rm) => rm.run(session).await,
        Command::Inspect(inspect) => inspect.run(session).await,
        Command::History(history) => history.run(session).await,
        Command::Import(import) => import.run(session).await,
        Command::Load(load) => load.run(session).await,
        Command::Save(save) => save.run(session).await,
        Command::Tag(tag) => tag.run(session).await,
        Command::Content(content) => content.run(session).await,
        Command::Snapshots(snapshots) => snapshots.run(session).await,
        Command::Leases(leases) => leases.run(session).await,
        Command::Mount(mount) => mount.run(session).await,
        Command::Unmount(unmount) => unmount.run(session).await,
        Command::Gc(gc) => gc.run(session).await,
        Command::Df(df) => df.run(session).await,
        Command::System(system) => system.run(session).await,
        Command::Check(check) => check.run(session).await,
        Command::Fsck(fsck) => fsck.run(session).await,
        Command::Scrub(scrub) => scrub.run(session).await,
        Command::Why(why) => why.run(session).await,
        // These run without one.
        Command::Login(_)
        | Command::Logout(_)
        | Command::Search(_)
        | Command::Version(_)
        | Command::Completion(_)
        | Command::Daemon(_)
        | Command::Health(_)
        | Command::Container(_)
        | Command::Containers(_)
        | Command::Monitor(_) => Ok(()),
        #[cfg(any(test, feature = "man"))]
        Command::Man(_) => Ok(()),
    }
}

/// Labels in a cell, as ctr prints them.
fn label_cell(labels: &Labels) -> String {
    if labels.is_empty() {
        return "-".into();
    }
    labels.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

/// Labels as lines below others.
fn label_lines(labels: &Labels) -> Vec<String> {
    let title = (!labels.is_empty()).then(|| "Labels:".to_owned());
    let line = labels.iter().map(|(key, value)| format!("  {key}={value}"));
    title.into_iter().chain(line).collect()
}
