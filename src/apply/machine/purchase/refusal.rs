//! Rule 5: what a refusal proves, and when a token that is refused for good is given up.

use super::super::super::effect::{Effect, PurchaseId};
use super::super::Machine;
use super::{ARRIVES_WITHIN, Phase};
use crate::cloud::CloudError;
use crate::event::ItemStatus;
use crate::model::Timestamp;
use crate::model::digest::canonical;
use crate::plan::request::dry_run;
use crate::state::{OpenIntent, Record};

/// Refusals after which a purchase with an unanswered attempt is left to the next run instead of being asked for again.
const REFUSALS_MAX: u32 = 3;

/// Refusals, each contradicted by a dry run that passed, after which it is the token that is refused and not the request.
/// Stock can come back between two calls, once.
const CONTRADICTED_MAX: u32 = 2;

/// A refusal, until it is known what it was about.
pub(super) struct Refusal {
    code: String,
    detail: String,
    request_id: Option<String>,
}

impl Refusal {
    fn of(error: &CloudError, detail: &str) -> Self {
        let code = error.code.clone().unwrap_or_else(|| "refused".into());
        Self { code, detail: detail.to_owned(), request_id: error.request_id.clone() }
    }
}

impl Machine {
    /// A refusal proves that nothing was bought only if no earlier attempt went unanswered, or if such a one was so old at
    /// the look before this attempt, which found nothing, that it would have been listed. How old it is by now says
    /// nothing: the answer may have been read long after that look.
    pub(super) fn refused(
        &mut self,
        now: Timestamp,
        id: PurchaseId,
        signed_at: Timestamp,
        error: &CloudError,
        detail: &str,
    ) {
        let unsure = self.entry(id).and_then(OpenIntent::last_unsure);
        let grace = self.setup.visibility_grace + ARRIVES_WITHIN;
        let proved = unsure.is_none_or(|last| signed_at.since(last) >= grace);
        #[cfg(test)]
        if crate::sim::sabotage::is(crate::sim::sabotage::Sabotage::RefusalIsProof) {
            self.end_refused(id, Refusal::of(error, detail));
            return;
        }
        if proved {
            self.check_refusal(id, Refusal::of(error, detail));
            return;
        }
        self.purchases[id].refusals += 1;
        if self.purchases[id].refusals >= REFUSALS_MAX {
            let what = format!("{detail}; an earlier attempt has no answer yet");
            self.end_purchase(id, ItemStatus::Unknown, &what, error.request_id.clone());
        } else {
            self.retry_or_give_up(now, id, error);
        }
    }

    /// Nothing was bought. Whether the request cannot be served or the token is refused, a dry run tells.
    fn check_refusal(&mut self, id: PurchaseId, refusal: Refusal) {
        if self.stopping {
            self.end_refused(id, refusal);
            return;
        }
        self.purchases[id].refusal = Some(refusal);
        self.set_phase(id, Phase::Checking);
        let body = canonical(&dry_run(self.wire_body(id)));
        self.effects.push(Effect::DryRun { purchase: id, body });
    }

    pub(in super::super) fn dry_ran(&mut self, now: Timestamp, id: PurchaseId, result: Result<(), CloudError>) {
        if self.purchases[id].phase != Phase::Checking {
            return;
        }
        let Some(refusal) = self.purchases[id].refusal.take() else { return };
        // Refused as well, or not to be learned: the refusal stands.
        if result.is_err() || self.stopping {
            self.end_refused(id, refusal);
            return;
        }
        self.purchases[id].contradicted += 1;
        if self.purchases[id].contradicted < CONTRADICTED_MAX {
            let tries = self.purchases[id].tries;
            self.purchases[id].tries += 1;
            let wait = self.backoff(tries);
            self.set_phase(id, Phase::Ready(now.plus(wait)));
            self.look(now);
            return;
        }
        let token = self.purchases[id].intent.token.clone();
        self.record(Record::Refused { token, why: refusal.code });
        self.replan = true;
        let what = format!("{}, although a dry run of the same request passes; asked for anew", refusal.detail);
        self.end_purchase(id, ItemStatus::NotStarted, &what, refusal.request_id);
    }

    fn end_refused(&mut self, id: PurchaseId, refusal: Refusal) {
        self.close(id, &refusal.code);
        self.end_purchase(id, ItemStatus::Failed, &refusal.detail, refusal.request_id);
    }

    /// A dry run has no effect, so the end of a run does not wait for it.
    pub(super) fn give_up_checking(&mut self, id: PurchaseId) {
        if let Some(refusal) = self.purchases[id].refusal.take() {
            self.end_refused(id, refusal);
        }
    }
}
