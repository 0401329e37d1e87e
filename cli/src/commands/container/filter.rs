//! `ps --filter`: those of one key widen the list, those of several narrow it.

use varve_core::{Error, Result, ResultExt};

use crate::container::find::Found;
use crate::container::state::Status;
use crate::find;
use crate::session::Session;

/// What is asked of each container.
#[derive(Default, Debug)]
pub struct Filters {
    names: Vec<String>,
    ids: Vec<String>,
    states: Vec<String>,
    statuses: Vec<u8>,
    /// The image's name as it was given, and what it means here.
    ancestors: Vec<(String, Option<String>)>,
    labels: Vec<(String, Option<String>)>,
}

const KEYS: &str = "name, id, status, exited, ancestor and label";
const STATES: [&str; 3] = ["created", "running", "exited"];

impl Filters {
    pub async fn parse(session: &Session, texts: &[String]) -> Result<Self> {
        let mut filters = Self::default();
        for text in texts {
            let Some((key, value)) = text.split_once('=') else {
                return Err(Error::invalid(format!("--filter {text}: want KEY=VALUE")));
            };
            filters.add(session, key, value.to_owned()).await?;
        }
        Ok(filters)
    }

    async fn add(&mut self, session: &Session, key: &str, value: String) -> Result<()> {
        let bad = |why: String| Err(Error::invalid(format!("--filter {key}={value}: {why}")));
        match key {
            "name" => self.names.push(value.trim_start_matches('/').to_owned()),
            "id" => self.ids.push(value),
            "status" if STATES.contains(&value.as_str()) => self.states.push(value),
            "status" => return bad(format!("want one of {}", STATES.join(", "))),
            "exited" => match value.parse() {
                Ok(status) => self.statuses.push(status),
                Err(_) => return bad("want an exit status".into()),
            },
            "ancestor" => {
                let image = find::find(session, &value).await.found()?;
                let digest = image.map(|image| image.first().target.digest.to_string());
                self.ancestors.push((value, digest));
            }
            "label" => self.labels.push(match value.split_once('=') {
                Some((key, value)) => (key.to_owned(), Some(value.to_owned())),
                None => (value, None),
            }),
            _ => {
                let message = format!("Invalid filter '{key}'; there are {KEYS}");
                return Err(Error::invalid(message));
            }
        }
        Ok(())
    }

    /// Whether they ask for containers by what they are at: then all are looked at.
    pub fn by_status(&self) -> bool {
        !self.states.is_empty() || !self.statuses.is_empty()
    }

    pub fn fit(&self, found: &Found, status: &Status) -> bool {
        let Found { container, settings, .. } = found;
        let any = |list: &[String], fits: &dyn Fn(&String) -> bool| {
            list.is_empty() || list.iter().any(fits)
        };
        let label = |(key, value): &(String, Option<String>)| {
            let of = container.labels.get(key);
            of.is_some_and(|of| value.as_ref().is_none_or(|value| of == value))
        };
        any(&self.names, &|name| settings.name.contains(name.as_str()))
            && any(&self.ids, &|id| container.id.starts_with(id.as_str()))
            && any(&self.states, &|state| state == status.word())
            && self.has_ended(status)
            && self.descends(found)
            && self.labels.iter().all(label)
    }

    fn has_ended(&self, status: &Status) -> bool {
        let ended =
            |wanted: &u8| matches!(status, Status::Exited { end, .. } if end.status == *wanted);
        self.statuses.is_empty() || self.statuses.iter().any(ended)
    }

    fn descends(&self, found: &Found) -> bool {
        let of = found.container.labels.get(varve_core::labels::IMAGE);
        let from = |(name, digest): &(String, Option<String>)| {
            *name == found.settings.image || (digest.is_some() && digest.as_ref() == of)
        };
        self.ancestors.is_empty() || self.ancestors.iter().any(from)
    }
}
