//! `lhprov graph`: what waits for what, to be drawn.

use crate::cli::args::{Global, GraphArgs, GraphFormat, ViewWord};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::load;
use crate::desired::{DependencyRef, DesiredState};
use crate::model::Address;
use crate::report::console::Console;
use crate::report::graph::{Graph, Node, dot, mermaid};
use crate::report::text::{clean_line, count};
use std::collections::{BTreeMap, BTreeSet};

/// Prints the graph.
pub fn run(global: &Global, own: &GraphArgs, console: Console) -> Result<Exit, Failure> {
    let loaded = load::load(global, console)?;
    let graph = match own.view {
        ViewWord::Compact => of_blocks(&loaded.desired),
        ViewWord::Full => of_instances(&loaded.desired),
    };
    let text = match own.format {
        GraphFormat::Dot => dot(&graph),
        GraphFormat::Mermaid => mermaid(&graph),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// A node for each block.
fn of_blocks(desired: &DesiredState) -> Graph {
    let mut sizes: BTreeMap<&str, usize> = BTreeMap::new();
    for address in desired.instances.keys() {
        *sizes.entry(&address.block).or_default() += 1;
    }
    let places: BTreeMap<&str, usize> = sizes.keys().enumerate().map(|(place, name)| (*name, place)).collect();
    let mut edges = BTreeSet::new();
    for (address, instance) in &desired.instances {
        for dependency in instance.depends_on.iter() {
            let on = match dependency {
                DependencyRef::Block(name) => name.as_str(),
                DependencyRef::Instance(on) => on.block.as_str(),
            };
            if let (Some(from), Some(to)) = (places.get(address.block.as_str()), places.get(on)) {
                edges.insert((*from, *to));
            }
        }
    }
    let nodes = sizes
        .iter()
        .map(|(name, size)| {
            let said = if *size > 1 { count(*size, "instance") } else { String::new() };
            Node::Box(clean_line(name), said)
        })
        .collect();
    Graph { title: desired.stack.to_string(), nodes, edges: edges.into_iter().collect() }
}

/// A node for each instance, and one where the instances of a block meet that something waits for as a whole.
fn of_instances(desired: &DesiredState) -> Graph {
    let mut nodes: Vec<Node> = Vec::new();
    let mut places: BTreeMap<&Address, usize> = BTreeMap::new();
    for address in desired.instances.keys() {
        places.insert(address, nodes.len());
        nodes.push(Node::Box(clean_line(&address.to_string()), String::new()));
    }
    let mut blocks: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (address, place) in &places {
        blocks.entry(&address.block).or_default().push(*place);
    }
    let mut edges = BTreeSet::new();
    let mut meetings: BTreeMap<&str, usize> = BTreeMap::new();
    for (address, instance) in &desired.instances {
        let Some(from) = places.get(address) else { continue };
        for dependency in instance.depends_on.iter() {
            let to = match dependency {
                DependencyRef::Instance(on) => places.get(on).copied(),
                DependencyRef::Block(name) => match blocks.get(name.as_str()).map(Vec::as_slice) {
                    None | Some([]) => None,
                    Some([one]) => Some(*one),
                    Some(members) => Some(*meetings.entry(name).or_insert_with(|| {
                        let meeting = nodes.len();
                        nodes.push(Node::Meeting);
                        edges.extend(members.iter().map(|member| (meeting, *member)));
                        meeting
                    })),
                },
            };
            edges.extend(to.map(|to| (*from, to)));
        }
    }
    Graph { title: desired.stack.to_string(), nodes, edges: edges.into_iter().collect() }
}
