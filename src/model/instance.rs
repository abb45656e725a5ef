//! What an instance is to be: the expanded spec, in the API's own words.

use super::secret::Secret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Which Tencent Cloud the account belongs to. It decides the endpoint and which request fields exist (API model).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// `cloud.tencent.com`.
    #[default]
    China,
    /// `tencentcloud.com`: no tags, no init command, no firewall template, no domain at creation.
    International,
}

impl Site {
    /// The name as the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Site::China => "china",
            Site::International => "international",
        }
    }
}

/// How instances of the stack are recognised in the cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ownership {
    /// By the tags `lhprov-stack` and `lhprov-batch`. Default on site china.
    Tags,
    /// By name, bundle, blueprint, zone and time. The only way on site international.
    Name,
}

impl Ownership {
    /// The name as the manifest and the token write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Ownership::Tags => "tags",
            Ownership::Name => "name",
        }
    }
}

/// What happens when the paid time ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RenewFlag {
    /// Renews by a month each time, while the balance suffices.
    NotifyAndAutoRenew,
    /// Only a notice. The API's default.
    #[default]
    NotifyAndManualRenew,
    /// Neither notice nor renewal.
    DisableNotifyAndManualRenew,
}

impl RenewFlag {
    /// All values, in the API's spelling.
    pub const ALL: [(&'static str, RenewFlag); 3] = [
        ("NOTIFY_AND_AUTO_RENEW", RenewFlag::NotifyAndAutoRenew),
        ("NOTIFY_AND_MANUAL_RENEW", RenewFlag::NotifyAndManualRenew),
        ("DISABLE_NOTIFY_AND_MANUAL_RENEW", RenewFlag::DisableNotifyAndManualRenew),
    ];

    /// The API's spelling.
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, flag)| *flag == self).map_or("", |(text, _)| text)
    }
}

/// The prepaid time to buy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Charge {
    /// Months: 1–12, 24, 36, 48, 60 (API model).
    pub period: u32,
    /// What happens at its end.
    pub renew_flag: RenewFlag,
}

/// In which order an instance and its replacement come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Replace {
    /// The new one runs before the old one is returned.
    #[default]
    CreateFirst,
    /// The old one is returned first.
    DestroyFirst,
}

impl Replace {
    /// All values, as the manifest writes them.
    pub const ALL: [(&'static str, Replace); 2] =
        [("create_first", Replace::CreateFirst), ("destroy_first", Replace::DestroyFirst)];

    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Replace::CreateFirst => "create_first",
            Replace::DestroyFirst => "destroy_first",
        }
    }
}

/// Whether an instance is to run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Power {
    /// It is to run.
    Running,
    /// It is to be stopped.
    Stopped,
}

impl Power {
    /// All values, as the manifest writes them.
    pub const ALL: [(&'static str, Power); 2] = [("running", Power::Running), ("stopped", Power::Stopped)];

    /// As the manifest writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Power::Running => "running",
            Power::Stopped => "stopped",
        }
    }
}

/// How one logs in for the first time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Login {
    /// SSH key pairs, at most five, Linux only.
    KeyIds(Vec<String>),
    /// A password; goes to the API and nowhere else.
    Password(Secret),
    /// The service makes a password.
    AutoGeneratePassword,
}

/// A container to start on a Docker blueprint.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Container {
    /// Image address.
    pub container_image: String,
    /// Container name.
    pub container_name: Option<String>,
    /// Environment, in the order given.
    pub envs: Vec<(String, String)>,
    /// Port map.
    pub publish_ports: Vec<PublishPort>,
    /// Volumes.
    pub volumes: Vec<Volume>,
    /// Command.
    pub command: Option<String>,
    /// `no`, `on-failure`, `on-failure:3`, `always`. Site china only.
    pub restart_policy: Option<String>,
}

/// A published port of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublishPort {
    /// Port of the host.
    pub host_port: u16,
    /// Port of the container.
    pub container_port: u16,
    /// Address of the host, default 0.0.0.0.
    pub ip: Option<String>,
    /// tcp (default), udp or sctp.
    pub protocol: Option<String>,
}

/// A volume of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Volume {
    /// Path in the container.
    pub container_path: String,
    /// Path on the host.
    pub host_path: Option<String>,
}

/// A command run once after creation. Site china only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitCommand {
    /// The script itself; base64 of it goes to the API, at most 64 KB (API model).
    pub content: String,
    /// Seconds, 1–86400.
    pub timeout: Option<u32>,
    /// Where it runs.
    pub working_directory: Option<String>,
    /// As whom it runs.
    pub username: Option<String>,
}

/// One instance as the manifest wants it, expanded and checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InstanceSpec {
    /// Package: size, traffic and price.
    pub bundle_id: String,
    /// Image.
    pub blueprint_id: String,
    /// Prepaid time.
    pub charge: Charge,
    /// Display name, at most 60 characters.
    pub instance_name: String,
    /// Zones to choose from; empty lets the service choose.
    pub zones: Vec<String>,
    /// First login.
    pub login: Option<Login>,
    /// Containers.
    pub containers: Vec<Container>,
    /// Whether vouchers pay first.
    pub auto_voucher: bool,
    /// Tags of the user; ownership tags are not among them.
    pub tags: BTreeMap<String, String>,
    /// Firewall template applied at creation.
    pub firewall_template_id: Option<String>,
    /// Command run after creation.
    pub init_command: Option<InitCommand>,
    /// Main domain to bind.
    pub domain_name: Option<String>,
    /// Sub domain to bind.
    pub subdomain: Option<String>,
}

impl InstanceSpec {
    /// The password, where the spec has one.
    pub fn password(&self) -> Option<&Secret> {
        match &self.login {
            Some(Login::Password(secret)) => Some(secret),
            _ => None,
        }
    }

    /// The spec in the manifest's words, without defaults that were not asked for. A password appears as its
    /// fingerprint under `salt`.
    pub fn to_json(&self, salt: &str) -> Value {
        let mut map = serde_json::Map::new();
        map.insert("bundle_id".into(), json!(self.bundle_id));
        map.insert("blueprint_id".into(), json!(self.blueprint_id));
        map.insert(
            "charge".into(),
            json!({"period": self.charge.period, "renew_flag": self.charge.renew_flag.as_str()}),
        );
        map.insert("instance_name".into(), json!(self.instance_name));
        if !self.zones.is_empty() {
            map.insert("zones".into(), json!(self.zones));
        }
        match &self.login {
            None => {}
            Some(Login::KeyIds(ids)) => drop(map.insert("login".into(), json!({"key_ids": ids}))),
            Some(Login::Password(secret)) => {
                let print = secret.fingerprint(salt);
                drop(map.insert("login".into(), json!({"password": {"fingerprint": print}})));
            }
            Some(Login::AutoGeneratePassword) => {
                drop(map.insert("login".into(), json!({"auto_generate_password": true})));
            }
        }
        if !self.containers.is_empty() {
            map.insert("containers".into(), self.containers.iter().map(Container::to_json).collect());
        }
        if self.auto_voucher {
            map.insert("auto_voucher".into(), json!(true));
        }
        if !self.tags.is_empty() {
            map.insert("tags".into(), json!(self.tags));
        }
        if let Some(command) = &self.init_command {
            map.insert("init_command".into(), command.to_json());
        }
        for (key, value) in [
            ("firewall_template_id", &self.firewall_template_id),
            ("domain_name", &self.domain_name),
            ("subdomain", &self.subdomain),
        ] {
            if let Some(value) = value {
                map.insert(key.into(), json!(value));
            }
        }
        Value::Object(map)
    }
}

fn insert_some<T: Serialize>(map: &mut serde_json::Map<String, Value>, key: &str, value: &Option<T>) {
    if let Some(value) = value {
        map.insert(key.into(), json!(value));
    }
}

impl Container {
    /// In the manifest's words.
    pub fn to_json(&self) -> Value {
        let mut map = serde_json::Map::new();
        map.insert("container_image".into(), json!(self.container_image));
        insert_some(&mut map, "container_name", &self.container_name);
        if !self.envs.is_empty() {
            let envs = self.envs.iter().map(|(key, value)| json!({"key": key, "value": value}));
            map.insert("envs".into(), envs.collect());
        }
        if !self.publish_ports.is_empty() {
            map.insert(
                "publish_ports".into(),
                self.publish_ports
                    .iter()
                    .map(|port| {
                        let mut map = serde_json::Map::new();
                        map.insert("host_port".into(), json!(port.host_port));
                        map.insert("container_port".into(), json!(port.container_port));
                        insert_some(&mut map, "ip", &port.ip);
                        insert_some(&mut map, "protocol", &port.protocol);
                        Value::Object(map)
                    })
                    .collect(),
            );
        }
        if !self.volumes.is_empty() {
            map.insert(
                "volumes".into(),
                self.volumes
                    .iter()
                    .map(|volume| {
                        let mut map = serde_json::Map::new();
                        map.insert("container_path".into(), json!(volume.container_path));
                        insert_some(&mut map, "host_path", &volume.host_path);
                        Value::Object(map)
                    })
                    .collect(),
            );
        }
        insert_some(&mut map, "command", &self.command);
        insert_some(&mut map, "restart_policy", &self.restart_policy);
        Value::Object(map)
    }
}

impl InitCommand {
    /// In the manifest's words.
    pub fn to_json(&self) -> Value {
        let mut map = serde_json::Map::new();
        map.insert("content".into(), json!(self.content));
        insert_some(&mut map, "timeout", &self.timeout);
        insert_some(&mut map, "working_directory", &self.working_directory);
        insert_some(&mut map, "username", &self.username);
        Value::Object(map)
    }
}
