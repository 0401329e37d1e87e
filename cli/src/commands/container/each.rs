//! What a command does to several containers: to each, telling of every failure.

use varve_core::{Error, Result};

use crate::args::Global;
use crate::container::find::{self, Found};
use crate::container::place::Base;
use crate::failure;
use crate::life;
use crate::{output, progress};

/// Finds each container that a word of `texts` means. What is not there is told at the end, by [`Each::end`].
pub struct Each {
    pub found: Vec<(String, Found)>,
    failures: Vec<Error>,
}

impl Each {
    /// Looks them up; the store is let go of again.
    pub async fn find(global: &Global, base: &Base, texts: &[String]) -> failure::Result<Self> {
        let work = async |session: &crate::session::Session| {
            let (mut found, mut failures) = (Vec::new(), Vec::new());
            for text in texts {
                match find::find(session, base, text).await {
                    Ok(one) => found.push((text.clone(), one)),
                    Err(error) => failures.push(error),
                }
            }
            Ok(Self { found, failures })
        };
        life::with(global, work).await
    }

    /// Does `work` to each, one after the other and where it may block, and prints the word that meant it.
    pub async fn told(
        mut self,
        work: impl Fn(&Found) -> Result<()> + Clone + Send + 'static,
    ) -> failure::Result<()> {
        for (text, found) in std::mem::take(&mut self.found) {
            let work = work.clone();
            let done = tokio::task::spawn_blocking(move || work(&found)).await;
            match done.map_err(|error| Error::internal("a task").with_source(error)).flatten() {
                Ok(()) => output::tell(&text),
                Err(error) => self.failures.push(error),
            }
        }
        self.end()
    }

    /// All failures are told; the last one ends the command.
    pub fn end(self) -> failure::Result<()> {
        end(self.failures)
    }
}

/// See [`Each::end`].
pub fn end(mut failures: Vec<Error>) -> failure::Result<()> {
    let Some(last) = failures.pop() else { return Ok(()) };
    failures.iter().for_each(|error| progress::warn(&format!("varve: {}", error.chain())));
    Err(last.into())
}
