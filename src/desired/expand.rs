//! Manifest to desired state: `count` and `${…}` are worked out, every value is checked, and every problem is reported.
//!
//! Reads no file and no environment by itself: both come in as functions.

use super::check;
use super::depend::{self, BlockOutline, Members};
use super::problems::Problems;
use super::spec::{Inputs, Place, Scope};
use super::state::{DesiredInstance, DesiredState, TOKEN_TTL_DEFAULT, Timeouts, VISIBILITY_GRACE_DEFAULT};
use super::{moves, output};
use crate::diag::{Diagnostic, Diagnostics, Span};
use crate::manifest::Manifest;
use crate::manifest::schema::{Block, Body, NamedBlock, Text, TimeoutsBlock};
use crate::manifest::variable::Variables;
use crate::model::{Address, InstanceSpec, Ownership, Replace, Site, StackName};
use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Most instances of one stack. A plan for as many takes seconds; the quota of an account is some hundreds.
pub const INSTANCES_MAX: u32 = 100_000;

/// Expands a manifest. The result is there only if nothing is wrong with it.
pub fn expand(manifest: &Manifest, inputs: &Inputs<'_>, diagnostics: &mut Diagnostics) -> Option<DesiredState> {
    let mut problems = Problems::new(diagnostics);
    let site = manifest.site.as_ref().map_or(Site::default(), |site| site.value);
    let ownership = ownership(manifest, site, &mut problems);
    let rate_limits = rate_limits(manifest, &mut problems);
    let place_was_named = Cell::new(false);
    let variables = &manifest.variables;
    let mut context = Context { site, ownership, stack: None, region: None, variables, inputs, place_was_named };
    context.stack = top_level(manifest.stack.as_ref(), &context, check::stack_name, &mut problems);
    context.region = top_level(manifest.region.as_ref(), &context, check::region, &mut problems);

    let mut outlines = Vec::new();
    let mut left = INSTANCES_MAX;
    for NamedBlock { name, body } in &manifest.instances {
        check::block_name(&mut problems, name);
        let members = members(body, left, &mut problems);
        left = left.saturating_sub(u32::try_from(members.len()).unwrap_or(u32::MAX));
        outlines.push(BlockOutline { name, members });
    }

    let dependencies = depend::resolve(&outlines, &context, &mut problems);
    let mut instances = BTreeMap::new();
    for (outline, dependencies) in outlines.iter().zip(&dependencies) {
        let mut shared: Option<(*const Block, Shared)> = None;
        let mut last: Option<Arc<InstanceSpec>> = None;
        // Whether the last one is like the others of its block but for the name.
        let mut is_common = false;
        let (name, members) = (outline.name, &outline.members);
        // A block of none is checked like one of one: it would be wrong the day it gets an instance.
        let least = usize::from(!matches!(members, Members::Keys(_)));
        for position in 0..members.len().max(least) {
            let block = match members {
                Members::Single(block) | Members::Count(_, block) => block,
                Members::Keys(keys) => keys[position].block.as_ref(),
            };
            if shared.as_ref().is_none_or(|(of, _)| !std::ptr::eq(*of, block)) {
                shared = Some((block, Shared::of(block, &mut problems)));
                is_common = false;
            }
            let Some((_, shared)) = &shared else { continue };
            let scope = members.scope(&context, name, position);
            // Neighbours that are equal are one.
            let spec = match last.take() {
                Some(last) if is_common => {
                    let instance_name = scope.instance_name(name, block, &mut problems);
                    match last.instance_name == instance_name {
                        true => last,
                        false => Arc::new(InstanceSpec { instance_name, ..InstanceSpec::clone(&last) }),
                    }
                }
                last => {
                    let Some((spec, common)) = scope.spec(name, block, &mut problems) else { continue };
                    is_common = common;
                    last.filter(|last| **last == spec).unwrap_or_else(|| Arc::new(spec))
                }
            };
            if position >= members.len() {
                continue;
            }
            last = Some(Arc::clone(&spec));
            let (address, span) = match members {
                Members::Single(_) => (Address::single(&name.value), name.span),
                Members::Count(..) => {
                    (Address::indexed(&name.value, u32::try_from(position).unwrap_or(u32::MAX)), name.span)
                }
                Members::Keys(keys) => {
                    (Address::named(&name.value, &keys[position].key.value), keys[position].key.span)
                }
            };
            let instance = DesiredInstance {
                spec,
                depends_on: dependencies.of(position),
                span,
                attribute_spans: Arc::clone(&shared.attribute_spans),
                protect: block.protect.unwrap_or(false),
                ignore_changes: Arc::clone(&shared.ignore_changes),
                replace: block.replace.as_ref().map_or(Replace::default(), |replace| replace.value),
                replace_now: false,
                power: block.power.as_ref().map(|power| power.value),
                timeouts: shared.timeouts,
            };
            instances.insert(address, instance);
        }
    }
    let wanted: usize = outlines.iter().map(|outline| outline.members.len()).sum();
    depend::refuse_cycles(&outlines, &dependencies, &mut problems);
    refuse_one_domain_twice(&instances, &mut problems);
    let outputs = output::decode(manifest, &context, &outlines, &mut problems);
    let moves = moves::decode(manifest, &outlines, &mut problems);

    let (stack, region) = (context.stack.take()?, context.region.take()?);
    if !diagnostics.has_errors() && instances.len() != wanted {
        // An instance that is left out is an instance that the plan would destroy.
        let summary =
            format!("{wanted} instances are written and {} came out; this is a defect of lhprov", instances.len());
        diagnostics.push(Diagnostic::error("internal", summary));
    }
    if diagnostics.has_errors() {
        return None;
    }
    Some(DesiredState {
        stack: StackName(stack),
        site,
        region,
        ownership,
        allowed_accounts: manifest.allowed_accounts.iter().map(|account| account.value.clone()).collect(),
        instances,
        rate_limits,
        token_ttl: manifest.token_ttl.as_ref().map_or(TOKEN_TTL_DEFAULT, |ttl| ttl.value),
        visibility_grace: manifest.visibility_grace.as_ref().map_or(VISIBILITY_GRACE_DEFAULT, |grace| grace.value),
        variables: manifest.variables.iter().map(|(name, node)| (name.to_owned(), node.to_json())).collect(),
        variables_given: manifest.variables.given().clone(),
        outputs,
        moves,
        bounds: manifest.bounds.clone(),
    })
}

/// A value of the whole stack, worked out and checked.
fn top_level(
    text: Option<&Text>,
    context: &Context<'_>,
    check: fn(&mut Problems<'_>, &Text) -> bool,
    problems: &mut Problems<'_>,
) -> Option<String> {
    let scope = Scope { context, block: "", place: Place::Stack };
    let text = scope.resolved(text?, problems)?;
    check(problems, &text).then_some(text.value)
}

/// The instances of a block, as far as there is room for them.
fn members<'m>(body: &'m Body, left: u32, problems: &mut Problems<'_>) -> Members<'m> {
    let mut too_many = |wanted: i128, span| {
        problems.push(
            Diagnostic::error("count", format!("a stack has 0 to {INSTANCES_MAX} instances in all"))
                .at(span)
                .label(format!("{wanted} here, {} in the blocks before", INSTANCES_MAX - left)),
        );
    };
    match body {
        Body::Each { span, members } => {
            let number = members.len();
            if u32::try_from(number).is_ok_and(|number| number <= left) {
                return Members::Keys(members);
            }
            too_many(number.try_into().unwrap_or(i128::MAX), *span);
            Members::Keys(&members[..1])
        }
        Body::Plain(block) => match &block.count {
            None if block.places.contains_key("count") => Members::Count(1, block),
            None => Members::Single(block),
            // A count that cannot be read stands for one instance, so that the rest of the block is checked.
            Some(count) => match u32::try_from(count.value).ok().filter(|count| *count <= left) {
                Some(count) => Members::Count(count, block),
                None => {
                    too_many(count.value, count.span);
                    Members::Count(1, block)
                }
            },
        },
    }
}

/// What the instances of a block share.
struct Shared {
    attribute_spans: Arc<BTreeMap<&'static str, Span>>,
    ignore_changes: Arc<[String]>,
    timeouts: Timeouts,
}

impl Shared {
    fn of(block: &Block, problems: &mut Problems<'_>) -> Self {
        Self {
            attribute_spans: Arc::clone(&block.places),
            ignore_changes: check::ignore_changes(problems, block.ignore_changes.as_deref().unwrap_or_default()),
            timeouts: timeouts(block.timeouts),
        }
    }
}

/// One domain, one instance: what `count` cannot have, keys can have by a slip.
fn refuse_one_domain_twice(instances: &BTreeMap<Address, DesiredInstance>, problems: &mut Problems<'_>) {
    let mut seen: HashMap<(&Option<String>, &Option<String>), &Address> = HashMap::new();
    for (address, instance) in instances {
        let (domain, subdomain) = (&instance.spec.domain_name, &instance.spec.subdomain);
        if domain.is_none() {
            continue;
        }
        if let Some(first) = seen.insert((domain, subdomain), address) {
            let span = instance.attribute_spans.get("domain_name").copied().unwrap_or(instance.span);
            problems.push(
                Diagnostic::error("domain-twice", format!("`{first}` and `{address}` would have one domain"))
                    .at(span)
                    .label("one domain, one instance"),
            );
        }
    }
}

/// What all blocks share.
pub(super) struct Context<'a> {
    pub(super) site: Site,
    pub(super) ownership: Ownership,
    pub(super) stack: Option<String>,
    pub(super) region: Option<String>,
    pub(super) variables: &'a Variables,
    pub(super) inputs: &'a Inputs<'a>,
    /// Set where a value depends on which instance of its block it is for.
    pub(super) place_was_named: Cell<bool>,
}

fn ownership(manifest: &Manifest, site: Site, problems: &mut Problems<'_>) -> Ownership {
    match (&manifest.ownership, site) {
        (Some(ownership), Site::International) if ownership.value == Ownership::Tags => {
            problems.push(
                Diagnostic::error("site", "site international has no tags")
                    .at(ownership.span)
                    .help("write `ownership: name`, or leave it out"),
            );
            Ownership::Name
        }
        (Some(ownership), _) => ownership.value,
        (None, Site::China) => Ownership::Tags,
        (None, Site::International) => Ownership::Name,
    }
}

fn rate_limits(manifest: &Manifest, problems: &mut Problems<'_>) -> BTreeMap<String, u32> {
    let limits = manifest.rate_limits.iter().filter_map(|(action, limit)| {
        Some((action.value.clone(), check::rate_limit(problems, action, limit.span, limit.value)?))
    });
    limits.collect()
}

fn timeouts(block: TimeoutsBlock) -> Timeouts {
    let default = Timeouts::default();
    Timeouts {
        create: block.create.unwrap_or(default.create),
        update: block.update.unwrap_or(default.update),
        delete: block.delete.unwrap_or(default.delete),
    }
}
