//! The attribute table: how each attribute of an instance changes, as data. Nothing else decides it.
//!
//! Sources are the official API model of 2020-03-24 (*model*) and the product's guides (*guide*).

use crate::model::Attributes;
use crate::model::attributes::Field;
use serde_json::{Map, Value};

/// How an attribute is changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// In place, by this action of the API.
    InPlace(&'static str),
    /// In place to a larger bundle, by this action: it shuts the machine down and costs the difference. A smaller one needs
    /// another instance.
    Upgrade(&'static str),
    /// In place by this action, which wipes the system disk. Outside mainland China it cannot go from Linux to Windows or back;
    /// that needs another instance.
    Reinstall(&'static str),
    /// Only by another instance: no action changes it.
    Replace,
    /// By these actions, which turn the machine on and off.
    Power(&'static str, &'static str),
    /// In the state alone, by an apply that makes no request for it.
    Recorded,
    /// It says what to buy, or how; nothing of an instance changes with it.
    NotAProperty,
}

/// Which attribute a row is of. A comparison of ten thousand instances goes by it and not by the name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Display name.
    InstanceName,
    /// What happens at the end of the paid time.
    RenewFlag,
    /// Tags of the user.
    Tags,
    /// Tags by which an instance is found without a state; no manifest has them.
    OwnershipTags,
    /// Package.
    BundleId,
    /// Image.
    BlueprintId,
    /// Bound key pairs.
    KeyIds,
    /// Password.
    Password,
    /// Whether the service makes a password.
    AutoGeneratePassword,
    /// Whether it runs.
    Power,
    /// Zones to choose from.
    Zones,
    /// Region.
    Region,
    /// Containers.
    Containers,
    /// Command run after creation.
    InitCommand,
    /// Firewall template.
    FirewallTemplateId,
    /// Main domain.
    DomainName,
    /// Sub domain.
    Subdomain,
    /// Months to buy.
    Period,
    /// Whether vouchers pay first.
    AutoVoucher,
    /// Protection against destroying, replacing and wiping.
    Protect,
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// Which one.
    pub kind: Kind,
    /// The name that differences have. What stands before a dot is the name in `ignore_changes`.
    pub name: &'static str,
    /// Under which key of an instance the manifest has it.
    pub key: &'static str,
    /// How it changes.
    pub way: Way,
    /// Whether DescribeInstances tells it. What it does not tell is compared with what was last applied.
    pub reported: bool,
    /// Where that is written.
    pub source: &'static str,
}

const fn row(
    kind: Kind,
    name: &'static str,
    key: &'static str,
    way: Way,
    reported: bool,
    source: &'static str,
) -> Attribute {
    Attribute { kind, name, key, way, reported, source }
}

/// Every attribute, in the order in which a plan lists differences.
#[rustfmt::skip]
pub const TABLE: &[Attribute] = &[
    row(Kind::InstanceName, "instance_name", "instance_name", Way::InPlace("ModifyInstancesAttribute"), true,
        "model: up to 100 instances, one name for all of them"),
    row(Kind::RenewFlag, "renew_flag", "charge", Way::InPlace("ModifyInstancesRenewFlag"), true, "model"),
    row(Kind::Tags, "tags", "tags", Way::InPlace("ModifyResourceTags"), true,
        "model: no action of Lighthouse sets tags after the purchase; the Tag service does"),
    row(Kind::OwnershipTags, "ownership_tags", "tags", Way::InPlace("ModifyResourceTags"), true, "as tags; set again where they are lost"),
    row(Kind::BundleId, "bundle_id", "bundle_id", Way::Upgrade("ModifyInstancesBundle"), true,
        "model; guide: each of CPU, memory, disk, bandwidth and traffic must not become less"),
    row(Kind::BlueprintId, "blueprint_id", "blueprint_id", Way::Reinstall("ResetInstance"), true, "model: the system disk is reset"),
    row(Kind::KeyIds, "login.key_ids", "login", Way::InPlace("AssociateInstancesKeyPairs"), true, "model: Linux only"),
    row(Kind::Password, "login.password", "login", Way::InPlace("ResetInstancesPassword"), false,
        "model: a running instance is shut down for it"),
    row(Kind::AutoGeneratePassword, "login.auto_generate_password", "login", Way::Replace, false, "model: only at creation and in ResetInstance"),
    row(Kind::Power, "power", "power", Way::Power("StartInstances", "StopInstances"), true, "model"),
    row(Kind::Zones, "zones", "zones", Way::Replace, true, "model: no action moves an instance"),
    row(Kind::Region, "region", "region", Way::Replace, false, "model: the region is part of an instance's address"),
    row(Kind::Containers, "containers", "containers", Way::Replace, false, "model: at creation, or on the fresh disk of ResetInstance"),
    row(Kind::InitCommand, "init_command", "init_command", Way::Replace, false, "model: at creation alone"),
    row(Kind::FirewallTemplateId, "firewall_template_id", "firewall_template_id", Way::InPlace("ApplyFirewallTemplate"), false,
        "model: site china; no field shows which template was applied"),
    row(Kind::DomainName, "domain_name", "domain_name", Way::Replace, false, "model: at creation alone"),
    row(Kind::Subdomain, "subdomain", "subdomain", Way::Replace, false, "model: at creation alone"),
    row(Kind::Period, "period", "charge", Way::NotAProperty, false, "model: months to buy; RenewInstances buys more"),
    row(Kind::AutoVoucher, "auto_voucher", "auto_voucher", Way::NotAProperty, false, "model: how a purchase is paid"),
    row(Kind::Protect, "protect", "protect", Way::Recorded, false, "a rule of lhprov: no field of the service's"),
];

impl Kind {
    /// The row of the table.
    pub fn row(self) -> &'static Attribute {
        // The table has the kinds in the order of their declaration; a test holds it to that.
        &TABLE[self as usize]
    }

    /// The name that differences have, in plans and messages.
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Puts a value where an applied spec has this attribute. Returns whether it differs from what was there; nothing is put
    /// into a spec of which nothing is known.
    pub fn set_applied(self, spec: &mut Value, value: &Value) -> bool {
        let Value::Object(map) = spec else { return false };
        let row = self.row();
        let place = match self {
            Kind::RenewFlag | Kind::KeyIds | Kind::Password | Kind::AutoGeneratePassword | Kind::Period => {
                let inner = map.entry(row.key).or_insert_with(|| Value::Object(Map::new()));
                if !inner.is_object() {
                    *inner = Value::Object(Map::new());
                }
                let name = row.name.rsplit('.').next().unwrap_or(row.name);
                &mut inner[name]
            }
            Kind::InstanceName
            | Kind::Tags
            | Kind::OwnershipTags
            | Kind::BundleId
            | Kind::BlueprintId
            | Kind::Power
            | Kind::Zones
            | Kind::Region
            | Kind::Containers
            | Kind::InitCommand
            | Kind::FirewallTemplateId
            | Kind::DomainName
            | Kind::Subdomain
            | Kind::AutoVoucher
            | Kind::Protect => map.entry(row.key).or_insert(Value::Null),
        };
        let differs = place != value;
        place.clone_from(value);
        differs
    }

    /// The kind of a name; none for a name that the table does not have.
    pub fn of_name(name: &str) -> Option<Self> {
        TABLE.iter().find(|row| row.name == name).map(|row| row.kind)
    }
}

impl Kind {
    /// The field of an instance that shows it.
    pub fn field(self) -> Option<Field> {
        Some(match self {
            Kind::InstanceName => Field::InstanceName,
            Kind::RenewFlag => Field::RenewFlag,
            Kind::Tags | Kind::OwnershipTags => Field::Tags,
            Kind::BundleId => Field::BundleId,
            Kind::BlueprintId => Field::BlueprintId,
            Kind::KeyIds => Field::KeyIds,
            Kind::Zones => Field::Zone,
            Kind::Power => Field::State,
            _ => return None,
        })
    }

    /// Whether a change of it can only be planned with its present value: it decides what the change costs or destroys.
    pub fn decides(self) -> bool {
        matches!(self, Kind::BundleId | Kind::BlueprintId | Kind::KeyIds | Kind::Zones | Kind::Power)
    }
}

impl Attribute {
    /// Whether these attributes show it.
    pub fn is_reported_by(&self, live: &Attributes) -> bool {
        self.reported && self.kind.field().is_some_and(|field| !live.unreported.has(field))
    }

    /// Whether an instance differs by it at all.
    pub fn is_property(&self) -> bool {
        self.way != Way::NotAProperty
    }

    /// Whether `ignored` (names of `ignore_changes`) leaves its differences alone.
    pub fn is_ignored(&self, ignored: &[String]) -> bool {
        if ignored.is_empty() {
            return false;
        }
        let name = self.name.split('.').next().unwrap_or(self.name);
        ignored.iter().any(|ignored| ignored == name || ignored == self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table in the words of the dossier, row by row.
    #[test]
    fn every_row() {
        let rows: Vec<String> = TABLE
            .iter()
            .map(|row| {
                let way = match row.way {
                    Way::InPlace(action) => format!("in place by {action}"),
                    Way::Upgrade(action) => format!("upgrade by {action}, a smaller one by replacement"),
                    Way::Reinstall(action) => format!("reinstall by {action}"),
                    Way::Replace => "replacement".to_owned(),
                    Way::Power(start, stop) => format!("{start} or {stop}"),
                    Way::Recorded => "recorded, without a request".to_owned(),
                    Way::NotAProperty => "no change".to_owned(),
                };
                let compared = if row.reported { "live" } else { "last applied" };
                format!("{:<28} {way:<62} {compared}", row.name)
            })
            .collect();
        insta::assert_snapshot!(rows.join("\n"), @r"
        instance_name                in place by ModifyInstancesAttribute                           live
        renew_flag                   in place by ModifyInstancesRenewFlag                           live
        tags                         in place by ModifyResourceTags                                 live
        ownership_tags               in place by ModifyResourceTags                                 live
        bundle_id                    upgrade by ModifyInstancesBundle, a smaller one by replacement live
        blueprint_id                 reinstall by ResetInstance                                     live
        login.key_ids                in place by AssociateInstancesKeyPairs                         live
        login.password               in place by ResetInstancesPassword                             last applied
        login.auto_generate_password replacement                                                    last applied
        power                        StartInstances or StopInstances                                live
        zones                        replacement                                                    live
        region                       replacement                                                    last applied
        containers                   replacement                                                    last applied
        init_command                 replacement                                                    last applied
        firewall_template_id         in place by ApplyFirewallTemplate                              last applied
        domain_name                  replacement                                                    last applied
        subdomain                    replacement                                                    last applied
        period                       no change                                                      last applied
        auto_voucher                 no change                                                      last applied
        protect                      recorded, without a request                                    last applied
        ");
    }

    #[test]
    fn names_are_unique_and_every_row_has_a_source() {
        for row in TABLE {
            assert_eq!(row.kind.row(), row);
            assert_eq!(Kind::of_name(row.name), Some(row.kind));
            assert_eq!(TABLE.iter().filter(|other| other.name == row.name).count(), 1, "{}", row.name);
            assert!(!row.source.is_empty());
        }
    }

    #[test]
    fn ignoring_goes_by_the_name_before_the_dot() {
        let login = [String::from("login")];
        assert!(Kind::Password.row().is_ignored(&login));
        assert!(Kind::KeyIds.row().is_ignored(&login));
        assert!(!Kind::Tags.row().is_ignored(&login));
    }
}
