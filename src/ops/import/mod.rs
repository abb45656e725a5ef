//! Taking over what lhprov did not buy: into the state, and into the manifest where that does not have it.

mod naming;
mod owned;

use super::context::Context;
use super::error::OpsError;
use super::load::{Prior, account_of, bind_account, load_prior, salt};
use super::tagging::{self, Tagged};
use super::taken::record;
use super::together::{Edit, Texts, write};
use crate::cloud::types::TAG_STACK;
use crate::desired::DesiredState;
use crate::diag::SourceId;
use crate::manifest::edit::{Editor, Yaml};
use crate::model::attributes::Field;
use crate::model::{Address, InstanceId, Life, ObservedInstance, Ownership};
use crate::observe::refresh;
use crate::plan::diff::differences;
use crate::plan::select::Pattern;
use crate::state::lock::Mode;
use crate::state::{AppliedSpec, PriorState, RecordedInstance};
use naming::Planned;
use std::collections::{BTreeMap, BTreeSet};

/// What is said above blocks that were written by an import.
const HEADING: [&str; 1] =
    ["Imported. What the service does not tell is not here: password, containers, init command, months bought."];

/// What to import.
#[derive(Clone, Debug)]
pub enum ImportWhat {
    /// One instance to one address.
    One(Address, InstanceId),
    /// Everything that fits all of these; without any of them, everything.
    Many {
        /// Tags that it has to bear.
        tags: Vec<(String, String)>,
        /// Zones, one of which it has to be in.
        zones: Vec<String>,
        /// Globs, one of which its name has to match.
        names: Vec<String>,
    },
}

/// What an import brought.
#[derive(Debug, Default)]
pub struct ImportReport {
    /// What stands where now.
    pub imported: Vec<(Address, InstanceId)>,
    /// What fits and was left, and why.
    pub left: Vec<(InstanceId, String, String)>,
    /// The file that has new blocks.
    pub manifest: Option<String>,
    /// Attributes in which an imported instance differs from a manifest that had its address already.
    pub differs: Vec<(Address, Vec<&'static str>)>,
    /// Attributes that `defaults` would change, and that the new blocks therefore ignore.
    pub ignored: Vec<(String, Vec<String>)>,
    /// Addresses of instances that only their tags assign to this stack.
    pub unconfirmed: Vec<Address>,
    /// What became of the ownership tags.
    pub tagged: Tagged,
}

/// Imports under the exclusive lock, with a backup of state and manifest. Buys nothing and changes nothing but tags.
///
/// # Errors
/// When something of it cannot be. Then nothing is written.
pub async fn import(
    context: &Context,
    desired: &DesiredState,
    texts: &Texts<'_>,
    what: &ImportWhat,
    take_over: bool,
) -> Result<ImportReport, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let mut prior = load_prior(context, desired)?;
    refuse_open(&prior)?;
    let (account, found) = futures_util::future::join(account_of(context), look(context, desired, what)).await;
    bind_account(context, desired, &mut prior.state, account)?;
    let found = found?;
    // What the state records and the manifest lacks gets its block back, an import that was cut short included.
    let known = without_blocks_lost(desired, &prior.state);
    let eye = Eye { desired, prior: &known, take_over };
    let mut report = ImportReport::default();
    let (chosen, edit, new) = match what {
        ImportWhat::One(address, id) => {
            let live = eye.the_one(address, id, &found)?;
            if desired.instances.contains_key(address) {
                (vec![(address.clone(), live)], None, None)
            } else {
                let block = naming::single(eye.new_block(address)?, live);
                let (edit, new) = added(context, desired, texts, vec![block], &found, &mut report.ignored)?;
                (vec![(address.clone(), live)], Some(edit), Some(new))
            }
        }
        ImportWhat::Many { .. } => {
            let owned = owned::find(desired, &prior.state, &found);
            let mut fitting = owned.without_address;
            for live in found.values().filter(|live| !owned.seen.contains(&live.id)) {
                match eye.obstacle(live).map(|(why, _)| why).or_else(|| eye.has_a_place(live)) {
                    None => fitting.push(live),
                    Some(why) => {
                        report.left.push((live.id.clone(), live.attributes.instance_name.clone(), why));
                    }
                }
            }
            // What the state has is no news.
            report.left.retain(|(id, _, _)| known.holder(id).is_none());
            report.left.extend(owned.left);
            let mut taken = eye.block_names();
            let mut planned = owned::blocks(&owned.lost, &mut taken);
            planned.extend(naming::blocks(&fitting, &taken));
            if planned.is_empty() {
                return Ok(report);
            }
            let members: Vec<(Address, InstanceId)> =
                planned.iter().flat_map(|planned| planned.members.iter().cloned()).collect();
            let (edit, new) = added(context, desired, texts, planned, &found, &mut report.ignored)?;
            let chosen = members.into_iter().map(|(address, id)| (address, &found[&id])).collect();
            (chosen, Some(edit), Some(new))
        }
    };
    report.manifest = edit.as_ref().map(|edit| texts.sources.path(edit.id()).to_owned());
    let wanted = new.as_ref().unwrap_or(desired);
    let take_over = take_over || matches!(what, ImportWhat::One(..));
    finish(context, wanted, (prior, &known), chosen, edit.as_ref(), take_over, report).await
}

/// Writes state, manifest and tags. An instance that only its tags assign to this stack stays unconfirmed, unless the user
/// names it or takes it over; its tags are left alone.
async fn finish(
    context: &Context,
    wanted: &DesiredState,
    (prior, known): (Prior, &PriorState),
    chosen: Vec<(Address, &ObservedInstance)>,
    edit: Option<&Edit>,
    confirms: bool,
    mut report: ImportReport,
) -> Result<ImportReport, OpsError> {
    let mut state = prior.state.clone();
    let salt = salt(&state);
    state.instances.retain(|_, recorded| {
        known.holder(&recorded.instance_id).is_some() || !chosen.iter().any(|(_, live)| live.id == recorded.instance_id)
    });
    for (address, live) in &chosen {
        let Some(instance) = wanted.instances.get(address) else { continue };
        let before = prior.state.instances.values().find(|recorded| recorded.instance_id == live.id);
        let is_own = live.attributes.tags.get(TAG_STACK).is_some_and(|stack| stack == wanted.stack.as_str());
        let predecessor = match before.filter(|_| prior.state.holder(&live.id) == Some(address)) {
            Some(before) => &before.predecessor,
            None => prior.state.predecessor(address),
        };
        let recorded = RecordedInstance {
            unconfirmed: !confirms && before.map_or(is_own, |before| before.unconfirmed),
            ..record(instance, live, predecessor, &salt)
        };
        if recorded.unconfirmed {
            report.unconfirmed.push(address.clone());
        }
        let differs: Vec<&'static str> =
            differences(instance, &recorded.spec, Some(&live.attributes)).iter().map(|diff| diff.kind.name()).collect();
        if !differs.is_empty() {
            report.differs.push((address.clone(), differs));
        }
        state.instances.insert(address.clone(), recorded);
        state.predecessors.remove(address);
        state.deposed.retain(|deposed| deposed.instance_id != live.id);
        report.imported.push((address.clone(), live.id.clone()));
    }
    let addresses: BTreeSet<Address> = chosen.iter().map(|(address, _)| address.clone()).collect();
    let tags = tagging::batch_tags(wanted, &prior.state, &addresses);
    let account = prior.state.binding.account.clone();
    let fresh = if edit.is_some() { addresses } else { BTreeSet::new() };
    write(context, prior, state, edit, &fresh)?;
    let confirmed = chosen.iter().filter(|(address, _)| !report.unconfirmed.contains(address));
    let pairs: Vec<(&Address, &ObservedInstance)> = confirmed.map(|(address, live)| (address, *live)).collect();
    report.tagged = tagging::set(context, wanted, account.as_deref(), &pairs, &tags).await;
    Ok(report)
}

/// The state without the instances whose block the manifest lacks: what an import left that was cut short between state and
/// manifest, or what a lost manifest had. The same command writes their blocks now.
fn without_blocks_lost(desired: &DesiredState, state: &PriorState) -> PriorState {
    let blocks: BTreeSet<&str> = desired.instances.keys().map(|address| address.block.as_str()).collect();
    let mut known = state.clone();
    known.instances.retain(|address, _| blocks.contains(address.block.as_str()));
    known
}

/// Nothing is taken over or moved while purchases are unsettled: what is found may be what they brought.
pub(super) fn refuse_open(prior: &Prior) -> Result<(), OpsError> {
    if prior.open.is_empty() {
        return Ok(());
    }
    let help = ["`lhprov apply` settles it first; `lhprov plan` shows it"];
    Err(OpsError::mistake("an earlier run was cut short and left something open", help))
}

async fn look(
    context: &Context,
    desired: &DesiredState,
    what: &ImportWhat,
) -> Result<BTreeMap<InstanceId, ObservedInstance>, OpsError> {
    match what {
        ImportWhat::One(_, id) => Ok(refresh::by_ids(context.read.as_ref(), std::slice::from_ref(id)).await?),
        ImportWhat::Many { tags, zones, names } => {
            let names: Vec<Pattern> = names.iter().map(|name| Pattern::new(name)).collect::<Result<_, _>>()?;
            // Whose it is does not matter here: everything in the region.
            let all = refresh::owned(context.read.as_ref(), &desired.stack, Ownership::Name).await?;
            let fits = |live: &ObservedInstance| {
                let seen = &live.attributes;
                tags.iter().all(|(key, value)| seen.tags.get(key) == Some(value))
                    && (zones.is_empty() || zones.contains(&seen.zone))
                    && (names.is_empty() || names.iter().any(|name| name.matches_text(&seen.instance_name)))
            };
            Ok(all.into_iter().filter(|(_, live)| fits(live)).collect())
        }
    }
}

/// Looks at what may be imported.
struct Eye<'a> {
    desired: &'a DesiredState,
    prior: &'a PriorState,
    take_over: bool,
}

impl Eye<'_> {
    /// Why an instance is not taken over, and the way out.
    fn obstacle(&self, live: &ObservedInstance) -> Option<(String, String)> {
        let (id, seen) = (&live.id, &live.attributes);
        if let Some(address) = self.prior.holder(id) {
            let way_out = format!("`lhprov state mv {} ADDRESS` gives it another address", address.quoted());
            return Some((format!("stands at `{address}` already"), way_out));
        }
        let owned = (self.desired.ownership == Ownership::Tags).then_some(Field::Tags);
        let needed =
            [Field::State, Field::InstanceName, Field::BundleId, Field::BlueprintId, Field::RenewFlag, Field::Zone];
        if let Some(field) = needed.into_iter().chain(owned).find(|field| seen.unreported.has(*field)) {
            let what = format!("is listed without its {}", field.api_name());
            return Some((what, "run the command again later".to_owned()));
        }
        match seen.life() {
            Life::Isolated | Life::Ending => {
                return Some((format!("is {}", seen.state), "only what is in service can be imported".to_owned()));
            }
            Life::Failed => return Some(("failed to launch".to_owned(), "it can only be returned".to_owned())),
            Life::Pending => {
                return Some(("is still being created".to_owned(), "run the command again when it runs".to_owned()));
            }
            Life::Running | Life::Other => {}
        }
        match seen.tags.get(TAG_STACK) {
            Some(stack) if stack == self.desired.stack.as_str() => None,
            Some(stack) if !self.take_over => Some((
                format!("belongs to stack `{stack}` by its tags"),
                "if that stack no longer manages it, say so with --take-over".to_owned(),
            )),
            _ => None,
        }
    }

    /// Why an instance is no news to the manifest: a new block for it would stand beside the one that it was bought for, and
    /// that one would be bought again.
    fn has_a_place(&self, live: &ObservedInstance) -> Option<String> {
        let seen = &live.attributes;
        let vacant = self.desired.instances.iter().filter(|(address, _)| !self.prior.instances.contains_key(*address));
        let mut named = vacant.filter(|(_, wanted)| wanted.spec.instance_name == seen.instance_name);
        let (address, _) = named.next()?;
        Some(format!(
            "bears the name of `{address}`, which has no instance: `lhprov import {} {}`",
            address.quoted(),
            live.id
        ))
    }

    fn the_one<'f>(
        &self,
        address: &Address,
        id: &InstanceId,
        found: &'f BTreeMap<InstanceId, ObservedInstance>,
    ) -> Result<&'f ObservedInstance, OpsError> {
        let Some(live) = found.get(id) else {
            let what = format!("there is no instance {id} in {}", self.desired.region);
            return Err(OpsError::mistake(what, ["check the id and the region; a stack is one region"]));
        };
        if let Some(recorded) = self.prior.instances.get(address).filter(|recorded| recorded.instance_id != *id) {
            let what = format!("`{address}` has {} already", recorded.instance_id);
            let help = format!("`lhprov state rm {}` forgets that one without touching it", address.quoted());
            return Err(OpsError::mistake(what, [help.as_str()]));
        }
        match self.obstacle(live) {
            Some((why, way_out)) => Err(OpsError::mistake(format!("{id} {why}"), [way_out.as_str()])),
            None => Ok(live),
        }
    }

    /// The name of a block for an address that the manifest does not have.
    fn new_block(&self, address: &Address) -> Result<String, OpsError> {
        let block = &address.block;
        if *address != Address::single(block.clone()) {
            let what = format!("the manifest has no `{address}`");
            let way_out = match self.block_names().contains(block) {
                true => format!("add it to `{block}` in the manifest first, then import again"),
                false => format!("write the block `{block}` into the manifest first, or import to `{block}`"),
            };
            return Err(OpsError::mistake(what, [way_out.as_str()]));
        }
        if self.block_names().contains(block) {
            let what = format!("`{block}` stands for several instances in the manifest");
            return Err(OpsError::mistake(what, ["name one of them; `lhprov render` prints every address"]));
        }
        Ok(block.clone())
    }

    /// Names that a new block cannot have: those of the manifest, and those of the state.
    fn block_names(&self) -> BTreeSet<String> {
        self.desired.instances.keys().chain(self.prior.instances.keys()).map(|address| address.block.clone()).collect()
    }
}

/// Adds blocks to the manifest's text, and reads it again: what was wanted before is wanted still, and nothing of what is new
/// differs from what is live. Where `defaults` would change something, the block ignores that.
fn added(
    context: &Context,
    desired: &DesiredState,
    texts: &Texts<'_>,
    mut planned: Vec<Planned>,
    found: &BTreeMap<InstanceId, ObservedInstance>,
    ignored: &mut Vec<(String, Vec<String>)>,
) -> Result<(Edit, DesiredState), OpsError> {
    let id = file_of(texts)?;
    let (text, new) = try_blocks(desired, texts, id, &planned)?;
    for one in &mut planned {
        let names: BTreeSet<String> = one
            .members
            .iter()
            .filter_map(|(address, id)| {
                Some(differences(
                    new.instances.get(address)?,
                    &AppliedSpec::unknown(),
                    Some(&found.get(id)?.attributes),
                ))
            })
            .flatten()
            .filter_map(|diff| diff.kind.name().split('.').next().map(str::to_owned))
            .collect();
        if !names.is_empty() {
            let names: Vec<String> = names.into_iter().collect();
            one.block.keys.push(("ignore_changes", Yaml::List(names.clone())));
            ignored.push((one.block.name.clone(), names));
        }
    }
    let (text, new) = match ignored.is_empty() {
        true => (text, new),
        false => try_blocks(desired, texts, id, &planned)?,
    };
    Ok((Edit::new(context, texts, id, &text)?, new))
}

fn try_blocks(
    desired: &DesiredState,
    texts: &Texts<'_>,
    id: SourceId,
    planned: &[Planned],
) -> Result<(String, DesiredState), OpsError> {
    let Some(mut editor) = Editor::new(texts.sources.text(id), id) else {
        return Err(OpsError::mistake("the manifest cannot be read again", ["this is a defect of lhprov"]));
    };
    let blocks: Vec<_> = planned.iter().map(|one| one.block.clone()).collect();
    editor.add_blocks(&HEADING, &blocks).map_err(|refused| OpsError::Diagnostics((*refused).into()))?;
    let text = editor.finish();
    let new = texts.with(id, &text)?;
    let members: BTreeSet<&Address> =
        planned.iter().flat_map(|one| one.members.iter().map(|(address, _)| address)).collect();
    let same =
        desired.instances.iter().all(|(address, was)| new.instances.get(address).is_some_and(|is| is.spec == was.spec));
    let came = new.instances.keys().filter(|address| !desired.instances.contains_key(*address));
    if !same || came.collect::<BTreeSet<_>>() != members {
        let help =
            "look at `defaults`: it may have a `count`; or write the blocks by hand and import to their addresses";
        return Err(OpsError::mistake("the new blocks would not stand for the instances that were found", [help]));
    }
    Ok((text, new))
}

/// The file that gets new blocks: the first that has `instances`.
fn file_of(texts: &Texts<'_>) -> Result<SourceId, OpsError> {
    let ids = texts.sources.files();
    let has = |id: &SourceId| Editor::new(texts.sources.text(*id), *id).is_some_and(|editor| editor.has("instances"));
    match ids.into_iter().find(has) {
        Some(id) => Ok(id),
        None => Err(OpsError::mistake("no file of the manifest has `instances`", ["write `instances: {}`"])),
    }
}
