//! The expanded manifest as YAML: what `lhprov render` prints.
//!
//! One block for each address, `web[0]` among them, every default written out, in a fixed order. It is for reading and for
//! comparing: an address is not a block's name and a password is a placeholder, so it is not a manifest again.

use super::state::{DependencyRef, DesiredInstance, DesiredState};
use crate::model::{Container, InstanceSpec, Login, Power};
use serde_json::json;
use serde_yaml::{Mapping, Value};
use std::time::Duration;

/// What stands for a password.
pub const PASSWORD_PLACEHOLDER: &str = "(secret)";

/// Writes the desired state as YAML. The same state gives the same text.
pub fn render(desired: &DesiredState) -> String {
    let mut top = Mapping::new();
    put(&mut top, "version", 1);
    put(&mut top, "stack", desired.stack.as_str());
    put(&mut top, "site", desired.site.as_str());
    put(&mut top, "region", desired.region.as_str());
    put(&mut top, "ownership", desired.ownership.as_str());
    if !desired.allowed_accounts.is_empty() {
        put(&mut top, "allowed_accounts", strings(&desired.allowed_accounts));
    }
    if !desired.rate_limits.is_empty() {
        let limits = desired.rate_limits.iter().map(|(action, limit)| (action.as_str().into(), (*limit).into()));
        put(&mut top, "rate_limits", Mapping::from_iter(limits));
    }
    for (key, value) in desired.bounds.to_json() {
        put(&mut top, key, from_json(&value));
    }
    put(&mut top, "token_ttl", duration(desired.token_ttl));
    put(&mut top, "visibility_grace", duration(desired.visibility_grace));
    if !desired.variables.is_empty() {
        put(&mut top, "variables", from_json(&json!(desired.variables)));
    }
    let instances = desired.instances.iter().map(|(address, wanted)| (address.to_string().into(), instance(wanted)));
    put(&mut top, "instances", Mapping::from_iter(instances));
    if !desired.outputs.is_empty() {
        let outputs = desired.outputs.iter().map(|(name, output)| (name.as_str().into(), from_json(&output.to_json())));
        put(&mut top, "outputs", Mapping::from_iter(outputs));
    }
    if !desired.moves.moved.is_empty() {
        let moved = desired.moves.moved.iter().map(|moved| {
            let entry = [("from".into(), moved.from.to_string().into()), ("to".into(), moved.to.to_string().into())];
            Value::Mapping(Mapping::from_iter(entry))
        });
        put(&mut top, "moved", moved.collect::<Vec<Value>>());
    }
    if !desired.moves.forget.is_empty() {
        let forget: Vec<String> = desired.moves.forget.iter().map(|(address, _)| address.to_string()).collect();
        put(&mut top, "forget", strings(&forget));
    }
    // Only strings, numbers, booleans, lists and maps with texts as keys: there is nothing that could not be written.
    serde_yaml::to_string(&top).unwrap_or_default()
}

fn from_json(value: &serde_json::Value) -> Value {
    // Whatever JSON can say, YAML can.
    serde_yaml::to_value(value).unwrap_or_default()
}

fn put(map: &mut Mapping, key: &str, value: impl Into<Value>) {
    map.insert(key.into(), value.into());
}

fn put_some(map: &mut Mapping, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        put(map, key, value);
    }
}

fn strings(texts: &[String]) -> Value {
    Value::Sequence(texts.iter().map(|text| text.as_str().into()).collect())
}

/// As the manifest writes durations, in the largest unit that is exact.
fn duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1000, "s")];
    let unit = units.into_iter().find(|(unit, _)| millis > 0 && millis.is_multiple_of(*unit));
    match unit {
        Some((unit, name)) => format!("{}{name}", millis / unit),
        None if millis == 0 => "0s".to_owned(),
        None => format!("{millis}ms"),
    }
}

fn instance(wanted: &DesiredInstance) -> Value {
    let InstanceSpec {
        bundle_id,
        blueprint_id,
        charge,
        instance_name,
        zones,
        login,
        containers,
        auto_voucher,
        tags,
        firewall_template_id,
        init_command,
        domain_name,
        subdomain,
    } = wanted.spec.as_ref();
    let mut map = Mapping::new();
    put(&mut map, "bundle_id", bundle_id.as_str());
    put(&mut map, "blueprint_id", blueprint_id.as_str());
    let charge_keys =
        [("period".into(), charge.period.into()), ("renew_flag".into(), charge.renew_flag.as_str().into())];
    put(&mut map, "charge", Mapping::from_iter(charge_keys));
    put(&mut map, "instance_name", instance_name.as_str());
    if !zones.is_empty() {
        put(&mut map, "zones", strings(zones));
    }
    if !wanted.depends_on.is_empty() {
        let names = wanted.depends_on.iter().map(|dependency| match dependency {
            DependencyRef::Block(block) => block.clone(),
            DependencyRef::Instance(address) => address.to_string(),
        });
        put(&mut map, "depends_on", strings(&names.collect::<Vec<_>>()));
    }
    if !tags.is_empty() {
        let tags = tags.iter().map(|(key, value)| (key.as_str().into(), value.as_str().into()));
        put(&mut map, "tags", Mapping::from_iter(tags));
    }
    if let Some(login) = login {
        let (key, value) = match login {
            Login::KeyIds(ids) => ("key_ids", strings(ids)),
            Login::Password(_) => ("password", PASSWORD_PLACEHOLDER.into()),
            Login::AutoGeneratePassword => ("auto_generate_password", true.into()),
        };
        put(&mut map, "login", Mapping::from_iter([(key.into(), value)]));
    }
    if !containers.is_empty() {
        put(&mut map, "containers", containers.iter().map(container).collect::<Vec<Value>>());
    }
    if let Some(command) = init_command {
        let mut inner = Mapping::new();
        put(&mut inner, "content", command.content.as_str());
        put_some(&mut inner, "timeout", command.timeout);
        put_some(&mut inner, "working_directory", command.working_directory.as_deref());
        put_some(&mut inner, "username", command.username.as_deref());
        put(&mut map, "init_command", inner);
    }
    put_some(&mut map, "firewall_template_id", firewall_template_id.as_deref());
    put(&mut map, "auto_voucher", *auto_voucher);
    put_some(&mut map, "domain_name", domain_name.as_deref());
    put_some(&mut map, "subdomain", subdomain.as_deref());
    put(&mut map, "protect", wanted.protect);
    if !wanted.ignore_changes.is_empty() {
        put(&mut map, "ignore_changes", strings(&wanted.ignore_changes));
    }
    put(&mut map, "replace", wanted.replace.as_str());
    put_some(&mut map, "power", wanted.power.map(Power::as_str));
    let timeouts =
        [("create", wanted.timeouts.create), ("update", wanted.timeouts.update), ("delete", wanted.timeouts.delete)];
    put(&mut map, "timeouts", Mapping::from_iter(timeouts.map(|(key, wait)| (key.into(), duration(wait).into()))));
    Value::Mapping(map)
}

fn container(container: &Container) -> Value {
    let Container { container_image, container_name, envs, publish_ports, volumes, command, restart_policy } =
        container;
    let mut map = Mapping::new();
    put(&mut map, "container_image", container_image.as_str());
    put_some(&mut map, "container_name", container_name.as_deref());
    if !envs.is_empty() {
        let envs = envs.iter().map(|(key, value)| {
            Value::Mapping(Mapping::from_iter([
                ("key".into(), key.as_str().into()),
                ("value".into(), value.as_str().into()),
            ]))
        });
        put(&mut map, "envs", envs.collect::<Vec<Value>>());
    }
    if !publish_ports.is_empty() {
        let ports = publish_ports.iter().map(|port| {
            let mut map = Mapping::new();
            put(&mut map, "host_port", port.host_port);
            put(&mut map, "container_port", port.container_port);
            put_some(&mut map, "ip", port.ip.as_deref());
            put_some(&mut map, "protocol", port.protocol.as_deref());
            Value::Mapping(map)
        });
        put(&mut map, "publish_ports", ports.collect::<Vec<Value>>());
    }
    if !volumes.is_empty() {
        let volumes = volumes.iter().map(|volume| {
            let mut map = Mapping::new();
            put(&mut map, "container_path", volume.container_path.as_str());
            put_some(&mut map, "host_path", volume.host_path.as_deref());
            Value::Mapping(map)
        });
        put(&mut map, "volumes", volumes.collect::<Vec<Value>>());
    }
    put_some(&mut map, "command", command.as_deref());
    put_some(&mut map, "restart_policy", restart_policy.as_deref());
    Value::Mapping(map)
}
