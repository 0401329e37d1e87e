//! The ways from roots to a place: why it is kept.

use std::collections::{HashMap, HashSet, VecDeque};

use super::{Edge, Graph, Keeper, Place, Root};

/// How a root keeps a place: its own edge first, the one to the place last.
#[derive(PartialEq, Eq, Debug)]
pub struct Way<'a> {
    pub keeper: &'a Keeper,
    pub steps: Vec<&'a Edge>,
}

/// What leads to a place, the nearest first, each with the edge by which it does; the place itself has none.
type Towards<'a> = Vec<(&'a Place, Option<&'a Edge>)>;

impl Graph {
    /// The shortest way from each keeper that there is one from, the shortest of all first.
    pub fn ways<'a>(&'a self, place: &'a Place) -> Vec<Way<'a>> {
        let towards = self.towards(place);
        let on: HashMap<&Place, Option<&Edge>> = towards.iter().copied().collect();
        let roots = self.roots_by_target();
        let mut known = HashSet::new();
        let mut ways = Vec::new();
        for (at, _) in &towards {
            for (root, edge) in roots.get(at).into_iter().flatten() {
                let keeps = !root.flat || *at == place;
                if keeps && known.insert(&root.keeper) {
                    ways.push(Way { keeper: &root.keeper, steps: walk(edge, &on) });
                }
            }
        }
        ways
    }

    fn towards<'a>(&'a self, place: &'a Place) -> Towards<'a> {
        let mut back: HashMap<&Place, Vec<(&Place, &Edge)>> = HashMap::new();
        for (from, edges) in &self.edges {
            for edge in edges {
                back.entry(&edge.to).or_default().push((from, edge));
            }
        }
        let (mut towards, mut known) = (Vec::new(), HashSet::from([place]));
        let mut next = VecDeque::from([(place, None)]);
        while let Some((at, edge)) = next.pop_front() {
            towards.push((at, edge));
            for &(from, edge) in back.get(at).into_iter().flatten() {
                if known.insert(from) {
                    next.push_back((from, Some(edge)));
                }
            }
        }
        towards
    }

    fn roots_by_target(&self) -> HashMap<&Place, Vec<(&Root, &Edge)>> {
        let mut roots: HashMap<&Place, Vec<(&Root, &Edge)>> = HashMap::new();
        for root in &self.roots {
            for edge in &root.edges {
                roots.entry(&edge.to).or_default().push((root, edge));
            }
        }
        roots
    }
}

/// From a root's edge on.
fn walk<'a>(first: &'a Edge, on: &HashMap<&Place, Option<&'a Edge>>) -> Vec<&'a Edge> {
    let mut steps = vec![first];
    let mut at = first;
    while let Some(edge) = on.get(&at.to).copied().flatten() {
        steps.push(edge);
        at = edge;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::super::tests::example;
    use super::*;

    fn shown(graph: &Graph, name: &str) -> Vec<String> {
        let place = Place::Blob(name.into());
        let ways = graph.ways(&place);
        let steps = |way: &Way| way.steps.iter().map(|edge| edge.by.clone()).collect::<Vec<_>>();
        let line = |way: &Way| match way.keeper {
            Keeper::Image(name) => format!("{name} {}", steps(way).join(" ")),
            _ => format!("lease {}", steps(way).join(" ")),
        };
        ways.iter().map(line).collect()
    }

    #[test]
    fn each_root_has_one_way_and_a_flat_lease_keeps_only_what_it_names() {
        let graph = example();
        assert_eq!(shown(&graph, "both"), ["a x l.both", "b x l.both"]);
        assert_eq!(shown(&graph, "only-a"), ["a x l.only-a"]);
        assert_eq!(shown(&graph, "m-b"), ["b x", "lease x"], "and a cycle has an end");
        assert!(shown(&graph, "nobody's").is_empty());
        assert!(shown(&graph, "not here").is_empty());
    }
}
