//! Two ways for a layer, one tree: side by side and settled afterwards, or in order through its
//! parent. And a third, native, that knows nothing of overlays.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod kit;

use kit::odd::{Layers, layers_of, odd};
use varve_core::snapshots::NewSnapshot;
use varve_core::{ChainId, Result};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn side_by_side_and_in_order_make_the_same_tree() {
    let (Some(overlay), Some(native)) = (kit::room("overlayfs").await, kit::room("native").await)
    else {
        return;
    };
    let mut wrong = Vec::new();
    for (what, odd) in odd() {
        let layers = layers_of(&odd);
        let top = |chain: Vec<ChainId>| *chain.last().unwrap();
        let aside = list(&overlay, overlay.stack_at_once(&layers).await.map(top)).await;
        let through = list(&overlay, through_mounts(&overlay, what, &layers).await).await;
        let copied = list(&native, native.stack(&layers).await.map(top)).await;
        for (way, tree) in [("in order", &through), ("native", &copied)] {
            if let Some(difference) = difference(&aside, tree) {
                wrong.push(format!("{what}, side by side against {way}:\n{difference}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// The tree, or that there is none and why.
async fn list(room: &kit::Room, chain: Result<ChainId>) -> Vec<String> {
    match chain {
        Ok(chain) => room.tree(chain).await,
        Err(error) => vec![format!("{:?}", error.kind())],
    }
}

/// Applies every layer in order, by `Diff.apply` on an active snapshot, as containerd's clients do.
async fn through_mounts(room: &kit::Room, what: &str, layers: &Layers) -> Result<ChainId> {
    let (scope, snapshots) = (&room.scope, &room.service.snapshots);
    let mut parent = None;
    let mut last = None;
    for (at, tar) in layers.iter().enumerate() {
        // Named like a digest, so that the rest of the kit can look at it.
        let name = varve_core::Digest::of(format!("{what} {at}").as_bytes());
        let key = format!("active {what} {at}");
        let new = NewSnapshot { key: key.clone(), parent, ..NewSnapshot::default() };
        let mounts = snapshots.prepare(scope, new).await.unwrap();
        room.put(tar).await;
        let blob = kit::describe(tar, None).blob;
        let applied = room.service.diff.apply(scope, &blob, &mounts).await?;
        assert_eq!((applied.digest, applied.size), (blob.digest, blob.size), "{what}");
        let labels = varve_core::Labels::new();
        snapshots.commit(scope, &name.to_string(), &key, &labels).await.unwrap();
        (parent, last) = (Some(name.to_string()), Some(name));
    }
    Ok(ChainId(last.unwrap()))
}

fn difference(one: &[String], other: &[String]) -> Option<String> {
    let only = |a: &[String], b: &[String], mark: &str| {
        let lines = a.iter().filter(|line| !b.contains(line));
        lines.map(|line| format!("{mark} {line}\n")).collect::<String>()
    };
    let difference = only(one, other, "<") + &only(other, one, ">");
    (!difference.is_empty()).then_some(difference)
}
