//! Manifest to desired state: `count` and `${…}` are worked out, every value is checked, and every problem is reported.
//!
//! Reads no file and no environment by itself: both come in as functions.

use super::check;
use super::depend::{self, BlockOutline};
use super::problems::Problems;
use super::spec::{Inputs, Scope};
use super::state::{DesiredInstance, DesiredState, TOKEN_TTL_DEFAULT, Timeouts, VISIBILITY_GRACE_DEFAULT};
use crate::diag::{Diagnostic, Diagnostics};
use crate::manifest::Manifest;
use crate::manifest::schema::{NamedBlock, Text, TimeoutsBlock};
use crate::model::{Address, Ownership, Replace, Site, StackName};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most instances of one stack. A plan for as many takes seconds; the quota of an account is some hundreds.
pub const INSTANCES_MAX: u32 = 100_000;

/// Expands a manifest. The result is there only if nothing is wrong with it.
pub fn expand(manifest: &Manifest, inputs: &Inputs<'_>, diagnostics: &mut Diagnostics) -> Option<DesiredState> {
    let mut problems = Problems::new(diagnostics);
    let stack = manifest.stack.as_ref().filter(|stack| check::stack_name(&mut problems, stack));
    let region = manifest.region.as_ref().filter(|region| check::region(&mut problems, region));
    let site = manifest.site.as_ref().map_or(Site::default(), |site| site.value);
    let ownership = ownership(manifest, site, &mut problems);
    let rate_limits = rate_limits(manifest, &mut problems);

    let mut instances = BTreeMap::new();
    let mut outlines = Vec::new();
    let context = Context { site, ownership, stack, region, inputs };
    let mut left = INSTANCES_MAX;
    for NamedBlock { name, block } in &manifest.instances {
        check::block_name(&mut problems, name);
        let count = match &block.count {
            None => block.places.get("count").map(|_| 1),
            // A count that cannot be read stands for one instance, so that the rest of the block is checked.
            Some(count) => Some(u32::try_from(count.value).ok().filter(|count| *count <= left).unwrap_or_else(|| {
                problems.push(
                    Diagnostic::error("count", format!("a stack has 0 to {INSTANCES_MAX} instances in all"))
                        .at(count.span)
                        .label(format!("{} here, {} in the blocks before", count.value, INSTANCES_MAX - left)),
                );
                1
            })),
        };
        left = left.saturating_sub(count.unwrap_or(1));
        outlines.push(BlockOutline { name, count, depends_on: block.depends_on.as_deref().unwrap_or_default() });
    }

    let dependencies = depend::resolve(&outlines, &context, &mut problems);
    for ((NamedBlock { name, block }, outline), dependencies) in
        manifest.instances.iter().zip(&outlines).zip(&dependencies)
    {
        let spans = block.places.iter().map(|(key, span)| ((*key).to_owned(), *span)).collect();
        let attribute_spans = Arc::new(spans);
        let timeouts = timeouts(block.timeouts);
        let ignore_changes = check::ignore_changes(&mut problems, block.ignore_changes.as_deref().unwrap_or_default());
        // A block of none is checked like one of one: it would be wrong the day it gets an instance.
        for index in 0..outline.count.unwrap_or(1).max(1) {
            let index = outline.count.map(|_| index);
            let scope = Scope { context: &context, block: &name.value, index };
            let Some(spec) = scope.spec(name, block, &mut problems) else { continue };
            if outline.count == Some(0) {
                continue;
            }
            let address = match index {
                None => Address::single(&name.value),
                Some(index) => Address::indexed(&name.value, index),
            };
            let instance = DesiredInstance {
                spec,
                depends_on: dependencies.of(index.unwrap_or(0)),
                span: name.span,
                attribute_spans: Arc::clone(&attribute_spans),
                protect: block.protect.unwrap_or(false),
                ignore_changes: Arc::clone(&ignore_changes),
                replace: block.replace.as_ref().map_or(Replace::default(), |replace| replace.value),
                replace_now: false,
                power: block.power.as_ref().map(|power| power.value),
                timeouts,
            };
            instances.insert(address, instance);
        }
    }
    let wanted: usize = outlines.iter().map(|outline| outline.count.unwrap_or(1) as usize).sum();
    depend::refuse_cycles(&outlines, &dependencies, &mut problems);

    let (stack, region) = (stack?, region?);
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
        stack: StackName(stack.value.clone()),
        site,
        region: region.value.clone(),
        ownership,
        instances,
        rate_limits,
        token_ttl: manifest.token_ttl.as_ref().map_or(TOKEN_TTL_DEFAULT, |ttl| ttl.value),
        visibility_grace: manifest.visibility_grace.as_ref().map_or(VISIBILITY_GRACE_DEFAULT, |grace| grace.value),
    })
}

/// What all blocks share.
pub(super) struct Context<'a> {
    pub(super) site: Site,
    pub(super) ownership: Ownership,
    pub(super) stack: Option<&'a Text>,
    pub(super) region: Option<&'a Text>,
    pub(super) inputs: &'a Inputs<'a>,
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
