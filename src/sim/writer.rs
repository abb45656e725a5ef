//! One writer: a disk of its own, and processes that live on it one after the other.

use super::disk::{Gate, SimDisk};
use super::life::{Death, Life, LifeGate};
use super::network::Network;
use super::sabotage::Sabotage;
use super::world::World;
use crate::clock::{BoxFuture, Clock};
use crate::cloud::paced::Paced;
use crate::desired::DesiredState;
use crate::event::{Event, EventSink};
use crate::model::{Lineage, Timestamp};
use crate::ops::{ApplyOptions, ApplyReport, Consent, Context, OpsError, PlanOptions, PlanReport, apply, plan};
use crate::plan::limits::Ceilings;
use crate::state::lock::Holder;
use crate::state::{Disk, Store};
use futures_util::future::{Either, select};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const STATE: &str = "state/sim.json";

/// A person who agrees to what a plan needs consent for, but for buying what may be owned already.
pub const CONSENTING: ApplyOptions = ApplyOptions {
    buy_anyway: false,
    confirm_gone: false,
    adopt: false,
    assume_yes: false,
    destroy: false,
    purge: false,
    allow_data_loss: true,
    accept_no_refund: true,
    accept_unknown_price: true,
    preflight: false,
    ceilings: Ceilings { max_spend: None, max_destroy: Some(u64::MAX), max_destroy_by_flag: true },
    until_settled: None,
};

/// A writer.
pub struct Writer {
    /// What it keeps.
    pub disk: SimDisk,
    gate: Arc<LifeGate>,
    number: u64,
}

/// How a process ended.
pub enum Ended<T> {
    /// It died.
    Died,
    /// It came to its end.
    Over(T),
}

struct Silent(Arc<World>);

impl EventSink for Silent {
    fn emit(&self, event: Event) {
        match event {
            Event::Item(item) => {
                let id = item.instance_id.map(|id| id.0).unwrap_or_default();
                let text = format!("{} {} {id} {:?}", item.address, item.status.as_str(), item.detail);
                self.0.log(text.clone());
                self.0.tell(text);
            }
            Event::Note { text } => {
                self.0.log(text.clone());
                self.0.tell(text);
            }
            _ => {}
        }
    }
}

impl Writer {
    /// A writer with an empty disk.
    pub fn new(sabotage: Sabotage, number: u64) -> Self {
        let gate = Arc::new(LifeGate::default());
        let disk = SimDisk::new(Arc::clone(&gate) as Arc<dyn Gate>, sabotage == Sabotage::NoSync);
        Self { disk, gate, number }
    }

    /// Its state file.
    #[cfg(test)]
    pub fn state_path(&self) -> PathBuf {
        PathBuf::from(STATE)
    }

    /// Its journal.
    pub fn journal_path(&self) -> PathBuf {
        PathBuf::from(format!("{STATE}.journal"))
    }

    /// The ports of one process.
    pub fn context(&self, world: &Arc<World>, life: &Arc<Life>, desired: &DesiredState, seed: u64) -> Context {
        self.gate.enter(life);
        let store = Store::new(Arc::new(self.disk.clone()) as Arc<dyn Disk>, STATE);
        let network = Network {
            world: Arc::clone(world),
            life: Arc::clone(life),
            disk: self.disk.clone(),
            journal: store.journal_path(),
        };
        let clock: Arc<dyn Clock> = Arc::new(world.clock.clone());
        let paced =
            Arc::new(Paced::new(network, Arc::clone(&clock), seed).with_rate_limits(desired.rate_limits.clone()));
        Context {
            read: Arc::clone(&paced) as _,
            write: paced,
            clock,
            events: Arc::new(Silent(Arc::clone(world))),
            store,
            endpoint: "simulation".into(),
            endpoint_origin: "the simulation",
            assumed_account: None,
            holder: Holder { host: "sim".into(), pid: 1, command: "apply".into(), since: Timestamp(0) },
            locking: false,
            lock_timeout: Duration::ZERO,
            seed,
            lineage: Lineage(format!("lineage-{}-{seed:x}", self.number)),
            beside: crate::ops::at_once(),
            signals: Arc::new(|| Box::pin(std::future::pending())),
            select: crate::ops::Select::default(),
        }
    }
}

/// Sends a process a signal after a time.
pub fn with_signal(context: &mut Context, world: &Arc<World>, after: Duration) {
    let clock = world.clock.clone();
    let once = Arc::new(Mutex::new(Some(after)));
    context.signals = Arc::new(move || -> BoxFuture<'static, String> {
        match once.lock().unwrap_or_else(PoisonError::into_inner).take() {
            Some(after) => {
                let sleep = clock.sleep(after);
                Box::pin(async move {
                    sleep.await;
                    "SIGTERM".to_owned()
                })
            }
            None => Box::pin(std::future::pending()),
        }
    });
}

/// Runs an apply to its end or its process's. `None` if it waits for what never comes.
pub fn run_apply(
    world: &Arc<World>,
    context: &Context,
    life: &Arc<Life>,
    desired: &DesiredState,
    options: ApplyOptions,
) -> Option<Ended<Result<ApplyReport, OpsError>>> {
    let work = apply(context, desired, options, &|_| Consent::Given);
    world.clock.run(async {
        match select(Death(Arc::clone(life)), Box::pin(work)).await {
            Either::Left(_) => Ended::Died,
            Either::Right((result, _)) => Ended::Over(result),
        }
    })
}

/// Plans. `None` if it waits for what never comes.
pub fn run_plan(
    world: &Arc<World>,
    context: &Context,
    desired: &DesiredState,
    destroy: bool,
) -> Option<Result<PlanReport, OpsError>> {
    world.clock.run(plan(context, desired, PlanOptions { refresh: true, destroy, ..PlanOptions::default() }))
}
