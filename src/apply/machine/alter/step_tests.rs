//! The bodies of all writes against the structure of the official API model.

use super::*;
use crate::cloud::port::Service;
use crate::desired;
use crate::manifest::{Given, Sources};
use crate::model::Address;
use crate::plan::request::wire_body;
use serde_json::Map;

/// For each write: optional parameters that are always sent, because what the service does without them is not what a plan
/// shows, or is not documented.
fn always_sent(action: WriteAction) -> &'static [&'static str] {
    match action {
        // Default true: attached data disks would be returned, too.
        WriteAction::IsolateInstances => &["IsolateDataDisk"],
        // Default true: attached data disks would be renewed and billed.
        WriteAction::RenewInstances => &["RenewDataDisk"],
        // No default is documented; the text of the action says that a running machine is shut down.
        WriteAction::AssociateInstancesKeyPairs => &["AssociateType"],
        WriteAction::DisassociateInstancesKeyPairs => &["DisassociateType"],
        // Defaults: one instance, a random zone, no voucher, manual renewal (sent as the manifest has it), no dry run.
        WriteAction::CreateInstances => &["ClientToken"],
        // No optional parameters, or defaults that do no harm: no voucher, the system's own user, soft before hard shutdown.
        WriteAction::TerminateInstances
        | WriteAction::ModifyInstancesAttribute
        | WriteAction::ModifyInstancesRenewFlag
        | WriteAction::ModifyInstancesBundle
        | WriteAction::ResetInstance
        | WriteAction::ResetInstancesPassword
        | WriteAction::StartInstances
        | WriteAction::StopInstances
        | WriteAction::ApplyFirewallTemplate
        | WriteAction::ModifyResourceTags => &[],
    }
}

/// Every attribute of an instance that goes into a request.
fn spec_with_everything() -> InstanceSpec {
    let text = "version: 1
stack: shop
region: ap-guangzhou
instances:
  web:
    bundle_id: bundle_rs_nmc_lin_med2_01
    blueprint_id: lhbp-f1lkcd41
    charge: { period: 1, renew_flag: NOTIFY_AND_AUTO_RENEW }
    zones: [ap-guangzhou-3]
    auto_voucher: true
    tags: { tier: front }
    login: { password: \"${env:PASSWORD}\" }
    firewall_template_id: lhft-abc12345
    domain_name: example.com
    subdomain: www
    init_command: { content: \"#!/bin/sh\", timeout: 60, working_directory: /root, username: root }
    containers:
      - container_image: nginx:1.27
        container_name: nginx
        command: run
        restart_policy: always
        envs: { A: b }
        publish_ports: [{ host_port: 80, container_port: 80, ip: 127.0.0.1, protocol: tcp }]
        volumes: [{ container_path: /data, host_path: /data }]
";
    let sources = Sources::from_texts([("lighthouse.yaml", text)]);
    let environment = |_: &str| Some("Long-enough-1".to_owned());
    let (desired, _, diagnostics) = desired::load_sources(sources, &Given::default(), &environment);
    let desired = desired.unwrap_or_else(|| panic!("{:?}", diagnostics.sorted()));
    let (_, instance) = desired.instances.into_iter().next().unwrap();
    InstanceSpec::clone(&instance.spec)
}

fn bodies(action: WriteAction) -> Vec<Value> {
    let ids = [InstanceId::from("lhins-1"), InstanceId::from("lhins-2")];
    let spec = spec_with_everything();
    let secret = Secret::new("Long-enough-1".to_owned());
    let parts = CallParts {
        ids: ids.iter().collect(),
        spec: Some(&spec),
        secret: Some(&secret),
        region: "ap-guangzhou",
        account: "1",
    };
    let keys = || vec!["lhkp-1".to_owned()];
    let of = |steps: &[Step]| steps.iter().map(|step| step.body(&parts)).collect();
    match action {
        WriteAction::CreateInstances => {
            let (body, address) = (create_body(&spec, 2), Address::indexed("web", 0));
            let token = "token".into();
            vec![wire_body(&body, &token, &"shop".into(), crate::model::Ownership::Tags, [&address], Some(&secret))]
        }
        WriteAction::IsolateInstances => vec![isolate_body(ids.iter())],
        WriteAction::TerminateInstances => vec![terminate_body(ids.iter())],
        WriteAction::ModifyInstancesAttribute => of(&[Step::Rename("a".into())]),
        WriteAction::ModifyInstancesRenewFlag => of(&[Step::RenewFlag("NOTIFY_AND_MANUAL_RENEW".into())]),
        WriteAction::ModifyInstancesBundle => {
            of(&[true, false].map(|voucher| Step::Upgrade { to: "b".into(), voucher }))
        }
        WriteAction::ResetInstance => of(&[true, false].map(|login| Step::Reinstall { to: "lhbp-1".into(), login })),
        WriteAction::ResetInstancesPassword => of(&[Step::Password("f".into())]),
        WriteAction::AssociateInstancesKeyPairs => {
            of(&[BindMode::Online, BindMode::Offline].map(|mode| Step::Bind { keys: keys(), mode }))
        }
        WriteAction::DisassociateInstancesKeyPairs => {
            of(&[BindMode::Online, BindMode::Offline].map(|mode| Step::Unbind { keys: keys(), mode }))
        }
        WriteAction::StartInstances => of(&[Step::Power(Power::Running)]),
        WriteAction::StopInstances => of(&[Step::Power(Power::Stopped)]),
        WriteAction::RenewInstances => of(&[true, false].map(|voucher| Step::Renew { months: 1, voucher })),
        WriteAction::ApplyFirewallTemplate => of(&[Step::Firewall("lhft-1".into())]),
        WriteAction::ModifyResourceTags => Vec::new(),
    }
}

fn model() -> Value {
    let text = include_str!("../../../../tests/fixtures/api/lighthouse-2020-03-24.api.json");
    serde_json::from_str(text).unwrap()
}

/// Compares an object with a class of the model: no unknown member, every required one, each of its type.
fn compare(model: &Value, class: &str, value: &Map<String, Value>, path: &str, wrong: &mut Vec<String>) {
    let members = model["objects"][class]["members"].as_array().unwrap_or_else(|| panic!("no class {class}"));
    let known = |name: &str| members.iter().find(|member| member["name"] == name);
    for member in members.iter().filter(|member| member["required"] == true) {
        let name = member["name"].as_str().unwrap();
        if !value.contains_key(name) {
            wrong.push(format!("{path}: {name} is required and missing"));
        }
    }
    for (name, value) in value {
        let path = format!("{path}.{name}");
        let Some(member) = known(name) else {
            wrong.push(format!("{path} is not in the model"));
            continue;
        };
        let (kind, class) = (member["type"].as_str().unwrap(), member["member"].as_str().unwrap());
        let values = match (kind, value) {
            ("list", Value::Array(values)) => values.iter().collect(),
            ("list", _) => {
                wrong.push(format!("{path} is not a list"));
                continue;
            }
            _ => vec![value],
        };
        for value in values {
            match (class, value) {
                ("string", Value::String(_)) | ("bool", Value::Bool(_)) => {}
                ("int64" | "uint64" | "int" | "integer", Value::Number(number))
                    if number.is_i64() || number.is_u64() => {}
                (_, Value::Object(map)) if !model["objects"][class].is_null() => {
                    compare(model, class, map, &path, wrong);
                }
                _ => wrong.push(format!("{path} is {value}, not {class}")),
            }
        }
    }
}

#[test]
fn every_write_is_a_request_of_the_model() {
    let model = model();
    for action in WriteAction::ALL {
        let bodies = bodies(*action);
        if action.service() != Service::Lighthouse {
            continue;
        }
        assert!(!bodies.is_empty(), "no sample of {action}");
        let class = model["actions"][action.name()]["input"].as_str().unwrap_or_else(|| panic!("{action}"));
        for body in bodies {
            let mut wrong = Vec::new();
            compare(&model, class, body.as_object().unwrap(), action.name(), &mut wrong);
            assert_eq!(wrong, Vec::<String>::new(), "{body:#}");
            for name in always_sent(*action) {
                assert!(!body[*name].is_null(), "{action} without {name}: {body:#}");
            }
        }
    }
}

#[test]
fn data_disks_are_left_alone() {
    assert_eq!(isolate_body([&"lhins-1".into()].into_iter())["IsolateDataDisk"], false);
    for body in bodies(WriteAction::RenewInstances) {
        assert_eq!(body["RenewDataDisk"], false);
    }
}

#[test]
fn a_running_machine_keeps_running_where_the_site_can_bind_online() {
    let live = |state: &str| ObservedInstance {
        id: "lhins-1".into(),
        attributes: Attributes { state: state.into(), ..Attributes::default() },
        operation_request_id: String::new(),
        operation_state: String::new(),
        platform: String::new(),
    };
    let running = live("RUNNING");
    for (site, live, shut_down, mode) in [
        (Site::China, Some(&running), false, BindMode::Online),
        (Site::China, Some(&running), true, BindMode::Offline),
        (Site::China, Some(&live("STOPPED")), false, BindMode::Offline),
        (Site::China, None, false, BindMode::Offline),
        (Site::International, Some(&running), false, BindMode::SiteHasNoMode),
    ] {
        assert_eq!(BindMode::choose(site, live, shut_down), mode, "{site:?} {shut_down}");
    }
}
