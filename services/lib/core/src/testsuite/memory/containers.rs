//! Records of containers.

use async_trait::async_trait;

use super::content::pick;
use super::state::State;
use super::store::Store;
use crate::containers::{Container, Containers};
use crate::error::{Error, Result};
use crate::labels;
use crate::mask::Mask;
use crate::scope::{self, Scope};
use crate::time;

#[async_trait]
impl Containers for Store {
    async fn get(&self, scope: &Scope, id: &str) -> Result<Container> {
        self.lock().container(scope, id).cloned()
    }

    async fn list(&self, scope: &Scope, filters: &[String]) -> Result<Vec<Container>> {
        let state = self.lock();
        pick(state.look(scope).into_iter().flat_map(|room| room.containers.values()), filters)
    }

    async fn create(&self, scope: &Scope, container: &Container) -> Result<Container> {
        scope::check_identifier("container", &container.id)?;
        labels::check(&container.labels)?;
        let mut state = self.lock();
        if state.container(scope, &container.id).is_ok() {
            return Err(Error::already_exists(format!("container {}", container.id)));
        }
        let now = time::now();
        let container = Container { created_at: now, updated_at: now, ..container.clone() };
        state.room(scope).containers.insert(container.id.clone(), container.clone());
        Ok(container)
    }

    async fn update(&self, scope: &Scope, container: &Container, mask: &Mask) -> Result<Container> {
        mask.check(&["spec", "extensions", "image", "snapshotkey"])?;
        let mut state = self.lock();
        let mut new = state.container(scope, &container.id)?.clone();
        mask.apply_labels(&mut new.labels, &container.labels)?;
        new.replace(container, mask);
        new.updated_at = time::now();
        state.room(scope).containers.insert(new.id.clone(), new.clone());
        Ok(new)
    }

    async fn delete(&self, scope: &Scope, id: &str) -> Result<()> {
        let mut state = self.lock();
        state.container(scope, id)?;
        state.room(scope).containers.remove(id);
        Ok(())
    }
}

impl State {
    fn container(&self, scope: &Scope, id: &str) -> Result<&Container> {
        let found = self.look(scope).and_then(|room| room.containers.get(id));
        found.ok_or_else(|| Error::not_found(format!("container {id}")))
    }
}
