//! The manifest of a schedule: a few blocks, and how somebody edits them between two runs.

use super::chance::Chance;
use super::circumstances::Circumstances;
use super::world::region_of;
use crate::desired::state::{TOKEN_TTL_DEFAULT, VISIBILITY_GRACE_DEFAULT};
use crate::desired::{Bounds, DependencyRef, DesiredInstance, DesiredState, Moves, Timeouts};
use crate::diag::{SourceId, Span};
use crate::model::{Address, Charge, InstanceSpec, Login, Ownership, RenewFlag, Replace, Secret, Site, StackName};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const BLOCKS: [&str; 4] = ["api", "db", "web", "xtra"];

/// What somebody wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fleet {
    blocks: BTreeMap<&'static str, Block>,
    /// Addresses that somebody has taken out for the time being.
    taken_out: BTreeSet<Address>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Block {
    count: u32,
    /// Which of two packages.
    larger: bool,
    /// Whether each instance has a name of its own.
    own_names: bool,
    /// Put before each name.
    prefix: &'static str,
    /// Number of the password; none without one.
    password: Option<u32>,
    depends_on: Option<&'static str>,
}

/// What an edit did; the promise for a lost state depends on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Edit {
    /// A block has more instances, or there is another block.
    More,
    /// A block has fewer instances, or is gone.
    Fewer,
    /// Another package.
    Bundle,
    /// Other names.
    Names,
    /// Another password.
    Secret,
}

impl Fleet {
    /// Draws a small fleet: blocks of one package are bought together, names are shared or each member's own.
    pub fn draw(chance: &mut Chance, site: Site) -> Self {
        let mut blocks = BTreeMap::new();
        let number = 1 + chance.below(3) as usize;
        for index in 0..number {
            let mut block = Block::draw(chance, site);
            if index > 0 && chance.percent(40) {
                block.depends_on = Some(BLOCKS[index - 1]);
            }
            blocks.insert(BLOCKS[index], block);
        }
        Self { blocks, taken_out: BTreeSet::new() }
    }

    /// Edits it. `None` if that edit has nothing to change.
    #[must_use]
    pub fn edited(&self, chance: &mut Chance, edit: Edit, site: Site) -> Option<Self> {
        let mut edited = self.clone();
        let names: Vec<&'static str> = edited.blocks.keys().copied().collect();
        let name = names[chance.below(names.len() as u64) as usize];
        let block = edited.blocks.get_mut(name)?;
        match edit {
            Edit::More if !self.blocks.contains_key("xtra") && chance.percent(30) => {
                edited.blocks.insert("xtra", Block::draw(chance, site));
            }
            Edit::More => block.count += 1 + chance.below(2) as u32,
            Edit::Fewer if block.count > 1 && chance.percent(70) => {
                block.count -= 1 + chance.below(u64::from(block.count.min(3)) - 1) as u32;
            }
            Edit::Fewer => {
                edited.blocks.remove(name);
                for block in edited.blocks.values_mut() {
                    block.depends_on = block.depends_on.filter(|other| *other != name);
                }
            }
            Edit::Bundle => block.larger = !block.larger,
            Edit::Names => block.prefix = if block.prefix.is_empty() { "new-" } else { "" },
            Edit::Secret => block.password = Some(block.password? + 1),
        }
        (!edited.blocks.is_empty()).then_some(edited)
    }

    /// The same without some addresses.
    #[must_use]
    pub fn without(&self, addresses: &[Address]) -> Self {
        let mut other = self.clone();
        other.taken_out.extend(addresses.iter().cloned());
        other
    }

    /// The same with everything that was taken out.
    #[must_use]
    pub fn whole(&self) -> Self {
        Self { blocks: self.blocks.clone(), taken_out: BTreeSet::new() }
    }

    /// Whether something is taken out.
    pub fn is_whole(&self) -> bool {
        self.taken_out.is_empty()
    }

    /// What the manifest wants, as the engine takes it.
    pub fn desired(&self, about: &Circumstances) -> DesiredState {
        let site = about.settings.site;
        let mut instances = BTreeMap::new();
        for (name, block) in &self.blocks {
            let depends_on: Arc<[DependencyRef]> =
                block.depends_on.iter().map(|other| DependencyRef::Block((*other).to_owned())).collect();
            for index in 0..block.count {
                let address = Address::indexed(*name, index);
                if self.taken_out.contains(&address) {
                    continue;
                }
                let wanted = instance(block.spec(name, index, site));
                instances.insert(address, DesiredInstance { depends_on: Arc::clone(&depends_on), ..wanted });
            }
        }
        DesiredState {
            ownership: about.ownership,
            token_ttl: about.token_ttl,
            visibility_grace: about.visibility_grace,
            ..stack(site, instances)
        }
    }
}

/// A stack with nothing but instances.
pub fn stack(site: Site, instances: BTreeMap<Address, DesiredInstance>) -> DesiredState {
    DesiredState {
        stack: StackName::from("sim"),
        site,
        region: region_of(site).into(),
        ownership: Ownership::Tags,
        allowed_accounts: Vec::new(),
        instances,
        rate_limits: BTreeMap::new(),
        variables: BTreeMap::new(),
        variables_given: BTreeSet::new(),
        outputs: BTreeMap::new(),
        moves: Moves::default(),
        bounds: Bounds::default(),
        token_ttl: TOKEN_TTL_DEFAULT,
        visibility_grace: VISIBILITY_GRACE_DEFAULT,
    }
}

/// An instance of which the manifest says no more than its spec.
pub fn instance(spec: InstanceSpec) -> DesiredInstance {
    DesiredInstance {
        spec: Arc::new(spec),
        depends_on: Arc::from([]),
        span: Span { source: SourceId(0), start: 0, end: 0 },
        attribute_spans: Arc::default(),
        protect: false,
        ignore_changes: Arc::from([]),
        replace: Replace::default(),
        replace_now: false,
        power: None,
        timeouts: Timeouts::default(),
    }
}

/// What every manifest says of an instance.
pub fn spec(bundle_id: &str, zone: &str, instance_name: String) -> InstanceSpec {
    InstanceSpec {
        bundle_id: bundle_id.into(),
        blueprint_id: "lhbp-f1lkcd41".into(),
        charge: Charge { period: 1, renew_flag: RenewFlag::default() },
        instance_name,
        zones: vec![zone.into()],
        login: None,
        containers: Vec::new(),
        auto_voucher: false,
        tags: BTreeMap::new(),
        firewall_template_id: None,
        init_command: None,
        domain_name: None,
        subdomain: None,
    }
}

impl Block {
    fn draw(chance: &mut Chance, site: Site) -> Self {
        Self {
            count: match chance.below(25) {
                0 => 31 + chance.below(4) as u32,
                _ => 1 + chance.below(4) as u32,
            },
            larger: chance.percent(50),
            own_names: chance.percent(50),
            prefix: "",
            // Site international takes no password for a Linux image.
            password: (site == Site::China && chance.percent(25)).then_some(1),
            depends_on: None,
        }
    }

    fn spec(&self, name: &str, index: u32, site: Site) -> InstanceSpec {
        let (bundle, zone) = match (site, self.larger) {
            (Site::China, false) => ("bundle_rs_nmc_lin_med2_01", "ap-guangzhou-3"),
            (Site::China, true) => ("bundle_rs_nmc_lin_med4_01", "ap-guangzhou-3"),
            (Site::International, false) => ("bundle_linux_int_gen_01", "ap-singapore-1"),
            (Site::International, true) => ("bundle_linux_int_gen_02", "ap-singapore-1"),
        };
        let prefix = self.prefix;
        let instance_name = if self.own_names { format!("{prefix}{name}-{index}") } else { format!("{prefix}{name}") };
        InstanceSpec {
            login: self.password.map(|number| Login::Password(Secret::new(format!("Pass-word-{number:04}")))),
            ..spec(bundle, zone, instance_name)
        }
    }
}
