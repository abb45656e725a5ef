//! What a user may write, as types. Texts are as written: `${…}` is still in them.

use super::bounds::Bounds;
use super::node::Node;
use super::variable::Variables;
use crate::diag::{Span, Spanned};
use crate::model::{Ownership, Power, Replace, Site};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The manifest: all files of a run together.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// Identity of the fleet; none if it is missing, which was reported.
    pub stack: Option<Text>,
    /// Region; none if it is missing, which was reported.
    pub region: Option<Text>,
    /// Which Tencent Cloud.
    pub site: Option<Spanned<Site>>,
    /// How instances are recognised.
    pub ownership: Option<Spanned<Ownership>>,
    /// The accounts that may be used; empty for any.
    pub allowed_accounts: Vec<Text>,
    /// Requests a second, by action.
    pub rate_limits: RateLimits,
    /// How long a token is trusted.
    pub token_ttl: Option<Spanned<Duration>>,
    /// After how long a purchase is listed.
    pub visibility_grace: Option<Spanned<Duration>>,
    /// Variables with their values.
    pub variables: Variables,
    /// The blocks, `defaults` merged under each, in the order written.
    pub instances: Vec<NamedBlock>,
    /// Values to tell after an apply: the name, and the value as written.
    pub outputs: Vec<(Text, Node)>,
    /// What stands at another address now.
    pub moved: Vec<MovedEntry>,
    /// Addresses to drop from the state.
    pub forget: Vec<Text>,
    /// How far a plan may go, and what it may want.
    pub bounds: Bounds,
}

/// One of `moved`.
#[derive(Clone, Debug)]
pub struct MovedEntry {
    /// Where it stood.
    pub from: Text,
    /// Where it stands.
    pub to: Text,
}

/// Requests a second, by action.
pub type RateLimits = Vec<(Text, Spanned<i128>)>;

/// A block and its name.
#[derive(Clone, Debug)]
pub struct NamedBlock {
    /// The key under `instances`.
    pub name: Text,
    /// What it says.
    pub body: Body,
}

/// What a block stands for.
#[derive(Clone, Debug)]
pub enum Body {
    /// One instance, or `count` of them.
    Plain(Arc<Block>),
    /// One for each key of `for_each`.
    Each {
        /// Where the keys are written.
        span: Span,
        /// The keys, in the order written.
        members: Vec<EachMember>,
    },
}

/// One key of `for_each`.
#[derive(Clone, Debug)]
pub struct EachMember {
    /// `each.key`.
    pub key: Text,
    /// `each.value`.
    pub value: Node,
    /// What the block says for it; shared where it says the same for all.
    pub block: Arc<Block>,
}

/// A text and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    /// As written, without quotes.
    pub value: String,
    /// Where.
    pub span: Span,
    /// Whether it stood in quotes, or as a block.
    pub quoted: bool,
    /// Whether `${…}` in it is no expression.
    pub verbatim: bool,
}

/// A whole number, or the `${…}` that stands for one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Integer {
    /// The number.
    Literal(Spanned<i128>),
    /// A text that is one whole `${…}`.
    Expression(Text),
}

/// A text, or the file that holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TextSource {
    /// Written in the manifest.
    Inline(Text),
    /// `{file: PATH}`, relative to the manifest that says so. Its text is taken as it is.
    File(Text),
}

/// One block under `instances`, or `defaults`. Nothing is required here, since `defaults` may have it.
#[derive(Clone, Debug, Default)]
pub struct Block {
    /// Package.
    pub bundle_id: Option<Text>,
    /// Image.
    pub blueprint_id: Option<Text>,
    /// Prepaid time.
    pub charge: ChargeBlock,
    /// Display name.
    pub instance_name: Option<Text>,
    /// Zones to choose from.
    pub zones: Option<Vec<Text>>,
    /// How many.
    pub count: Option<Spanned<i128>>,
    /// What has to run before.
    pub depends_on: Option<Vec<Text>>,
    /// Tags, in the order written; a key of the block's own comes after the same key of `defaults`.
    pub tags: Option<Vec<(Text, Text)>>,
    /// First login.
    pub login: Option<LoginBlock>,
    /// Containers.
    pub containers: Option<Vec<ContainerBlock>>,
    /// Command after creation.
    pub init_command: Option<InitCommandBlock>,
    /// Firewall template.
    pub firewall_template_id: Option<Text>,
    /// Vouchers.
    pub auto_voucher: Option<bool>,
    /// Main domain.
    pub domain_name: Option<Text>,
    /// Sub domain.
    pub subdomain: Option<Text>,
    /// Never destroyed.
    pub protect: Option<bool>,
    /// Attributes whose differences are left alone.
    pub ignore_changes: Option<Vec<Text>>,
    /// Order of a replacement.
    pub replace: Option<Spanned<Replace>>,
    /// Running or stopped.
    pub power: Option<Spanned<Power>>,
    /// Waits.
    pub timeouts: TimeoutsBlock,
    /// Where each key was written: the value where that is a scalar, else the key. A key is here also when its value could
    /// not be read: what is wrong is not also missing. `charge.period` is here by that name.
    pub places: Arc<BTreeMap<&'static str, Span>>,
}

/// `charge`.
#[derive(Clone, Debug, Default)]
pub struct ChargeBlock {
    /// Months.
    pub period: Option<Integer>,
    /// What happens at the end.
    pub renew_flag: Option<Text>,
}

/// `login`: one of three ways. Any number is kept, so that a clash can name both places.
#[derive(Clone, Debug, Default)]
pub struct LoginBlock {
    /// Key pairs, and where the key stands.
    pub key_ids: Option<Spanned<Vec<Text>>>,
    /// A password, and where the key stands.
    pub password: Option<Spanned<PasswordBlock>>,
    /// Whether the service makes a password.
    pub auto_generate_password: Option<Spanned<bool>>,
}

/// Where a password comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PasswordBlock {
    /// `${env:NAME}`: the name.
    Environment(Text),
    /// `{file: PATH}`.
    File(Text),
    /// It was written as it is, which was reported. The text is not kept.
    Refused,
}

/// One of `containers`.
#[derive(Clone, Debug)]
pub struct ContainerBlock {
    /// Where it starts.
    pub span: Span,
    /// Image address.
    pub container_image: Option<Text>,
    /// Name.
    pub container_name: Option<Text>,
    /// Environment.
    pub envs: Vec<(Text, Text)>,
    /// Ports.
    pub publish_ports: Vec<PublishPortBlock>,
    /// Volumes.
    pub volumes: Vec<VolumeBlock>,
    /// Command.
    pub command: Option<TextSource>,
    /// Restart policy.
    pub restart_policy: Option<Text>,
}

/// One of `publish_ports`.
#[derive(Clone, Debug)]
pub struct PublishPortBlock {
    /// Port of the host.
    pub host_port: Option<Integer>,
    /// Port of the container.
    pub container_port: Option<Integer>,
    /// Address of the host.
    pub ip: Option<Text>,
    /// Protocol.
    pub protocol: Option<Text>,
}

/// One of `volumes`.
#[derive(Clone, Debug)]
pub struct VolumeBlock {
    /// Path in the container.
    pub container_path: Option<Text>,
    /// Path on the host.
    pub host_path: Option<Text>,
}

/// `init_command`.
#[derive(Clone, Debug)]
pub struct InitCommandBlock {
    /// The script; none if it is missing, which was reported.
    pub content: Option<TextSource>,
    /// Seconds.
    pub timeout: Option<Integer>,
    /// Where it runs.
    pub working_directory: Option<Text>,
    /// As whom it runs.
    pub username: Option<Text>,
}

/// `timeouts`.
#[derive(Clone, Copy, Debug, Default)]
pub struct TimeoutsBlock {
    /// Until running.
    pub create: Option<Duration>,
    /// Changes in place.
    pub update: Option<Duration>,
    /// Isolation and termination.
    pub delete: Option<Duration>,
}

impl Block {
    /// Lays this block over `defaults`, key by key. `charge`, `tags` and `timeouts` merge key by key too; a list replaces
    /// a list. `login` and `init_command` are replaced as a whole, since their keys exclude one another.
    #[must_use]
    pub fn over(self, defaults: &Block) -> Block {
        fn or<T: Clone>(own: Option<T>, default: &Option<T>) -> Option<T> {
            own.or_else(|| default.clone())
        }
        let tags = match (self.tags, &defaults.tags) {
            (Some(own), Some(default)) => {
                let kept = default.iter().filter(|(key, _)| own.iter().all(|(other, _)| other.value != key.value));
                Some(kept.cloned().chain(own.iter().cloned()).collect())
            }
            (own, default) => own.or_else(|| default.clone()),
        };
        let mut places = self.places;
        if !defaults.places.is_empty() {
            let all = Arc::make_mut(&mut places);
            for (key, span) in defaults.places.iter() {
                all.entry(key).or_insert(*span);
            }
        }
        Block {
            bundle_id: or(self.bundle_id, &defaults.bundle_id),
            blueprint_id: or(self.blueprint_id, &defaults.blueprint_id),
            charge: ChargeBlock {
                period: or(self.charge.period, &defaults.charge.period),
                renew_flag: or(self.charge.renew_flag, &defaults.charge.renew_flag),
            },
            instance_name: or(self.instance_name, &defaults.instance_name),
            zones: or(self.zones, &defaults.zones),
            count: or(self.count, &defaults.count),
            depends_on: or(self.depends_on, &defaults.depends_on),
            tags,
            login: or(self.login, &defaults.login),
            containers: or(self.containers, &defaults.containers),
            init_command: or(self.init_command, &defaults.init_command),
            firewall_template_id: or(self.firewall_template_id, &defaults.firewall_template_id),
            auto_voucher: self.auto_voucher.or(defaults.auto_voucher),
            domain_name: or(self.domain_name, &defaults.domain_name),
            subdomain: or(self.subdomain, &defaults.subdomain),
            protect: self.protect.or(defaults.protect),
            ignore_changes: or(self.ignore_changes, &defaults.ignore_changes),
            replace: or(self.replace, &defaults.replace),
            power: or(self.power, &defaults.power),
            timeouts: TimeoutsBlock {
                create: self.timeouts.create.or(defaults.timeouts.create),
                update: self.timeouts.update.or(defaults.timeouts.update),
                delete: self.timeouts.delete.or(defaults.timeouts.delete),
            },
            places,
        }
    }
}
