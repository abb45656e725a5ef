//! The body of a CreateInstances request: canonical, without token and ownership tags, secrets replaced by a marker; and
//! the text that finally goes out.

use crate::cloud::types::{TAG_BATCH, TAG_STACK};
use crate::model::{
    Address, ClientToken, Container, InitCommand, InstanceSpec, Login, Ownership, Secret, StackName, batch_tag,
};
use base64::Engine as _;
use serde_json::{Map, Value, json};

/// Stands for a secret in bodies that are hashed, journalled and shown.
const SECRET_MARKER: &str = "\u{1}lhprov:secret";

/// The body for `count` instances of `spec`, the request carrying `spec`'s name.
pub fn create_body(spec: &InstanceSpec, count: usize) -> Value {
    let mut body = Map::new();
    body.insert("BundleId".into(), json!(spec.bundle_id));
    body.insert("BlueprintId".into(), json!(spec.blueprint_id));
    body.insert(
        "InstanceChargePrepaid".into(),
        json!({"Period": spec.charge.period, "RenewFlag": spec.charge.renew_flag.as_str()}),
    );
    body.insert("InstanceName".into(), json!(spec.instance_name));
    body.insert("InstanceCount".into(), json!(count));
    if !spec.zones.is_empty() {
        body.insert("Zones".into(), json!(spec.zones));
    }
    match &spec.login {
        None => {}
        Some(Login::KeyIds(ids)) => drop(body.insert("LoginConfiguration".into(), json!({"KeyIds": ids}))),
        Some(Login::Password(_)) => {
            // With `NO` the service wants a password of the caller (API model).
            let login = json!({"AutoGeneratePassword": "NO", "Password": SECRET_MARKER});
            drop(body.insert("LoginConfiguration".into(), login));
        }
        Some(Login::AutoGeneratePassword) => {
            drop(body.insert("LoginConfiguration".into(), json!({"AutoGeneratePassword": "YES"})));
        }
    }
    if !spec.containers.is_empty() {
        body.insert("Containers".into(), spec.containers.iter().map(container).collect());
    }
    if spec.auto_voucher {
        body.insert("AutoVoucher".into(), json!(true));
    }
    if !spec.tags.is_empty() {
        body.insert("Tags".into(), spec.tags.iter().map(|(key, value)| json!({"Key": key, "Value": value})).collect());
    }
    if let Some(command) = &spec.init_command {
        body.insert("InitCommand".into(), init_command(command));
    }
    for (key, value) in [
        ("FirewallTemplateId", &spec.firewall_template_id),
        ("DomainName", &spec.domain_name),
        ("Subdomain", &spec.subdomain),
    ] {
        if let Some(value) = value {
            body.insert(key.into(), json!(value));
        }
    }
    Value::Object(body)
}

fn container(container: &Container) -> Value {
    let mut map = Map::new();
    map.insert("ContainerImage".into(), json!(container.container_image));
    for (key, value) in [
        ("ContainerName", &container.container_name),
        ("Command", &container.command),
        ("RestartPolicy", &container.restart_policy),
    ] {
        if let Some(value) = value {
            map.insert(key.into(), json!(value));
        }
    }
    if !container.envs.is_empty() {
        let envs = container.envs.iter().map(|(key, value)| json!({"Key": key, "Value": value}));
        map.insert("Envs".into(), envs.collect());
    }
    if !container.publish_ports.is_empty() {
        let ports = container.publish_ports.iter().map(|port| {
            let mut map = Map::new();
            map.insert("HostPort".into(), json!(port.host_port));
            map.insert("ContainerPort".into(), json!(port.container_port));
            for (key, value) in [("Ip", &port.ip), ("Protocol", &port.protocol)] {
                if let Some(value) = value {
                    map.insert(key.into(), json!(value));
                }
            }
            Value::Object(map)
        });
        map.insert("PublishPorts".into(), ports.collect());
    }
    if !container.volumes.is_empty() {
        let volumes = container.volumes.iter().map(|volume| {
            let mut map = Map::new();
            map.insert("ContainerPath".into(), json!(volume.container_path));
            if let Some(path) = &volume.host_path {
                map.insert("HostPath".into(), json!(path));
            }
            Value::Object(map)
        });
        map.insert("Volumes".into(), volumes.collect());
    }
    Value::Object(map)
}

fn init_command(command: &InitCommand) -> Value {
    let mut map = Map::new();
    let content = base64::engine::general_purpose::STANDARD.encode(&command.content);
    map.insert("Content".into(), json!(content));
    if let Some(timeout) = command.timeout {
        map.insert("Timeout".into(), json!(timeout));
    }
    for (key, value) in [("WorkingDirectory", &command.working_directory), ("Username", &command.username)] {
        if let Some(value) = value {
            map.insert(key.into(), json!(value));
        }
    }
    Value::Object(map)
}

/// What goes out: the body with its token, its ownership tags and its secret. The same arguments give the same bytes once
/// it is written canonically, so a repetition sends exactly what was sent before.
pub fn wire_body<'a>(
    body: &Value,
    token: &ClientToken,
    stack: &StackName,
    ownership: Ownership,
    members: impl IntoIterator<Item = &'a Address>,
    secret: Option<&Secret>,
) -> Value {
    let mut body = body.clone();
    let map = body.as_object_mut().expect("a request body is an object");
    map.insert("ClientToken".into(), json!(token));
    if ownership == Ownership::Tags {
        let tags = map.entry("Tags").or_insert_with(|| json!([]));
        if let Value::Array(tags) = tags {
            tags.push(json!({"Key": TAG_BATCH, "Value": batch_tag(token, members)}));
            tags.push(json!({"Key": TAG_STACK, "Value": stack}));
        }
    }
    if let Some(secret) = secret
        && let Some(password) = map.get_mut("LoginConfiguration").and_then(|login| login.get_mut("Password"))
    {
        *password = json!(secret.expose());
    }
    body
}

/// A request as a dry run: without its token, so that nothing the service keeps for the token can answer it.
pub fn dry_run(mut body: Value) -> Value {
    let map = body.as_object_mut().expect("a request body is an object");
    map.remove("ClientToken");
    map.insert("DryRun".into(), json!(true));
    body
}

/// The value of the `lhprov-batch` tag.
pub fn batch_tag<'a>(token: &ClientToken, members: impl IntoIterator<Item = &'a Address>) -> String {
    batch_tag::encode(token.short(), members)
}
