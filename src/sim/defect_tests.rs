//! A driver that finds a rule of the protocol broken sends nothing and ends the run, in every build.

use super::fleet;
use super::stage::{SMALL, Stage};
use super::writer::CONSENTING;
use crate::clock::BoxFuture;
use crate::cloud::CloudError;
use crate::cloud::port::{CloudWrite, Prepared, Reply, WriteAction};
use crate::desired::DesiredState;
use crate::model::{Address, Site};
use crate::ops::{ApplyOptions, Consent, Context, OpsError, apply};
use std::sync::Arc;

/// Signs every purchase under a token for which no attempt was written down.
struct ForgedToken(Arc<dyn CloudWrite>);

impl CloudWrite for ForgedToken {
    fn turn(&self, action: WriteAction) -> BoxFuture<'_, ()> {
        self.0.turn(action)
    }

    fn prepare(&self, action: WriteAction, body: String) -> BoxFuture<'_, Result<Prepared, CloudError>> {
        let mut forged: serde_json::Value = serde_json::from_str(&body).expect("a body of ours");
        if action == WriteAction::CreateInstances && forged["DryRun"] != true {
            forged["ClientToken"] = "forged".into();
        }
        self.0.prepare(action, forged.to_string())
    }

    fn send(&self, prepared: Prepared) -> BoxFuture<'_, Result<Reply, CloudError>> {
        self.0.send(prepared)
    }
}

fn stack(count: usize) -> DesiredState {
    let instance = |n| fleet::instance(fleet::spec(SMALL, "ap-guangzhou-3", format!("web-{n}")));
    fleet::stack(Site::China, (0..count).map(|n| (Address::single(format!("web{n}")), instance(n))).collect())
}

#[test]
fn a_purchase_without_a_durable_attempt_is_an_internal_error_that_ends_the_run() {
    let (before, after) = (stack(1), stack(3));
    let mut stage = Stage::set(1, &before);
    let live = stage.live();
    let work = async |context: &Context| {
        let context = Context { write: Arc::new(ForgedToken(Arc::clone(&context.write))), ..context.clone() };
        let options = ApplyOptions { assume_yes: true, ..CONSENTING };
        apply(&context, &after, options, &|_| Consent::Given).await
    };
    let report = stage.perform(&after, None, work).expect("it lives").expect("it begins");
    assert!(matches!(&report.stop, Some(OpsError::Defect(what)) if what.contains("durable")), "{:?}", report.stop);
    assert!(!report.is_done() && !report.can_repeat);
    assert_eq!(stage.live(), live, "nothing was bought\n{}", stage.log());
    // The next run, by a driver that keeps the rule, buys what is missing.
    stage.settle(&after);
    assert_eq!(stage.live().len(), 3, "{}", stage.log());
}
