//! The desired state.

use super::moves::Moves;
use super::output::Output;
use crate::diag::Span;
use crate::manifest::bounds::Bounds;
use crate::model::{Address, InstanceSpec, Ownership, Power, Replace, Site, StackName};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// What the manifest wants, whole.
#[derive(Clone, Debug)]
pub struct DesiredState {
    /// Identity of the fleet.
    pub stack: StackName,
    /// Which Tencent Cloud.
    pub site: Site,
    /// The one region of the stack.
    pub region: String,
    /// How its instances are recognised.
    pub ownership: Ownership,
    /// The accounts that may be used, by UIN; empty for any.
    pub allowed_accounts: Vec<String>,
    /// Every instance, by address.
    pub instances: BTreeMap<Address, DesiredInstance>,
    /// Requests a second for an action, where the manifest says other than the documentation.
    pub rate_limits: BTreeMap<String, u32>,
    /// How long after the first attempt a token is trusted to be remembered.
    pub token_ttl: Duration,
    /// After how long a purchase is certainly listed.
    pub visibility_grace: Duration,
    /// Variables with their values.
    pub variables: BTreeMap<String, Value>,
    /// Those of them whose values were given, and are not the manifest's defaults.
    pub variables_given: BTreeSet<String>,
    /// Values to tell after an apply, by name.
    pub outputs: BTreeMap<String, Output>,
    /// What stands at another address now, and what is let go.
    pub moves: Moves,
    /// How far a plan may go, and what it may want.
    pub bounds: Bounds,
}

/// Default of `token_ttl`.
pub const TOKEN_TTL_DEFAULT: Duration = Duration::from_secs(5 * 60);

/// Default of `visibility_grace`.
pub const VISIBILITY_GRACE_DEFAULT: Duration = Duration::from_secs(10 * 60);

/// One desired instance.
#[derive(Clone, Debug)]
pub struct DesiredInstance {
    /// What it is to be.
    pub spec: Arc<InstanceSpec>,
    /// What must be running before it is bought; shared by the instances of a block.
    pub depends_on: Arc<[DependencyRef]>,
    /// Where its block's name is written.
    pub span: Span,
    /// Where each attribute was written, by its top-level key (`bundle_id`, `login`, …); shared by the block.
    pub attribute_spans: Arc<BTreeMap<&'static str, Span>>,
    /// May not be destroyed or replaced.
    pub protect: bool,
    /// Attributes whose differences are left alone, by the names that differences have (`renew_flag`, `tags`); sorted, shared
    /// by the block.
    pub ignore_changes: Arc<[String]>,
    /// In which order a replacement comes and goes.
    pub replace: Replace,
    /// Whether another instance is asked for although nothing forces one (`--replace`).
    pub replace_now: bool,
    /// Whether it is to run; none if the manifest does not care.
    pub power: Option<Power>,
    /// How long to wait.
    pub timeouts: Timeouts,
}

/// Something that `depends_on` names.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum DependencyRef {
    /// All instances of a block.
    Block(String),
    /// One instance.
    Instance(Address),
}

/// How long an operation may take before it is left for the next apply. Nothing is destroyed because of a wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// From the purchase to `RUNNING`.
    pub create: Duration,
    /// For changes in place.
    pub update: Duration,
    /// For isolation and termination.
    pub delete: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        // The service documents no boot time. The official Terraform provider waits 15 minutes for a creation and up to an hour
        // for a reinstall; ours resumes instead of failing, so the shorter wait costs nothing.
        let create = Duration::from_secs(15 * 60);
        Self { create, update: Duration::from_secs(30 * 60), delete: create }
    }
}
