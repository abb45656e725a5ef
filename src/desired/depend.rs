//! What `depends_on` names, and that nothing waits for itself.
//!
//! Linear in blocks, instances and written entries: a dependency on a block of a thousand is one edge to the block, which
//! has an edge to each of its instances.

use super::expand::Context;
use super::problems::Problems;
use super::spec::{Place, Scope};
use super::state::DependencyRef;
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::manifest::schema::{Block, EachMember, Text};
use crate::model::{Address, Key};
use std::collections::HashMap;
use std::sync::Arc;

/// What the dependencies have to know of a block.
pub(super) struct BlockOutline<'a> {
    pub(super) name: &'a Text,
    pub(super) members: Members<'a>,
}

/// Which instances a block stands for, and what each waits for.
pub(super) enum Members<'a> {
    /// One.
    Single(&'a Block),
    /// `count` of them.
    Count(u32, &'a Block),
    /// One for each key.
    Keys(&'a [EachMember]),
}

impl<'a> Members<'a> {
    /// How many.
    pub(super) fn len(&self) -> usize {
        match self {
            Members::Single(_) => 1,
            Members::Count(count, _) => *count as usize,
            Members::Keys(members) => members.len(),
        }
    }

    /// The block, address and place in the text of the instance at `position`. Of a block of none, what one would be.
    pub(super) fn scope<'s>(&self, context: &'s Context<'s>, name: &'s Text, position: usize) -> Scope<'s>
    where
        'a: 's,
    {
        let place = match self {
            Members::Single(_) => Place::Single,
            Members::Count(..) => Place::Index(u32::try_from(position).unwrap_or(u32::MAX)),
            Members::Keys(members) => Place::Key(&members[position].key.value, &members[position].value),
        };
        Scope { context, block: &name.value, place }
    }

    fn depends_on(&self, position: usize) -> &'a [Text] {
        let block: &'a Block = match self {
            Members::Single(block) | Members::Count(_, block) => block,
            Members::Keys(members) => &members[position].block,
        };
        block.depends_on.as_deref().unwrap_or_default()
    }
}

/// The dependencies of the instances of one block.
#[derive(Debug)]
pub(super) enum Dependencies {
    /// The same for all.
    Shared(List),
    /// `${…}` in them, or the keys, may make them differ.
    Each(Vec<List>),
}

/// References, sorted, and the place where each was written.
#[derive(Clone, Debug)]
pub(super) struct List {
    references: Arc<[DependencyRef]>,
    spans: Vec<Span>,
}

impl Dependencies {
    /// Those of one instance.
    pub(super) fn of(&self, position: usize) -> Arc<[DependencyRef]> {
        match self {
            Dependencies::Shared(list) => Arc::clone(&list.references),
            Dependencies::Each(lists) => {
                lists.get(position).map_or_else(|| Arc::from([]), |list| Arc::clone(&list.references))
            }
        }
    }
}

/// Reads the `depends_on` of every block.
pub(super) fn resolve(
    outlines: &[BlockOutline<'_>],
    context: &Context<'_>,
    problems: &mut Problems<'_>,
) -> Vec<Dependencies> {
    let shapes: HashMap<&str, Shape<'_>> =
        outlines.iter().map(|outline| (outline.name.value.as_str(), Shape::of(&outline.members))).collect();
    outlines
        .iter()
        .map(|outline| {
            let mut list = |position| {
                let scope = outline.members.scope(context, outline.name, position);
                let found = outline.members.depends_on(position).iter().filter_map(|text| {
                    let text = scope.resolved(text, problems)?;
                    Some((reference(&text, outline, &shapes, problems)?, text.span))
                });
                let mut found: Vec<(DependencyRef, Span)> = found.collect();
                found.sort_by(|a, b| a.0.cmp(&b.0));
                found.dedup_by(|a, b| a.0 == b.0);
                let (references, spans): (Vec<DependencyRef>, Vec<Span>) = found.into_iter().unzip();
                List { references: references.into(), spans }
            };
            let differs = |position| outline.members.depends_on(position).iter().any(|text| text.value.contains("${"));
            match &outline.members {
                Members::Count(count, _) if differs(0) => Dependencies::Each((0..*count as usize).map(list).collect()),
                Members::Single(_) | Members::Count(..) => Dependencies::Shared(list(0)),
                Members::Keys(members) => {
                    let mut lists: Vec<List> = Vec::with_capacity(members.len());
                    for position in 0..members.len() {
                        // Neighbours mostly wait for the same, and then share the list.
                        let same = position > 0
                            && !differs(position)
                            && outline.members.depends_on(position) == outline.members.depends_on(position - 1);
                        let next = if same { lists[position - 1].clone() } else { list(position) };
                        lists.push(next);
                    }
                    Dependencies::Each(lists)
                }
            }
        })
        .collect()
}

/// Which instances a block has, to look addresses up in.
pub(super) enum Shape<'a> {
    Single,
    Count(u32),
    Keys(HashMap<&'a str, usize>),
}

impl<'a> Shape<'a> {
    pub(super) fn of(members: &Members<'a>) -> Self {
        match members {
            Members::Single(_) => Shape::Single,
            Members::Count(count, _) => Shape::Count(*count),
            Members::Keys(members) => {
                Shape::Keys(members.iter().enumerate().map(|(at, member)| (member.key.value.as_str(), at)).collect())
            }
        }
    }
}

/// What one entry names.
fn reference(
    text: &Text,
    outline: &BlockOutline<'_>,
    shapes: &HashMap<&str, Shape<'_>>,
    problems: &mut Problems<'_>,
) -> Option<DependencyRef> {
    let Ok(address) = text.value.parse::<Address>() else {
        problems.push(
            Diagnostic::error("depends-on", format!("`{}` is not an address", text.value))
                .at(text.span)
                .help("name a block (`web`) or one of its instances (`\"web[0]\"`)"),
        );
        return None;
    };
    let Some(shape) = shapes.get(address.block.as_str()) else {
        let diagnostic =
            Diagnostic::error("depends-on", format!("there is no instance `{}`", address.block)).at(text.span);
        problems.push(match did_you_mean(&address.block, shapes.keys().copied()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic,
        });
        return None;
    };
    if address.block == outline.name.value {
        problems.error("depends-on-self", text.span, format!("`{}` cannot depend on itself", outline.name.value));
        return None;
    }
    let there = match (shape, &address.key) {
        (_, Key::Single) => return Some(DependencyRef::Block(address.block)),
        (Shape::Count(count), Key::Index(index)) if index < count => return Some(DependencyRef::Instance(address)),
        (Shape::Keys(keys), Key::Name(name)) if keys.contains_key(name.as_str()) => {
            return Some(DependencyRef::Instance(address));
        }
        (Shape::Keys(keys), Key::Name(name)) => match did_you_mean(name, keys.keys().copied()) {
            Some(near) => format!("did you mean `{}`?", Address::named(&address.block, near)),
            None => "`for_each` has no such key".to_owned(),
        },
        (Shape::Keys(_), Key::Index(_)) => "it has keys, not numbers: `for_each` and no `count`".to_owned(),
        (Shape::Count(0), _) => "it has no instances now".to_owned(),
        (Shape::Count(count), _) => format!("it has `{0}[0]` to `{0}[{1}]`", address.block, count - 1),
        (Shape::Single, _) => format!("it has no `count`, so it is just `{}`", address.block),
    };
    problems.push(
        Diagnostic::error("depends-on", format!("`{}` has no instance `{}`", address.block, text.value))
            .at(text.span)
            .label(there),
    );
    None
}

/// Cycles that are shown; the others may well be gone once these are.
const CYCLES_SHOWN_MAX: usize = 5;

/// Reports dependencies that lead back to where they began.
pub(super) fn refuse_cycles(outlines: &[BlockOutline<'_>], dependencies: &[Dependencies], problems: &mut Problems<'_>) {
    let graph = Graph::new(outlines, dependencies);
    for cycle in graph.cycles() {
        let names: Vec<&str> = cycle.iter().map(|step| step.name.as_str()).collect();
        let first = names.first().copied().unwrap_or_default();
        let summary = format!("instances wait for one another: {} -> {first}", names.join(" -> "));
        let mut diagnostic = Diagnostic::error("dependency-cycle", summary);
        for (at, step) in cycle.iter().enumerate() {
            let next = names[(at + 1) % names.len()];
            diagnostic = match at {
                0 => diagnostic.at(step.span).label(format!("`{}` waits for `{next}`", step.name)),
                _ => diagnostic.related(step.span, format!("`{}` waits for `{next}`", step.name)),
            };
        }
        problems.push(diagnostic.help("remove one of these dependencies"));
    }
}

/// One written dependency on the way around.
struct Step {
    name: String,
    span: Span,
}

/// Nodes, in this order: for each block "all of it", for each block "what all of it waits for", then each instance.
struct Graph<'a> {
    outlines: &'a [BlockOutline<'a>],
    edges: Vec<Vec<(usize, Option<Span>)>>,
    /// First instance node of each block.
    first: Vec<usize>,
}

impl<'a> Graph<'a> {
    fn new(outlines: &'a [BlockOutline<'a>], dependencies: &[Dependencies]) -> Self {
        let blocks = outlines.len();
        let mut first = Vec::with_capacity(blocks);
        let mut nodes = 2 * blocks;
        for outline in outlines {
            first.push(nodes);
            nodes += outline.members.len();
        }
        let shapes: Vec<Shape<'_>> = outlines.iter().map(|outline| Shape::of(&outline.members)).collect();
        let by_name: HashMap<&str, usize> =
            outlines.iter().enumerate().map(|(block, outline)| (outline.name.value.as_str(), block)).collect();
        let mut edges = vec![Vec::new(); nodes];
        let targets = |list: &List| -> Vec<(usize, Option<Span>)> {
            let nodes = list.references.iter().zip(&list.spans).filter_map(|(reference, span)| {
                let node = match reference {
                    DependencyRef::Block(block) => *by_name.get(block.as_str())?,
                    DependencyRef::Instance(Address { block, key: Key::Index(index) }) => {
                        first[*by_name.get(block.as_str())?] + *index as usize
                    }
                    DependencyRef::Instance(Address { block, key: Key::Name(name) }) => {
                        let block = *by_name.get(block.as_str())?;
                        let Shape::Keys(keys) = &shapes[block] else { return None };
                        first[block] + keys.get(name.as_str())?
                    }
                    DependencyRef::Instance(address) => *by_name.get(address.block.as_str())?,
                };
                Some((node, Some(*span)))
            });
            nodes.collect()
        };
        for (block, (outline, dependencies)) in outlines.iter().zip(dependencies).enumerate() {
            let instances = first[block]..first[block] + outline.members.len();
            edges[block] = instances.clone().map(|instance| (instance, None)).collect();
            match dependencies {
                Dependencies::Shared(list) => {
                    edges[blocks + block] = targets(list);
                    instances.for_each(|instance| edges[instance] = vec![(blocks + block, None)]);
                }
                Dependencies::Each(lists) => {
                    lists.iter().zip(instances).for_each(|(list, instance)| edges[instance] = targets(list));
                }
            }
        }
        Self { outlines, edges, first }
    }

    /// Cycles found by a walk in depth, without recursion: a chain of dependencies may be as long as the manifest.
    fn cycles(&self) -> Vec<Vec<Step>> {
        #[derive(Clone, Copy, PartialEq)]
        enum Mark {
            New,
            OnPath,
            Done,
        }
        let mut marks = vec![Mark::New; self.edges.len()];
        let mut cycles = Vec::new();
        for root in 0..self.edges.len() {
            if marks[root] != Mark::New {
                continue;
            }
            // Each node on the path, with the edge to take next.
            let mut path: Vec<(usize, usize)> = vec![(root, 0)];
            marks[root] = Mark::OnPath;
            while let Some((node, next)) = path.last_mut() {
                let Some((target, _)) = self.edges[*node].get(*next) else {
                    marks[*node] = Mark::Done;
                    path.pop();
                    continue;
                };
                *next += 1;
                match marks[*target] {
                    Mark::Done => {}
                    Mark::New => {
                        marks[*target] = Mark::OnPath;
                        path.push((*target, 0));
                    }
                    Mark::OnPath => {
                        let start = path.iter().position(|(node, _)| node == target).unwrap_or(0);
                        cycles.push(self.steps(&path[start..]));
                        if cycles.len() == CYCLES_SHOWN_MAX {
                            return cycles;
                        }
                    }
                }
            }
        }
        cycles
    }

    /// The written dependencies along a cycle, beginning with the smallest name.
    fn steps(&self, path: &[(usize, usize)]) -> Vec<Step> {
        let written = path.iter().filter_map(|(node, next)| {
            let (_, span) = self.edges[*node].get(next.checked_sub(1)?)?;
            Some(Step { name: self.name(*node), span: (*span)? })
        });
        let mut steps: Vec<Step> = written.collect();
        let smallest = (0..steps.len()).min_by(|a, b| steps[*a].name.cmp(&steps[*b].name)).unwrap_or(0);
        steps.rotate_left(smallest);
        steps
    }

    fn name(&self, node: usize) -> String {
        let blocks = self.outlines.len();
        if node < 2 * blocks {
            return self.outlines[node % blocks].name.value.clone();
        }
        let block = self.first.partition_point(|first| *first <= node) - 1;
        let outline = &self.outlines[block];
        let (name, position) = (&outline.name.value, node - self.first[block]);
        match &outline.members {
            Members::Single(_) => name.clone(),
            Members::Count(..) => format!("{name}[{position}]"),
            Members::Keys(members) => Address::named(name, &members[position].key.value).to_string(),
        }
    }
}
