//! What a plan is: an ordered, immutable set of changes, specific enough that no choice is left for apply.

use super::attribute::Kind;
use super::batch::{Batch, same_but_name};
use super::drift::Drift;
use super::preflight::Checks;
use crate::desired::DesiredInstance;
use crate::diag::Span;
use crate::model::{Address, ClientToken, InstanceId, InstanceSpec, Predecessor, Replace};
use crate::observe::catalogue::Returnable;
use crate::state::OrderKind;
use crate::state::fold::OpenIntent;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt;
use std::sync::Arc;

/// What happens to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// Nothing.
    NoOp,
    /// Bought.
    Create,
    /// Changed in place.
    Update,
    /// Turned on.
    Start,
    /// Turned off.
    Stop,
    /// A larger bundle: costs money and shuts the machine down.
    Upgrade,
    /// Another image: wipes the system disk.
    Reinstall,
    /// Another instance in its place. The old one is returned: after the new one runs, or before it is bought.
    Replace(Replace),
    /// More time is bought.
    Renew,
    /// Found in the cloud and taken into the state.
    Import,
    /// Bought earlier, not yet running: waited for.
    Resume,
    /// Returned; recoverable for seven days.
    Isolate,
    /// Returned, and destroyed for good.
    Purge,
    /// Taken out of the state; nothing is called.
    Forget,
    /// Kept under another address; nothing is called.
    Move,
}

impl Action {
    /// All of them.
    pub const ALL: [Self; 16] = [
        Action::NoOp,
        Action::Create,
        Action::Update,
        Action::Upgrade,
        Action::Reinstall,
        Action::Replace(Replace::CreateFirst),
        Action::Replace(Replace::DestroyFirst),
        Action::Isolate,
        Action::Purge,
        Action::Renew,
        Action::Start,
        Action::Stop,
        Action::Import,
        Action::Move,
        Action::Forget,
        Action::Resume,
    ];

    /// The one word of the JSON plan.
    pub fn as_str(self) -> &'static str {
        match self {
            Action::NoOp => "no-op",
            Action::Create => "create",
            Action::Update => "update",
            Action::Start => "start",
            Action::Stop => "stop",
            Action::Upgrade => "upgrade",
            Action::Reinstall => "reinstall",
            Action::Replace(_) => "replace",
            Action::Renew => "renew",
            Action::Import => "import",
            Action::Resume => "resume",
            Action::Isolate => "isolate",
            Action::Purge => "purge",
            Action::Forget => "forget",
            Action::Move => "move",
        }
    }

    /// The symbol of the text plan.
    pub fn symbol(self) -> &'static str {
        match self {
            Action::NoOp => " ",
            Action::Create => "+",
            Action::Update | Action::Start | Action::Stop => "~",
            Action::Upgrade => "^",
            Action::Reinstall => "!",
            Action::Replace(Replace::CreateFirst) => "+/-",
            Action::Replace(Replace::DestroyFirst) => "-/+",
            Action::Renew => ">",
            Action::Import => "<-",
            Action::Resume => "…",
            Action::Isolate => "-",
            Action::Purge => "x",
            Action::Forget => "o",
            Action::Move => "->",
        }
    }

    /// Whether it changes an instance that stays.
    pub fn is_alteration(self) -> bool {
        matches!(
            self,
            Action::Update | Action::Start | Action::Stop | Action::Upgrade | Action::Reinstall | Action::Renew
        )
    }

    /// Whether an instance leaves.
    pub fn is_removal(self) -> bool {
        matches!(self, Action::Isolate | Action::Purge | Action::Replace(_))
    }

    /// Whether something is done to an instance that exists.
    pub fn acts_on_instance(self) -> bool {
        self.is_alteration() || self.is_removal()
    }

    /// Whether it is paid for.
    pub fn costs_money(self) -> bool {
        matches!(self, Action::Create | Action::Replace(_) | Action::Upgrade | Action::Renew)
    }

    /// Whether data is lost. What is only isolated can be brought back.
    pub fn loses_data(self) -> bool {
        matches!(self, Action::Reinstall | Action::Replace(_) | Action::Purge)
    }
}

/// Why; for people, never read by apply.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Live and as desired.
    AsDesired,
    /// Nothing stands at the address.
    New,
    /// It was there and is in the cloud no more.
    Gone(InstanceId),
    /// Its creation failed.
    LaunchFailed(InstanceId),
    /// What stood there was removed.
    Removed(String),
    /// An earlier purchase brought fewer instances than were asked for, or its token is refused for good.
    Short,
    /// Its attributes differ.
    Differs,
    /// The manifest no longer has it.
    NotInManifest,
    /// Everything is to be destroyed.
    DestroyRequested,
    /// It stood at the address before and was not returned yet.
    Deposed(String),
    /// Carries our tags, or is what our own token bought.
    FoundAgain(InstanceId),
    /// Still being created.
    StillPending,
    /// Bought a moment ago and not listed yet.
    NotYetListed,
    /// Stood at another address, says the manifest.
    Moved(Address),
    /// The manifest lets it go.
    LetGo,
    /// Gone from the cloud, or isolated already.
    NothingLeft(String),
    /// Attributes differ that only another instance can have.
    Forced,
    /// Another instance was asked for.
    Asked,
    /// More months were asked for.
    MoreTime {
        /// How many.
        months: u32,
        /// Until when it is paid now.
        until: String,
        /// Whether it is isolated and comes back.
        comes_back: bool,
    },
    /// It is returned already and is to be destroyed.
    ReturnedAlready,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Reason::AsDesired => f.write_str("is as desired"),
            Reason::New => f.write_str("is new"),
            Reason::Gone(id) => write!(f, "{id} is gone from the cloud, will be created again"),
            Reason::LaunchFailed(id) => write!(f, "{id} failed to launch, will be created again"),
            Reason::Short => f.write_str("got no instance from an earlier purchase"),
            Reason::Removed(id) => write!(f, "{id} stood there before and was removed"),
            Reason::Differs => f.write_str("differs from the manifest"),
            Reason::NotInManifest => f.write_str("is not in the manifest"),
            Reason::DestroyRequested => f.write_str("destroy was requested"),
            Reason::Deposed(why) => write!(f, "is left over: {why}"),
            Reason::FoundAgain(id) => write!(f, "{id} was bought for it and is found again"),
            Reason::StillPending => f.write_str("is still being created"),
            Reason::NotYetListed => f.write_str("was bought and is not listed yet"),
            Reason::Moved(from) => write!(f, "stood at {from}"),
            Reason::LetGo => f.write_str("the manifest lets it go; it stays in the cloud"),
            Reason::NothingLeft(what) => write!(f, "{what}"),
            Reason::Forced => f.write_str("cannot be changed in place"),
            Reason::Asked => f.write_str("its replacement was asked for"),
            Reason::MoreTime { months, until, comes_back } => {
                let back = if *comes_back { ", comes back into service" } else { "" };
                write!(f, "{}, paid until {until} now{back}", count(*months as usize, "month"))
            }
            Reason::ReturnedAlready => f.write_str("is returned already"),
        }
    }
}

/// The only evidence that an unconfirmed instance belongs to this stack. Another repository with the same stack name leaves
/// the same evidence.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Evidence {
    /// Its ownership tag, as `KEY=VALUE`.
    Tag(String),
    /// Its name.
    Name(String),
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Evidence::Tag(tag) => write!(f, "tag {tag}"),
            Evidence::Name(name) => write!(f, "the name {name} alone"),
        }
    }
}

/// One attribute that differs.
#[derive(Clone, Debug, PartialEq)]
pub struct AttributeDiff {
    /// Which attribute.
    pub kind: Kind,
    /// What it is.
    pub before: Value,
    /// What it is to be.
    pub after: Value,
}

/// An attribute that only another instance can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forced {
    /// Which.
    pub kind: Kind,
    /// Where the manifest has it.
    pub span: Span,
}

/// One address's change.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The address.
    pub address: Address,
    /// What happens.
    pub action: Action,
    /// Why.
    pub reason: Reason,
    /// The instance it happens to, where there is one.
    pub instance_id: Option<InstanceId>,
    /// Where the manifest has it.
    pub source: Option<Span>,
    /// Index of its batch in the plan.
    pub batch: Option<usize>,
    /// What stood there before, for what is found again; part of the token that bought it.
    pub predecessor: Option<Predecessor>,
    /// The address where the state has it; besides whatever else happens to it, it moves.
    pub moved_from: Option<Address>,
    /// What differs, for an update.
    pub diffs: Vec<AttributeDiff>,
    /// The spec that is to be, secrets left out; for everything that ends up in the cloud anew or changed.
    pub after: Option<After>,
    /// What forces a replacement.
    pub forces_replace: Vec<Forced>,
    /// What it costs now, where the service says: a decimal text and its currency.
    pub price: Option<(String, String)>,
    /// What the service says of the return, for an instance that leaves.
    pub refund: Option<Returnable>,
    /// What else is to be known: one sentence each.
    pub notes: Vec<String>,
    /// Set for an unconfirmed instance: the evidence by which it was recognised.
    pub unconfirmed: Option<Evidence>,
}

/// The spec that is to be. It is the manifest's own, and becomes JSON only where it is shown: a plan of a large fleet would be
/// twice as large otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum After {
    /// What is wanted of an instance.
    Wanted(Arc<InstanceSpec>),
    /// As a saved plan has it, in the manifest's words.
    Words(Value),
}

impl After {
    /// What is wanted of an instance.
    pub fn of(wanted: &DesiredInstance) -> Self {
        Self::Wanted(Arc::clone(&wanted.spec))
    }

    /// In the manifest's words; a password is a word.
    pub fn to_json(&self) -> Value {
        let wanted = match self {
            Self::Wanted(wanted) => wanted,
            Self::Words(words) => return words.clone(),
        };
        let mut spec = wanted.to_json("");
        if wanted.password().is_some() {
            spec["login"] = serde_json::json!({"password": "(sensitive)"});
        }
        spec
    }

    /// Whether two differ in nothing that is shown but the name.
    pub fn is_like(&self, other: &Self) -> bool {
        let shown = |after: &Self| {
            let mut spec = after.to_json();
            spec["instance_name"] = Value::Null;
            spec
        };
        match (self, other) {
            (Self::Wanted(a), Self::Wanted(b)) if same_but_name(a, b) => true,
            (Self::Wanted(a), Self::Wanted(b)) if a.password().is_none() || b.password().is_none() => false,
            _ => shown(self) == shown(other),
        }
    }
}

impl Change {
    /// Whether the instance of a purge or a replacement is isolated before it begins.
    pub fn is_isolated_already(&self) -> bool {
        self.reason == Reason::ReturnedAlready
    }

    /// A change of which no more is to be said.
    pub fn new(address: &Address, action: Action, reason: Reason) -> Self {
        Self {
            address: address.clone(),
            action,
            reason,
            instance_id: None,
            source: None,
            batch: None,
            predecessor: None,
            moved_from: None,
            diffs: Vec::new(),
            after: None,
            forces_replace: Vec::new(),
            price: None,
            refund: None,
            notes: Vec::new(),
            unconfirmed: None,
        }
    }
}

/// An order of an earlier run that is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnsettledOrder {
    /// What was ordered.
    pub kind: OrderKind,
    /// The bundle, the image, or the months.
    pub to: String,
    /// For whom.
    pub members: Vec<Address>,
    /// Whether the service has taken it.
    pub accepted: bool,
}

/// The flag by which data is given up.
pub const ALLOW_DATA_LOSS: &str = "--allow-data-loss";

/// The flag by which money is given up.
pub const ACCEPT_NO_REFUND: &str = "--accept-no-refund";

/// The flag that permits costs which are not known.
pub const ACCEPT_UNKNOWN_PRICE: &str = "--accept-unknown-price";

/// The flag that confirms that recovered instances are this stack's.
pub const ADOPT: &str = "--adopt";

/// Every flag that gives a consent which a plan may need.
pub const CONSENTS: [&str; 4] = [ALLOW_DATA_LOSS, ACCEPT_NO_REFUND, ACCEPT_UNKNOWN_PRICE, ADOPT];

/// Of the flags of consent, those that were given.
pub fn given_consents(given: [bool; CONSENTS.len()]) -> Vec<&'static str> {
    CONSENTS.into_iter().zip(given).filter_map(|(flag, is_given)| is_given.then_some(flag)).collect()
}

/// Consent that a plan needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The flag that gives it.
    pub flag: &'static str,
    /// For what.
    pub what: String,
}

/// A purchase of an earlier run that is not settled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenPurchase {
    /// Its token.
    pub token: ClientToken,
    /// For whom.
    pub members: Vec<Address>,
    /// How often it was asked for.
    pub attempts: usize,
    /// Whether its answer is known and only the match to members is missing.
    pub answered: bool,
}

impl OpenPurchase {
    /// What the journal has of it.
    pub fn of(open: &OpenIntent) -> Self {
        Self {
            token: open.intent.token.clone(),
            members: open.intent.members.iter().map(|member| member.address.clone()).collect(),
            attempts: open.attempts.len(),
            answered: open.answer.is_some(),
        }
    }
}

/// A reason to stop before anything is bought, with the way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocked {
    /// Which rule stops it. Programs and the simulation decide by it, never by the text.
    pub kind: BlockedKind,
    /// What is in the way.
    pub what: String,
    /// What to do.
    pub help: Vec<String>,
}

/// The rule that stops a plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BlockedKind {
    /// `protect` forbids what is planned for an instance.
    Protected,
    /// An instance was bought longer ago than the visibility window and was never listed.
    NeverListed(InstanceId),
    /// The cloud has instances of the stack that no state knows, and they may be what is to be bought.
    Untracked,
    /// The manifest wants no instance, and the state has some.
    EmptyManifest,
    /// An instance would be bought before its dependency, which the selection leaves out.
    DependencyLeftOut,
    /// An instance stays, and its dependency would be destroyed.
    DependencyDestroyed,
    /// The plan needs a consent that was not given.
    ConsentMissing,
    /// Recovered instances would be taken over by name, or changed, without confirmation.
    AdoptionNotConfirmed,
    /// The credentials belong to an account that the manifest does not allow.
    AccountNotAllowed,
    /// The account of the credentials is not known, and the manifest allows only some, or the state records one.
    AccountUnknown,
    /// The credentials belong to another account than the command line says.
    AccountMismatch,
    /// Many recorded instances are gone at once.
    Gone,
    /// A machine that ran before reads as failed to launch.
    FailedAfterRunning,
}

impl BlockedKind {
    /// The code in the plan's JSON.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Protected => "protected",
            Self::NeverListed(_) => "never-listed",
            Self::Untracked => "untracked-instances",
            Self::EmptyManifest => "empty-manifest",
            Self::DependencyLeftOut => "dependency-left-out",
            Self::DependencyDestroyed => "dependency-destroyed",
            Self::ConsentMissing => "consent-missing",
            Self::AdoptionNotConfirmed => "adoption-not-confirmed",
            Self::AccountNotAllowed => "account-not-allowed",
            Self::AccountUnknown => "account-unknown",
            Self::AccountMismatch => "account-mismatch",
            Self::Gone => "gone-not-confirmed",
            Self::FailedAfterRunning => "failed-after-running",
        }
    }
}

/// How many of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Bought.
    pub create: usize,
    /// Changed in place.
    pub update: usize,
    /// Found again.
    pub import: usize,
    /// Waited for.
    pub resume: usize,
    /// Turned on.
    pub start: usize,
    /// Turned off.
    pub stop: usize,
    /// Given a larger bundle.
    pub upgrade: usize,
    /// Given another image.
    pub reinstall: usize,
    /// Replaced by another instance.
    pub replace: usize,
    /// Given more time.
    pub renew: usize,
    /// Returned.
    pub isolate: usize,
    /// Returned and destroyed.
    pub purge: usize,
    /// Kept under another address, whatever else happens to it.
    pub moved: usize,
    /// Dropped from the state.
    pub forget: usize,
    /// Left alone.
    pub no_op: usize,
}

impl Summary {
    /// Whether applying would do anything.
    pub fn is_empty(&self) -> bool {
        self.to_add() + self.to_change() + self.isolate + self.purge == 0
            && self.import + self.resume + self.forget + self.renew + self.moved == 0
    }

    /// Instances to come.
    pub fn to_add(&self) -> usize {
        self.create + self.replace
    }

    /// Instances that change and stay.
    pub fn to_change(&self) -> usize {
        self.update + self.upgrade + self.reinstall + self.start + self.stop
    }

    /// Instances that leave.
    pub fn to_destroy(&self) -> usize {
        self.isolate + self.purge + self.replace
    }

    /// Instances whose data is lost.
    pub fn data_loss(&self) -> usize {
        self.reinstall + self.replace + self.purge
    }
}

/// The plan.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// By address; several for one address only where something left over is returned.
    pub changes: Vec<Change>,
    /// The purchases, in the order in which they go out.
    pub batches: Vec<Batch>,
    /// Purchases of an earlier run that are not settled.
    pub open: Vec<OpenPurchase>,
    /// Orders of an earlier run that are not settled.
    pub orders: Vec<UnsettledOrder>,
    /// What differs from what was last applied although nobody edited the manifest, and what is out of order.
    pub drift: Vec<Drift>,
    /// Consent that carrying it out needs.
    pub needs: Vec<Need>,
    /// What preflight found; put in after planning.
    pub checks: Checks,
    /// Set where everything is to be destroyed.
    pub destroy: Option<DestroyScope>,
}

/// What a destroy leaves out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DestroyScope {
    /// Whether `--only` or `--skip` were given.
    pub is_limited: bool,
    /// Recorded instances that they leave out.
    pub left_out: usize,
}

impl Plan {
    /// The changes that act on unconfirmed instances: they need the user's confirmation.
    pub fn acts_on_unconfirmed(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.unconfirmed.is_some() && change.action.acts_on_instance())
    }

    /// Counts the changes.
    pub fn summary(&self) -> Summary {
        let mut summary = Summary::default();
        for change in &self.changes {
            summary.moved += usize::from(change.moved_from.is_some());
            *match change.action {
                // Counted by where it comes from.
                Action::Move => continue,
                Action::NoOp => &mut summary.no_op,
                Action::Create => &mut summary.create,
                Action::Update => &mut summary.update,
                Action::Start => &mut summary.start,
                Action::Stop => &mut summary.stop,
                Action::Upgrade => &mut summary.upgrade,
                Action::Reinstall => &mut summary.reinstall,
                Action::Replace(_) => &mut summary.replace,
                Action::Renew => &mut summary.renew,
                Action::Purge => &mut summary.purge,
                Action::Import => &mut summary.import,
                Action::Resume => &mut summary.resume,
                Action::Isolate => &mut summary.isolate,
                Action::Forget => &mut summary.forget,
            } += 1;
        }
        summary
    }

    /// Whether applying would do anything.
    pub fn is_empty(&self) -> bool {
        self.summary().is_empty() && self.open.is_empty() && self.orders.is_empty()
    }
}

/// `1 instance`, `3 instances`.
pub fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}
