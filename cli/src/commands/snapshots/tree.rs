//! `varve snapshots tree`: what is stacked on what.

use std::collections::{BTreeMap, HashSet};

use serde::Serialize;
use varve_core::snapshots::Info;

use crate::failure::Result;
use crate::services::Snapshotter;
use crate::session::Session;

/// Prints the stacks as ctr does.
pub async fn show(session: &Session, snapshotter: &Snapshotter) -> Result<()> {
    let all = snapshotter.snapshots.list(&session.scope, &[]).await?;
    let nodes = nodes(&all);
    let line = |node: &Node| match node.level {
        0 => format!(" {}", node.name),
        level => format!("{}\\_ {}", "  ".repeat(level), node.name),
    };
    let lines: Vec<_> = nodes.iter().map(line).collect();
    session.output.lines(&lines, &nodes)
}

/// A snapshot in the tree, parents before children.
#[derive(Serialize, PartialEq, Debug)]
struct Node {
    name: String,
    parent: Option<String>,
    /// 0 for one that stands on nothing.
    level: usize,
}

/// Walked with a stack of its own: as deep as the images are.
fn nodes(all: &[Info]) -> Vec<Node> {
    let names: HashSet<_> = all.iter().map(|info| info.name.as_str()).collect();
    let mut children: BTreeMap<Option<&str>, Vec<&str>> = BTreeMap::new();
    for info in all {
        let parent = info.parent.as_deref().filter(|parent| names.contains(parent));
        children.entry(parent).or_default().push(&info.name);
    }
    let mut nodes = Vec::with_capacity(all.len());
    let mut next = vec![(None, None, 0)];
    while let Some((name, parent, level)) = next.pop() {
        if let Some(name) = name {
            let parent: Option<&str> = parent;
            nodes.push(Node {
                name: str::to_owned(name),
                parent: parent.map(str::to_owned),
                level,
            });
        }
        let below = level + usize::from(name.is_some());
        let children = children.remove(&name).unwrap_or_default();
        next.extend(children.into_iter().rev().map(|child| (Some(child), name, below)));
    }
    nodes
}

#[cfg(test)]
mod tests {
    use varve_core::Labels;
    use varve_core::snapshots::Kind;

    use super::*;

    fn info(name: &str, parent: Option<&str>) -> Info {
        let now = varve_core::time::now();
        Info {
            kind: Kind::Committed,
            name: name.into(),
            parent: parent.map(str::to_owned),
            labels: Labels::new(),
            created_at: now,
            updated_at: now,
        }
    }

    #[test]
    fn children_stand_below_their_parents() {
        let all =
            [info("a", None), info("b", Some("d")), info("c", Some("d")), info("d", Some("a"))];
        let nodes = nodes(&all);
        let order: Vec<_> = nodes.iter().map(|node| (node.name.as_str(), node.level)).collect();
        assert_eq!(order, [("a", 0), ("d", 1), ("b", 2), ("c", 2)]);
        assert_eq!(nodes[2].parent.as_deref(), Some("d"));
    }
}
