//! Every unpacked layer of every image beside its blob; and those that should be unpacked and are not.

use std::collections::HashMap;
use std::time::Duration;

use varve_core::content::Content;
use varve_core::fsck::{Compared, Fault};
use varve_core::unpack::{Layer, Progress};
use varve_core::{Error, Kind, Namespace, Result, ResultExt, Scope};

use super::found::{Findings, Found};
use super::gallery::Gallery;
use super::labels::unpacked_in;
use crate::image::Image;
use crate::pull::Lease;
use crate::services::Snapshotter;
use crate::session::Session;

/// How often it is looked whether what is unpacked is still there.
const AGAIN: Duration = Duration::from_millis(500);

/// How they are looked at.
#[derive(Clone, Copy)]
pub struct Look {
    pub quick: bool,
    pub repair: bool,
}

/// One layer, where it is unpacked.
struct Tree<'a> {
    snapshotter: &'a Snapshotter,
    content: &'a dyn Content,
    scope: &'a Scope,
    layer: &'a Layer,
    key: String,
}

/// What became of a look at a layer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Sound,
    /// It is damaged, and stays so: what stands on it, and has from it what its own layer does not say,
    /// cannot be judged.
    Left,
}

/// Trees that were looked at, by snapshotter, namespace and key: images share them.
type Seen = HashMap<(String, Namespace, String), Outcome>;

impl Look {
    /// Answers how many trees were looked at.
    pub async fn all(
        self,
        session: &Session,
        gallery: &Gallery,
        findings: &mut Findings,
    ) -> Result<usize> {
        let mut seen = Seen::new();
        for (scope, image) in gallery.readable(session).await? {
            let lease = match self.repair {
                true => Some(Lease::for_work(&session.services, &scope, "repairing trees").await?),
                false => None,
            };
            let leased = lease.as_ref().map_or_else(|| scope.clone(), |lease| lease.scope(&scope));
            for snapshotter in &gallery.snapshotters {
                let (scope, leased, image) = (&scope, &leased, &image);
                let stack = Stack { session, snapshotter, scope, leased, image };
                self.image(&stack, findings, &mut seen).await?;
            }
            if let Some(lease) = lease {
                lease.release().await?;
            }
        }
        Ok(seen.len())
    }

    async fn image(
        self,
        stack: &Stack<'_>,
        findings: &mut Findings,
        seen: &mut Seen,
    ) -> Result<()> {
        let Stack { snapshotter, scope, image, .. } = *stack;
        let needed = stack.is_needed().await?;
        let mut begun = false;
        for layer in &image.layers {
            let key = layer.chain_id().to_string();
            let there = snapshotter.snapshots.stat(scope, &key).await.found()?.is_some();
            let content = &*stack.session.services.content;
            let tree = Tree { snapshotter, content, scope: stack.leased, layer, key: key.clone() };
            if !there {
                if !needed || !stack.is_needed().await? {
                    return Ok(());
                }
                // The lowest that is missing says it for those above.
                let known = std::mem::replace(&mut begun, true);
                self.missing(stack, &tree, findings, known).await?;
                continue;
            }
            let noun = (snapshotter.name.clone(), scope.namespace.clone(), key);
            let outcome = match seen.get(&noun) {
                Some(outcome) => *outcome,
                None => self.there(&tree, findings).await?,
            };
            seen.insert(noun, outcome);
            if outcome == Outcome::Left {
                return Ok(());
            }
        }
        Ok(())
    }

    /// A layer that is not unpacked.
    async fn missing(
        self,
        stack: &Stack<'_>,
        tree: &Tree<'_>,
        findings: &mut Findings,
        known: bool,
    ) -> Result<()> {
        if !known {
            let found = tree.found(findings, Fault::NoSnapshot, "it is not unpacked");
            found.done = None;
        }
        if !self.repair {
            return Ok(());
        }
        match (tree.unpack().await, known) {
            (Ok(()), true) => {}
            (Ok(()), false) => {
                tree.found(findings, Fault::NoSnapshot, "").settle("unpacked again");
            }
            (Err(_), false) if !stack.is_needed().await? => {
                findings.forget(&tree.snapshotter.name, &tree.scope.namespace, &tree.key);
            }
            (Err(error), _) => {
                tree.found(findings, Fault::NoSnapshot, "it is not unpacked").left =
                    Some(error.chain());
            }
        }
        Ok(())
    }

    /// A layer that is unpacked: compared, unless only a quick look is asked for.
    async fn there(self, tree: &Tree<'_>, findings: &mut Findings) -> Result<Outcome> {
        let namespace = &tree.scope.namespace;
        let gone = findings.of_tree(&tree.snapshotter.name, namespace, &tree.key).is_some();
        if self.quick && !(gone && self.repair) {
            return Ok(Outcome::Sound);
        }
        let (compared, left) = match tree.compare(self.repair).await {
            Err(error) if self.repair && error.kind() == Kind::FailedPrecondition => {
                (tree.compare(false).await, Some(error.chain()))
            }
            compared => (compared, None),
        };
        let Compared { differences, repaired } = match compared {
            Ok(compared) => compared,
            Err(error) if says_nothing(&error) => return Ok(Outcome::Sound),
            Err(error) => return Err(error),
        };
        if differences.is_empty() {
            return Ok(Outcome::Sound);
        }
        let what = differences.join(", ");
        let found = tree.found(findings, Fault::Differs, &what);
        if repaired {
            found.settle("unpacked again");
            return Ok(Outcome::Sound);
        }
        found.left = left;
        Ok(Outcome::Left)
    }
}

/// A snapshotter, as one image sees it.
struct Stack<'a> {
    session: &'a Session,
    snapshotter: &'a Snapshotter,
    scope: &'a Scope,
    leased: &'a Scope,
    image: &'a Image,
}

impl Stack<'_> {
    /// Whether the image's config says that it is unpacked there.
    async fn is_needed(&self) -> Result<bool> {
        let (content, image) = (&self.session.services.content, self.image);
        let config = content.info(self.scope, &image.id()).await.found()?;
        let label = unpacked_in(&self.snapshotter.name);
        let top = image.top().map(|top| top.to_string());
        Ok(config.is_some_and(|info| info.labels.get(&label) == top.as_ref()))
    }
}

impl Tree<'_> {
    async fn compare(&self, repair: bool) -> Result<Compared> {
        let layer = self.layer.clone();
        self.snapshotter.trees.compare(self.scope, layer, repair, Progress::ignored()).await
    }

    /// Unpacks it, while its blob is here: one that was removed meanwhile would be waited for as if somebody were
    /// bringing it.
    async fn unpack(&self) -> Result<()> {
        self.is_readable().await?;
        let layer = self.layer.clone();
        tokio::select! {
            unpacked = self.snapshotter.unpacker.unpack(self.scope, layer, Progress::ignored()) => {
                unpacked.map(drop)
            }
            gone = self.gone() => Err(gone),
        }
    }

    async fn gone(&self) -> Error {
        loop {
            tokio::time::sleep(AGAIN).await;
            if let Err(error) = self.is_readable().await {
                return error;
            }
        }
    }

    /// Whoever unpacks a damaged blob waits for another to bring it.
    async fn is_readable(&self) -> Result<()> {
        let reader = self.content.reader(self.scope, &self.layer.blob.digest).await?;
        reader.read_at(0, 1).await.map(drop)
    }

    /// What is known of this tree, or is from now on.
    fn found<'f>(&self, findings: &'f mut Findings, kind: Fault, what: &str) -> &'f mut Found {
        let (name, namespace) = (&self.snapshotter.name, &self.scope.namespace);
        if findings.of_tree(name, namespace, &self.key).is_none() {
            findings.add(Found {
                kind,
                noun: self.key.clone(),
                snapshotter: Some(name.clone()),
                namespace: Some(namespace.clone()),
                what: what.to_owned(),
                needed_by: Vec::new(),
                done: None,
                left: None,
            });
        }
        findings.of_tree(name, namespace, &self.key).expect("it was just added")
    }
}

/// The snapshot went meanwhile, or was made by another client than Varve's, or its blob is damaged,
/// which is told of the blob.
fn says_nothing(error: &Error) -> bool {
    use Kind::*;
    matches!(error.kind(), NotFound | FailedPrecondition | DataLoss | Unimplemented)
}
