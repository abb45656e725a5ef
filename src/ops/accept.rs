//! `drift --accept`: the manifest follows what is live. Comments stay; what does not stand in the manifest as it is, is refused
//! with its place.

use super::context::Context;
use super::error::OpsError;
use super::import::refuse_open;
use super::load::{account_of, bind_account, load_prior, observe, salt};
use super::taken::record;
use super::together::{Edit, Texts, write};
use crate::desired::DesiredState;
use crate::diag::{Diagnostic, Diagnostics, SourceId, did_you_mean};
use crate::manifest::edit::{Editor, Refused, Yaml, of_defaults};
use crate::model::{Address, Key};
use crate::plan::attribute::Kind;
use crate::plan::diff::differences;
use crate::plan::drift::{Decision, Drift, drift as compare};
use crate::plan::select::{self, Pattern};
use crate::state::lock::Mode;
use crate::state::{AppliedSpec, PriorState};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// What was accepted.
#[derive(Debug, Default)]
pub struct AcceptReport {
    /// Each difference that the manifest has taken over.
    pub accepted: Vec<Drift>,
    /// The files that changed.
    pub manifest: Option<String>,
}

/// One change of a text.
struct Step {
    block: String,
    path: Vec<String>,
    /// None takes the key out.
    value: Option<Yaml>,
}

impl Step {
    fn make(&self, editor: &mut Editor<'_>) -> Result<(), Refused> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        match &self.value {
            Some(value) => editor.set(&self.block, &path, value),
            None => editor.remove(&self.block, &path),
        }
    }
}

impl Step {
    /// `defaults` may stand in another file than the block.
    fn refuse_defaults(&self, texts: &Texts<'_>, own: SourceId) -> Result<(), Refused> {
        let path: Vec<&str> = self.path.iter().map(String::as_str).collect();
        let editor = |id: SourceId| Editor::new(texts.sources.text(id), id);
        if editor(own).is_some_and(|editor| editor.says(&self.block, &path)) {
            return Ok(());
        }
        let others = texts.sources.files().into_iter().filter(|id| *id != own);
        match others.filter_map(editor).find_map(|editor| editor.default_place(&path)) {
            Some(span) => Err(of_defaults(&self.block, &path, span)),
            None => Ok(()),
        }
    }
}

/// Accepts the drift of `addresses` (addresses, blocks or patterns; of everything if there are none) under the exclusive lock,
/// with a backup of state and manifest.
///
/// # Errors
/// When something of it cannot be accepted; all of it is said, and nothing is written.
pub async fn accept(
    context: &Context,
    desired: &DesiredState,
    texts: &Texts<'_>,
    addresses: &[String],
) -> Result<AcceptReport, OpsError> {
    let _lock = context.lock(Mode::Exclusive).await?;
    let mut prior = load_prior(context, desired)?;
    refuse_open(&prior)?;
    let meant = meant(context, desired, &prior.state, &prior.open, addresses)?;
    let (account, observed) = futures_util::future::join(account_of(context), observe(context, desired, &prior)).await;
    bind_account(context, desired, &mut prior.state, account)?;
    let observed = observed?;
    let found: Vec<Drift> = compare(desired, &prior.state, &observed)
        .into_iter()
        .filter(|drift| meant.contains(&drift.address) && drift.decision == Decision::Revert)
        .collect();
    let mut problems = Diagnostics::default();
    let mut steps: BTreeMap<SourceId, Vec<Step>> = BTreeMap::new();
    let mut told = BTreeSet::new();
    for drift in &found {
        let instance = &desired.instances[&drift.address];
        if drift.is_gone() {
            let what = format!("`{}` ({}) is deleted in the cloud", drift.address, drift.instance_id);
            problems.push(
                Diagnostic::error("not-acceptable", what)
                    .at(instance.span)
                    .help("take it out of the manifest if it is to stay away, and `lhprov apply` buys nothing")
                    .help(format!("or buy it again: lhprov apply --only '{}'", drift.address)),
            );
            continue;
        }
        if let Some(problem) = not_alone(desired, &found, drift) {
            problems.push(problem.at(instance.span));
            continue;
        }
        let id = instance.span.source;
        let mut own = match steps_of(drift, desired) {
            Ok(own) => own,
            Err(problem) => {
                problems.push((*problem).at(instance.span));
                continue;
            }
        };
        // The instances of a block share its text.
        own.retain(|step| told.insert((step.block.clone(), step.path.clone())));
        for step in &own {
            // Against the text as it is, so that the place is where the user sees it.
            let Some(mut editor) = Editor::new(texts.sources.text(id), id) else { continue };
            if let Err(problem) = step.make(&mut editor).and_then(|()| step.refuse_defaults(texts, id)) {
                let summary = format!("`{}`: {}", drift.address, problem.summary);
                problems.push(Diagnostic { summary, ..*problem });
            }
        }
        steps.entry(id).or_default().extend(own);
    }
    if problems.has_errors() {
        return Err(OpsError::Diagnostics(problems));
    }
    if found.is_empty() {
        return Ok(AcceptReport::default());
    }
    if steps.len() > 1 {
        let names: Vec<&str> = steps.keys().map(|id| texts.sources.path(*id)).collect();
        let what = format!("what is to be accepted stands in several files: {}", names.join(", "));
        return Err(OpsError::mistake(what, ["accept it one address at a time: `lhprov drift --accept ADDRESS`"]));
    }
    let Some((id, steps)) = steps.into_iter().next() else { return Ok(AcceptReport::default()) };
    let text = changed(texts, id, &steps)?;
    let new = texts.with(id, &text)?;
    check(desired, &new, &found)?;
    let mut state = prior.state.clone();
    let salt = salt(&state);
    for drift in &found {
        let (Some(wanted), Some(live)) =
            (new.instances.get(&drift.address), observed.instances.get(&drift.instance_id))
        else {
            continue;
        };
        if let Some(was) = state.instances.get_mut(&drift.address) {
            let now = record(wanted, live, &was.predecessor, &salt);
            take_over(&mut was.spec, &now.spec, drift.attribute);
            was.attributes.update(&live.attributes);
        }
    }
    let edit = Edit::new(context, texts, id, &text)?;
    write(context, prior, state, Some(&edit), &BTreeSet::new())?;
    Ok(AcceptReport { accepted: found, manifest: Some(texts.sources.path(id).to_owned()) })
}

fn meant(
    context: &Context,
    desired: &DesiredState,
    state: &PriorState,
    open: &crate::state::OpenIntents,
    addresses: &[String],
) -> Result<BTreeSet<Address>, OpsError> {
    let mut meant = select::chosen(&context.select, desired, state, open)?;
    if addresses.is_empty() {
        return Ok(meant);
    }
    let mut named = BTreeSet::new();
    for text in addresses {
        let pattern = Pattern::new(text)?;
        let before = named.len();
        let matching: Vec<&Address> = desired
            .instances
            .keys()
            .filter(|address| pattern.matches(address) && state.instances.contains_key(*address))
            .collect();
        named.extend(matching.iter().map(|address| (*address).clone()));
        if matching.is_empty() && named.len() == before {
            let known: Vec<String> = state.instances.keys().map(ToString::to_string).collect();
            let help = match did_you_mean(text, known.iter().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "`lhprov state list` prints every address that has an instance".to_owned(),
            };
            return Err(OpsError::Select(select::SelectError {
                what: format!("`{text}` is no address of the manifest that has an instance"),
                help,
            }));
        }
    }
    meant.retain(|address| named.contains(address));
    Ok(meant)
}

/// A block that stands for several instances can follow them only where they agree.
fn not_alone(desired: &DesiredState, found: &[Drift], drift: &Drift) -> Option<Diagnostic> {
    let block = &drift.address.block;
    let others = desired.instances.keys().filter(|address| address.block == *block && **address != drift.address);
    let differs: Vec<&Address> = others
        .filter(|address| {
            !found.iter().any(|other| {
                other.address == **address && other.attribute == drift.attribute && other.live == drift.live
            })
        })
        .collect();
    if differs.is_empty() {
        return None;
    }
    let shared = match drift.address.key {
        Key::Name(_) => "for_each",
        _ => "count",
    };
    let what = format!(
        "`{}`: {} is {} there, and `{block}` stands for {} as well by its `{shared}`",
        drift.address,
        drift.name(),
        drift.live,
        crate::model::address::compact(differs)
    );
    Some(
        Diagnostic::error("not-editable", what)
            .help(format!("put the old value back with `lhprov apply --only {}`", drift.address.quoted()))
            .help(format!(
                "or write a block of its own for it, and `lhprov state mv {} ADDRESS`; or use `ignore_changes`",
                drift.address.quoted()
            )),
    )
}

/// What has to change in the text.
fn steps_of(drift: &Drift, desired: &DesiredState) -> Result<Vec<Step>, Refused> {
    let step = |path: &[&str], value: Option<Yaml>| Step {
        block: drift.address.block.clone(),
        path: path.iter().map(|key| (*key).to_owned()).collect(),
        value,
    };
    let text = || Yaml::Text(drift.live.as_str().unwrap_or_default().to_owned());
    let list = || Yaml::List(texts_of(&drift.live));
    Ok(match drift.attribute {
        Some(Kind::InstanceName | Kind::BundleId | Kind::BlueprintId) => vec![step(&[drift.name()], Some(text()))],
        Some(Kind::RenewFlag) => vec![step(&["charge", "renew_flag"], Some(text()))],
        Some(Kind::Zones) => vec![step(&["zones"], Some(list()))],
        Some(Kind::KeyIds) => vec![step(&["login", "key_ids"], Some(list()))],
        Some(Kind::Tags) => {
            let wanted = &desired.instances[&drift.address].spec.tags;
            let live = drift.live.as_object().cloned().unwrap_or_default();
            let changed = live.iter().filter(|(key, value)| wanted.get(*key).map(String::as_str) != value.as_str());
            let set = changed.map(|(key, value)| {
                step(&["tags", key], Some(Yaml::Text(value.as_str().unwrap_or_default().to_owned())))
            });
            let gone = wanted.keys().filter(|key| !live.contains_key(*key)).map(|key| step(&["tags", key], None));
            set.chain(gone).collect()
        }
        None if drift.live == "STOPPED" => vec![step(&["power"], Some(Yaml::Text("stopped".to_owned())))],
        None if drift.live == "RUNNING" => vec![step(&["power"], Some(Yaml::Text("running".to_owned())))],
        // No step of the editor writes these; all but the power are never live.
        None
        | Some(
            Kind::Password
            | Kind::AutoGeneratePassword
            | Kind::Power
            | Kind::OwnershipTags
            | Kind::Region
            | Kind::Containers
            | Kind::InitCommand
            | Kind::FirewallTemplateId
            | Kind::DomainName
            | Kind::Subdomain
            | Kind::Period
            | Kind::AutoVoucher
            | Kind::Protect,
        ) => {
            let name = drift.name();
            let what = match &drift.what {
                Some(what) => format!("`{}` {what}, which no manifest can say", drift.address),
                None => format!("`{}`: a manifest cannot follow `{name}`", drift.address),
            };
            let help = format!("remove `{}` from the manifest, or let `lhprov apply` put it right", drift.address);
            return Err(Diagnostic::error("not-acceptable", what).help(help).into());
        }
    })
}

fn texts_of(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The text after all steps, each on what the one before it left.
fn changed(texts: &Texts<'_>, id: SourceId, steps: &[Step]) -> Result<String, OpsError> {
    let mut text = texts.sources.text(id).to_owned();
    for step in steps {
        let Some(mut editor) = Editor::new(&text, id) else { break };
        step.make(&mut editor).map_err(|refused| {
            OpsError::mistake(
                format!("{} cannot be changed together with the rest", step.path.join(".")),
                [refused.summary.as_str()],
            )
        })?;
        text = editor.finish();
    }
    Ok(text)
}

/// Nothing but what was accepted has changed, and all of that has.
fn check(old: &DesiredState, new: &DesiredState, found: &[Drift]) -> Result<(), OpsError> {
    let touched: BTreeSet<&Address> = found.iter().map(|drift| &drift.address).collect();
    let same = old.instances.len() == new.instances.len()
        && old.instances.iter().all(|(address, was)| {
            new.instances.get(address).is_some_and(|is| touched.contains(address) || is.spec == was.spec)
        });
    let followed = found.iter().filter(|drift| drift.attribute.is_some()).all(|drift| {
        new.instances.get(&drift.address).is_some_and(|wanted| {
            let mut applied = wanted.spec.to_json("");
            // Compared as a plan without the cloud would: the value that is written against the value that is live.
            take_live(&mut applied, drift);
            !differences(wanted, &AppliedSpec::from(applied), None)
                .iter()
                .any(|diff| Some(diff.kind) == drift.attribute)
        })
    });
    match same && followed {
        true => Ok(()),
        false => Err(OpsError::mistake(
            "the manifest would say something else than what is live after this change",
            ["nothing was written; change it by hand"],
        )),
    }
}

/// Puts a live value into a spec.
fn take_live(spec: &mut Value, drift: &Drift) {
    if let Some(kind) = drift.attribute {
        kind.set_applied(spec, &drift.live);
    }
}

/// Copies what one attribute is recorded under.
fn take_over(spec: &mut AppliedSpec, from: &AppliedSpec, attribute: Option<Kind>) {
    let Some(kind) = attribute else { return };
    let key = kind.row().key;
    spec.change(|spec| match &from[key] {
        Value::Null => drop(spec.remove(key)),
        value => drop(spec.insert(key.to_owned(), value.clone())),
    });
}
