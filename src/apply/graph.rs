//! What has to be running before what is bought. Pure; petgraph is inside, our own types are outside.

use crate::desired::DependencyRef;
use crate::model::Address;
use petgraph::Direction;
use petgraph::graph::{DiGraph, NodeIndex};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A node that purchases wait for: a purchase, or an instance that is still being created.
pub type NodeId = usize;

/// One node.
pub struct NodeSpec<'a> {
    /// Its addresses.
    pub addresses: Vec<&'a Address>,
    /// What it waits for.
    pub depends_on: &'a [DependencyRef],
}

/// The graph, as far as it is still to be worked off.
pub struct ExecutionGraph {
    graph: DiGraph<Node, ()>,
    of_node: Vec<NodeIndex>,
    /// Edges not yet satisfied, by node of the graph.
    waiting_for: Vec<usize>,
}

enum Node {
    Work(NodeId),
    /// All of a block, or one instance: a meeting point, so that edges grow with nodes and not with their product.
    Meeting,
}

impl ExecutionGraph {
    /// Builds it. A dependency that no node stands for is there already.
    pub fn new(nodes: &[NodeSpec<'_>]) -> Self {
        let mut graph = DiGraph::new();
        let of_node: Vec<NodeIndex> = (0..nodes.len()).map(|id| graph.add_node(Node::Work(id))).collect();
        let wanted: BTreeSet<&DependencyRef> = nodes.iter().flat_map(|node| node.depends_on).collect();
        let meetings: BTreeMap<&DependencyRef, NodeIndex> =
            wanted.into_iter().map(|reference| (reference, graph.add_node(Node::Meeting))).collect();
        for (id, node) in nodes.iter().enumerate() {
            let stands_for: BTreeSet<NodeIndex> = node
                .addresses
                .iter()
                .flat_map(|address| {
                    [DependencyRef::Block(address.block.clone()), DependencyRef::Instance((*address).clone())]
                })
                .filter_map(|reference| meetings.get(&reference).copied())
                .collect();
            for meeting in stands_for {
                graph.add_edge(of_node[id], meeting, ());
            }
            for reference in node.depends_on {
                graph.add_edge(meetings[reference], of_node[id], ());
            }
        }
        let waiting_for =
            graph.node_indices().map(|node| graph.neighbors_directed(node, Direction::Incoming).count()).collect();
        let mut this = Self { graph, of_node, waiting_for };
        // Meeting points that nobody has to come to are over from the start.
        let empty: Vec<NodeIndex> =
            meetings.values().copied().filter(|node| this.waiting_for[node.index()] == 0).collect();
        for meeting in empty {
            this.release(meeting);
        }
        this
    }

    /// Nodes that wait for nothing.
    pub fn ready(&self) -> Vec<NodeId> {
        self.of_node
            .iter()
            .enumerate()
            .filter(|(_, node)| self.waiting_for[node.index()] == 0)
            .map(|(id, _)| id)
            .collect()
    }

    /// A node is done: which ones may begin now.
    pub fn complete(&mut self, id: NodeId) -> Vec<NodeId> {
        self.release(self.of_node[id])
    }

    /// A node failed: which ones can never begin.
    pub fn doomed(&self, id: NodeId) -> BTreeSet<NodeId> {
        let mut doomed = BTreeSet::new();
        let mut queue = VecDeque::from([self.of_node[id]]);
        let mut seen = BTreeSet::new();
        while let Some(node) = queue.pop_front() {
            for next in self.graph.neighbors_directed(node, Direction::Outgoing) {
                if seen.insert(next) {
                    queue.push_back(next);
                    if let Node::Work(other) = self.graph[next] {
                        doomed.insert(other);
                    }
                }
            }
        }
        doomed
    }

    fn release(&mut self, from: NodeIndex) -> Vec<NodeId> {
        let mut ready = Vec::new();
        let mut queue = VecDeque::from([from]);
        while let Some(node) = queue.pop_front() {
            let next: Vec<NodeIndex> = self.graph.neighbors_directed(node, Direction::Outgoing).collect();
            for node in next {
                let left = &mut self.waiting_for[node.index()];
                *left = left.saturating_sub(1);
                if *left == 0 {
                    match self.graph[node] {
                        Node::Work(id) => ready.push(id),
                        Node::Meeting => queue.push_back(node),
                    }
                }
            }
        }
        ready.sort_unstable();
        ready
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_for_whole_blocks_and_single_instances() {
        let db = Address::single("db");
        let web: Vec<Address> = (0..2).map(|i| Address::indexed("web", i)).collect();
        let lb = Address::single("lb");
        let on_db = [DependencyRef::Block("db".into()), DependencyRef::Block("existing".into())];
        let on_web = [DependencyRef::Block("web".into()), DependencyRef::Instance(web[0].clone())];
        let nodes = [
            NodeSpec { addresses: vec![&db], depends_on: &[] },
            NodeSpec { addresses: vec![&web[0]], depends_on: &on_db },
            NodeSpec { addresses: vec![&web[1]], depends_on: &on_db },
            NodeSpec { addresses: vec![&lb], depends_on: &on_web },
        ];
        let mut graph = ExecutionGraph::new(&nodes);
        assert_eq!(graph.ready(), [0]);
        assert_eq!(graph.doomed(0), BTreeSet::from([1, 2, 3]));
        assert_eq!(graph.complete(0), [1, 2]);
        assert_eq!(graph.complete(2), [0usize; 0]);
        assert_eq!(graph.complete(1), [3]);
    }
}
