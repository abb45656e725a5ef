//! What a comparison needs and the cloud does not report, and ownership tags that are gone.

use super::Planner;
use super::alter::place;
use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::desired::DesiredInstance;
use crate::diag::Diagnostic;
use crate::model::attributes::Field;
use crate::model::{Address, Attributes};
use crate::plan::attribute::Kind;
use crate::plan::batch::batch;
use crate::plan::change::AttributeDiff;
use crate::plan::ownership_tags::{self, OwnershipTags};
use crate::plan::request::batch_tag;
use crate::state::RecordedInstance;
use serde_json::{Value, json};
use std::collections::BTreeMap;

impl Planner<'_> {
    /// Notes what is not reported, and stops where a difference can only be judged with it: what a change from an unknown
    /// value costs or destroys is not known. Those differences are taken out.
    pub(super) fn stop_at_unreported(
        &mut self,
        address: &Address,
        desired: &DesiredInstance,
        live: &Attributes,
        diffs: &mut Vec<AttributeDiff>,
    ) {
        self.unreported.add(desired, self.inputs.desired.ownership, live);
        let is_unknown = |kind: Kind| kind.decides() && kind.field().is_some_and(|field| live.unreported.has(field));
        let mut unknown: Vec<Kind> = diffs.iter().map(|diff| diff.kind).filter(|kind| is_unknown(*kind)).collect();
        diffs.retain(|diff| !unknown.contains(&diff.kind));
        let power = Kind::Power.row();
        if desired.power.is_some() && is_unknown(Kind::Power) && !power.is_ignored(&desired.ignore_changes) {
            unknown.push(power.kind);
        }
        for kind in unknown {
            let (field, name) = (kind.field().map_or("", Field::api_name), kind.name());
            let text =
                format!("`{address}`: the cloud does not report `{field}`, so what `{name}` is now is not known");
            self.diagnostics.push(
                Diagnostic::error("not-reported", text)
                    .at(place(desired, kind))
                    .label("what this changes cannot be planned")
                    .help("run again later")
                    .help(format!("or leave it as it is for now: add `{name}` to `ignore_changes`")),
            );
        }
    }

    /// The difference that puts lost ownership tags back. Without them the instance is not found when the state is lost.
    pub(super) fn lost_ownership(
        &mut self,
        address: &Address,
        instance: &DesiredInstance,
        recorded: &RecordedInstance,
        live: &Attributes,
    ) -> Option<AttributeDiff> {
        let desired = self.inputs.desired;
        match ownership_tags::compare(desired, live) {
            OwnershipTags::Kept => return None,
            OwnershipTags::OfAnother(stack) => {
                let text = format!("`{address}` ({}) carries the tags of stack `{stack}`", recorded.instance_id);
                self.diagnostics.push(
                    Diagnostic::warning("other-stack", text)
                        .at(instance.span)
                        .detail("Two stacks that manage one instance undo each other's changes.")
                        .help(format!("if `{stack}` manages it now, let it go here: `forget: ['{address}']`"))
                        .help(format!(
                            "if it is this stack's, take the tag {TAG_STACK} away in the console, and apply again"
                        )),
                );
                return None;
            }
            OwnershipTags::Lost(_) => {}
        }
        let seen = &recorded.attributes.tags;
        let known = live.tags.get(TAG_BATCH).or_else(|| {
            seen.get(TAG_BATCH).filter(|_| seen.get(TAG_STACK).is_some_and(|stack| stack == desired.stack.as_str()))
        });
        let value = match known.filter(|value| ownership_tags::is_batch(value)) {
            Some(value) => value.clone(),
            // As if it had been bought alone.
            None => {
                let alone = batch(desired, &[(address, self.inputs.prior.predecessor(address))])?;
                batch_tag(&alone.token, [address])
            }
        };
        let own = [TAG_BATCH, TAG_STACK];
        let before: BTreeMap<&str, &String> =
            own.iter().filter_map(|key| live.tags.get(*key).map(|value| (*key, value))).collect();
        let after: Value = json!({TAG_BATCH: value, TAG_STACK: desired.stack});
        Some(AttributeDiff { kind: Kind::OwnershipTags, before: json!(before), after })
    }
}
