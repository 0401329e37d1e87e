//! Which container a person means: by name, by id or the start of one.

use varve_core::containers::Container;
use varve_core::{Error, Result, Scope};

use super::place::{Base, Place};
use super::settings::Settings;
use super::state::Status;
use crate::session::Session;

/// A container that Varve made, and where its state is.
#[derive(Clone)]
pub struct Found {
    pub scope: Scope,
    pub container: Container,
    pub settings: Settings,
    pub place: Place,
}

impl Found {
    pub fn of(scope: &Scope, container: Container, base: &Base) -> Result<Self> {
        let settings = Settings::of(&container)?;
        let place = base.place(&container.id);
        Ok(Self { scope: scope.clone(), container, settings, place })
    }

    pub fn status(&self) -> Status {
        Status::of(&self.place)
    }

    /// The id as lists show it.
    pub fn short(&self) -> &str {
        &self.container.id[..self.container.id.len().min(12)]
    }
}

/// All of the namespace, the newest first. What other engines recorded in the store is theirs to show.
pub async fn all(session: &Session, base: &Base) -> Result<Vec<Found>> {
    let all = session.services.containers.list(&session.scope, &[]).await?;
    let found = all.into_iter().filter_map(|one| Found::of(&session.scope, one, base).ok());
    let mut found: Vec<_> = found.collect();
    found.sort_by_key(|one| std::cmp::Reverse(one.container.created_at));
    Ok(found)
}

/// The one that `text` means: a name first, then an id, then the start of one.
///
/// # Errors
/// NotFound where there is none; InvalidArgument where several ids begin so.
pub async fn find(session: &Session, base: &Base, text: &str) -> Result<Found> {
    pick(all(session, base).await?, text)
}

fn pick(all: Vec<Found>, text: &str) -> Result<Found> {
    let name = text.strip_prefix('/').unwrap_or(text);
    let exact = |one: &&Found| one.settings.name == name || one.container.id == name;
    if let Some(found) = all.iter().find(exact) {
        return Ok(found.clone());
    }
    let begins = |one: &Found| !name.is_empty() && one.container.id.starts_with(name);
    let mut found: Vec<Found> = all.into_iter().filter(begins).collect();
    match found.len() {
        1 => Ok(found.remove(0)),
        0 => Err(Error::not_found(format!(
            "No such container: {text}; `varve ps -a` lists those here"
        ))),
        _ => {
            let those = found.iter().map(|one| format!("{} ({})", one.short(), one.settings.name));
            let those = those.take(10).collect::<Vec<_>>().join(", ");
            Err(Error::invalid(format!("{text}: several ids begin so: {those}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use varve_core::containers::Runtime;

    use super::*;
    use crate::container::settings::tests::example;

    fn made(id: &str, name: &str) -> Found {
        let settings = Settings { name: name.into(), ..example() };
        let now = varve_core::time::now();
        let container = Container {
            id: id.into(),
            labels: BTreeMap::new(),
            image: String::new(),
            runtime: Runtime::default(),
            spec: None,
            snapshotter: String::new(),
            snapshot_key: String::new(),
            created_at: now,
            updated_at: now,
            extensions: settings.extensions().unwrap(),
        };
        let base: Base = serde_json::from_value("/run".into()).unwrap();
        Found::of(&Scope::default(), container, &base).unwrap()
    }

    #[test]
    fn a_name_comes_before_the_start_of_an_id() {
        let all = || vec![made("abc1", "web"), made("abc2", "abc1x"), made("dead", "abc")];
        let id = |text| pick(all(), text).map(|one| one.container.id);
        assert_eq!(id("abc").unwrap(), "dead");
        assert_eq!(id("/web").unwrap(), "abc1");
        assert_eq!(id("abc2").unwrap(), "abc2");
        assert_eq!(id("de").unwrap(), "dead");
        assert!(id("ab").unwrap_err().message().contains("abc1 (web), abc2 (abc1x)"));
        for none in ["", "/", "x", "abc22"] {
            assert!(id(none).unwrap_err().message().contains("No such container"), "{none}");
        }
    }
}
