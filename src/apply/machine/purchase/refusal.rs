//! Rule 5: what a refusal proves, and when a token that is refused for good is given up.

use super::super::super::effect::{Effect, PurchaseId};
use super::super::super::failure_policy::{
    Decision, Operation, decide, decide_contradicted_refusal, decide_unproved_refusal,
};
use super::super::{Machine, error_detail};
use super::{ARRIVES_WITHIN, Phase};
use crate::cloud::CloudError;
use crate::event::ItemStatus;
use crate::model::Timestamp;
use crate::model::digest::canonical;
use crate::plan::request::dry_run;
use crate::state::{OpenIntent, Record};

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
        let failed = self.failed_attempt(now, id, error);
        match decide_unproved_refusal(self.purchases[id].refusals, &failed) {
            Decision::GiveUp => {
                let what = format!("{detail}; an earlier attempt has no answer yet");
                self.end_purchase(id, ItemStatus::Unknown, &what, error.request_id.clone());
            }
            decision => self.follow_decision(now, id, error, decision),
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
        if let Err(error) = result {
            // Refused as well, or not to be learned: the refusal stands.
            self.end_refused(id, refusal);
            if decide(Operation::Lookup, &self.failed_attempt(now, id, &error)) == Decision::EndRun {
                self.stop(now, &error_detail(&error));
            }
            return;
        }
        if self.stopping {
            self.end_refused(id, refusal);
            return;
        }
        self.purchases[id].contradicted += 1;
        let jitter = self.jitter.next_unit();
        if let Decision::Retry(wait) = decide_contradicted_refusal(self.purchases[id].contradicted, jitter) {
            let next = now.plus(wait);
            self.set_phase(id, Phase::Ready(next));
            self.explain_retry(id, self.purchases[id].history.attempts, &refusal.detail, next);
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
