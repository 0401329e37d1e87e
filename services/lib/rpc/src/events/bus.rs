//! Events inside one process: nothing is stored, and who tells one never waits for who listens.

use std::borrow::Cow;

use tokio::sync::broadcast;
use varve_core::containers::Any;
use varve_core::filter::Fields;
use varve_core::scope::check_identifier;
use varve_core::{Error, Namespace, Result, Timestamp};

/// Events that a listener may be behind; one that is further behind is told so.
const BEHIND: usize = 1024;

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Event {
    pub at: Timestamp,
    pub namespace: Namespace,
    /// `/images/create`, for one.
    pub topic: String,
    pub event: Option<Any>,
}

/// Where events are told. Clones are the same one.
#[derive(Clone, Debug)]
pub struct Bus(broadcast::Sender<Event>);

impl Bus {
    pub fn new() -> Self {
        Self(broadcast::Sender::new(BEHIND))
    }

    /// Tells `event` to all who listen. InvalidArgument for a topic that is none.
    pub fn publish(&self, event: Event) -> Result<()> {
        check_topic(&event.topic)?;
        // Nobody listens: that is no failure.
        let _ = self.0.send(event);
        Ok(())
    }

    /// What is told from now on.
    pub fn listen(&self) -> broadcast::Receiver<Event> {
        self.0.subscribe()
    }
}

impl Default for Bus {
    fn default() -> Self {
        Self::new()
    }
}

/// Identifiers behind slashes, at least one.
fn check_topic(topic: &str) -> Result<()> {
    let path = topic.strip_prefix('/');
    let path =
        path.ok_or_else(|| Error::invalid(format!("topic {topic:?}: begins with no slash")))?;
    path.split('/').try_for_each(|part| check_identifier("part of a topic", part))
}

impl Fields for Event {
    fn field(&self, path: &[&str]) -> Option<Cow<'_, str>> {
        match path {
            ["namespace"] => Some(self.namespace.as_str().into()),
            ["topic"] => Some(self.topic.as_str().into()),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_is_a_path_of_identifiers() {
        for good in ["/images/create", "/x"] {
            assert!(check_topic(good).is_ok(), "{good}");
        }
        for bad in ["", "/", "images", "/images/", "/a b"] {
            assert!(check_topic(bad).is_err(), "{bad}");
        }
    }
}
