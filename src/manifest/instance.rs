//! Decodes what stands under the name of an instance, and `defaults`, which is the same.

use super::keys::{CHARGE, CONTAINER, ENVIRONMENT, INIT_COMMAND, INSTANCE, LOGIN, PUBLISH_PORT, TIMEOUTS, VOLUME};
use super::node::{Node, Scalar, ScalarKind, Value};
use super::read::Reader;
use super::schema::{
    Block, ChargeBlock, ContainerBlock, InitCommandBlock, LoginBlock, PasswordBlock, PublishPortBlock, Text,
    TextSource, TimeoutsBlock, VolumeBlock,
};
use crate::diag::{Diagnostic, Span, Spanned};
use crate::model::{Power, Replace};
use std::collections::BTreeMap;
use std::sync::Arc;

impl Reader<'_> {
    /// A block.
    pub(super) fn block(&mut self, node: &Node) -> Option<Block> {
        let mut block = Block::default();
        for (key, entry) in self.entries(node, &INSTANCE)? {
            let value = &entry.value;
            let place = if value.scalar().is_some() { value.span } else { entry.key_span };
            Arc::make_mut(&mut block.places).insert(key, place);
            match key {
                "bundle_id" => block.bundle_id = self.text(value),
                "blueprint_id" => block.blueprint_id = self.text(value),
                "charge" => block.charge = self.charge(value, Arc::make_mut(&mut block.places)),
                "instance_name" => block.instance_name = self.text(value),
                "zones" => block.zones = self.list(value, Reader::text),
                "count" => block.count = self.number(value),
                // Its keys are what the block is decoded for: that is for `blocks`.
                "for_each" => {}
                "depends_on" => block.depends_on = self.list(value, Reader::text),
                "tags" => block.tags = self.texts_by_key(value),
                "login" => block.login = self.login(value),
                "containers" => block.containers = self.list(value, Reader::container),
                "init_command" => block.init_command = self.init_command(value),
                "firewall_template_id" => block.firewall_template_id = self.text(value),
                "auto_voucher" => block.auto_voucher = self.boolean(value),
                "domain_name" => block.domain_name = self.text(value),
                "subdomain" => block.subdomain = self.text(value),
                "protect" => block.protect = self.boolean(value),
                "ignore_changes" => block.ignore_changes = self.list(value, Reader::text),
                "replace" => block.replace = self.word(value, "an order of replacement", &Replace::ALL),
                "power" => block.power = self.word(value, "a state of power", &Power::ALL),
                "timeouts" => block.timeouts = self.timeouts(value),
                _ => unknown(key),
            }
        }
        Some(block)
    }

    fn charge(&mut self, node: &Node, places: &mut BTreeMap<&'static str, Span>) -> ChargeBlock {
        let mut charge = ChargeBlock::default();
        for (key, entry) in self.entries(node, &CHARGE).unwrap_or_default() {
            match key {
                "period" => {
                    places.insert("charge.period", entry.value.span);
                    charge.period = self.integer(&entry.value);
                }
                "renew_flag" => charge.renew_flag = self.text(&entry.value),
                _ => unknown(key),
            }
        }
        charge
    }

    fn login(&mut self, node: &Node) -> Option<LoginBlock> {
        let mut login = LoginBlock::default();
        for (key, entry) in self.entries(node, &LOGIN)? {
            let (value, span) = (&entry.value, entry.key_span);
            match key {
                "key_ids" => {
                    login.key_ids = self.list(value, Reader::text).map(|value| Spanned { value, span });
                }
                "password" => login.password = Some(Spanned { value: self.password(value, span), span }),
                "auto_generate_password" => {
                    login.auto_generate_password = self.boolean(value).map(|value| Spanned { value, span });
                }
                _ => unknown(key),
            }
        }
        Some(login)
    }

    /// Where a password comes from. No message may repeat what is written here.
    fn password(&mut self, node: &Node, key_span: Span) -> PasswordBlock {
        if matches!(node.value, Value::Map(_)) {
            return self.file(node).map_or(PasswordBlock::Refused, PasswordBlock::File);
        }
        if node.scalar().is_some_and(|scalar| scalar.kind == ScalarKind::Refused) {
            return PasswordBlock::Refused;
        }
        if let Some(Scalar { text, kind: ScalarKind::String, quoted, verbatim: false, .. }) = node.scalar()
            && let Some(name) = text.strip_prefix("${env:").and_then(|rest| rest.strip_suffix('}'))
            && is_variable_name(name)
        {
            let text = Text { value: name.to_owned(), span: node.span, quoted: *quoted, verbatim: true };
            return PasswordBlock::Environment(text);
        }
        self.diagnostics.push(
            Diagnostic::error("literal-password", "a password may not stand in a manifest")
                .at(key_span)
                .label("it has to come from somewhere else")
                .help("take it from the environment: `password: \"${env:NAME}\"`")
                .help("or from a file: `password: {file: PATH}`"),
        );
        PasswordBlock::Refused
    }

    fn container(&mut self, node: &Node) -> Option<ContainerBlock> {
        let mut container = ContainerBlock {
            span: node.span,
            container_image: None,
            container_name: None,
            envs: Vec::new(),
            publish_ports: Vec::new(),
            volumes: Vec::new(),
            command: None,
            restart_policy: None,
        };
        let entries = self.entries(node, &CONTAINER)?;
        if entries.iter().all(|(key, _)| *key != "container_image") {
            self.missing(node.span, "container_image", &CONTAINER);
        }
        for (key, entry) in entries {
            let value = &entry.value;
            match key {
                "container_image" => container.container_image = self.text(value),
                "container_name" => container.container_name = self.text(value),
                "envs" => container.envs = self.environment(value),
                "publish_ports" => container.publish_ports = self.list(value, Reader::port).unwrap_or_default(),
                "volumes" => container.volumes = self.list(value, Reader::volume).unwrap_or_default(),
                "command" => container.command = self.text_source(value),
                "restart_policy" => container.restart_policy = self.text(value),
                _ => unknown(key),
            }
        }
        Some(container)
    }

    /// `envs`: the API's list of `{key, value}`, or the map that everybody writes first.
    fn environment(&mut self, node: &Node) -> Vec<(Text, Text)> {
        if matches!(node.value, Value::Map(_)) {
            return self.texts_by_key(node).unwrap_or_default();
        }
        self.list(node, |reader, node| {
            let (mut name, mut text) = (None, None);
            for (key, entry) in reader.entries(node, &ENVIRONMENT)? {
                let read = reader.text(&entry.value)?;
                if key == "key" { name = Some(read) } else { text = Some(read) }
            }
            for (key, missing) in [("key", name.is_none()), ("value", text.is_none())] {
                if missing {
                    reader.missing(node.span, key, &ENVIRONMENT);
                }
            }
            Some((name?, text?))
        })
        .unwrap_or_default()
    }

    fn port(&mut self, node: &Node) -> Option<PublishPortBlock> {
        let mut port = PublishPortBlock { host_port: None, container_port: None, ip: None, protocol: None };
        let entries = self.entries(node, &PUBLISH_PORT)?;
        for key in ["host_port", "container_port"] {
            if entries.iter().all(|(known, _)| *known != key) {
                self.missing(node.span, key, &PUBLISH_PORT);
            }
        }
        for (key, entry) in entries {
            match key {
                "host_port" => port.host_port = self.integer(&entry.value),
                "container_port" => port.container_port = self.integer(&entry.value),
                "ip" => port.ip = self.text(&entry.value),
                "protocol" => port.protocol = self.text(&entry.value),
                _ => unknown(key),
            }
        }
        Some(port)
    }

    fn volume(&mut self, node: &Node) -> Option<VolumeBlock> {
        let mut volume = VolumeBlock { container_path: None, host_path: None };
        let entries = self.entries(node, &VOLUME)?;
        if entries.iter().all(|(key, _)| *key != "container_path") {
            self.missing(node.span, "container_path", &VOLUME);
        }
        for (key, entry) in entries {
            match key {
                "container_path" => volume.container_path = self.text(&entry.value),
                "host_path" => volume.host_path = self.text(&entry.value),
                _ => unknown(key),
            }
        }
        Some(volume)
    }

    /// `init_command`: the script, `{file: PATH}`, or either with how to run it.
    fn init_command(&mut self, node: &Node) -> Option<InitCommandBlock> {
        let mut command = InitCommandBlock { content: None, timeout: None, working_directory: None, username: None };
        if !matches!(node.value, Value::Map(_)) {
            command.content = Some(TextSource::Inline(self.text(node)?));
            return Some(command);
        }
        let entries = self.entries(node, &INIT_COMMAND)?;
        let sources: Vec<_> = entries.iter().filter(|(key, _)| matches!(*key, "content" | "file")).collect();
        match sources[..] {
            [] => self.diagnostics.push(
                Diagnostic::error("missing-key", "`content` is missing in `init_command`")
                    .at(node.span)
                    .help("write the script as `content: |`, or name its file: `file: PATH`"),
            ),
            [(_, first), (_, second), ..] => self.diagnostics.push(
                Diagnostic::error("init-command-source", "`init_command` has two scripts")
                    .at(second.key_span)
                    .label("this one, or")
                    .related(first.key_span, "this one"),
            ),
            [_] => {}
        }
        for (key, entry) in entries {
            let value = &entry.value;
            match key {
                "content" => command.content = self.text_source(value),
                "file" => command.content = self.text(value).map(TextSource::File),
                "timeout" => command.timeout = self.integer(value),
                "working_directory" => command.working_directory = self.text(value),
                "username" => command.username = self.text(value),
                _ => unknown(key),
            }
        }
        Some(command)
    }

    fn timeouts(&mut self, node: &Node) -> TimeoutsBlock {
        let mut timeouts = TimeoutsBlock::default();
        for (key, entry) in self.entries(node, &TIMEOUTS).unwrap_or_default() {
            match key {
                "create" => timeouts.create = self.duration(&entry.value),
                "update" => timeouts.update = self.duration(&entry.value),
                "delete" => timeouts.delete = self.duration(&entry.value),
                _ => unknown(key),
            }
        }
        timeouts
    }
}

/// A key that `keys` lists has to be decoded where it is listed. A slip of ours, which a test over all keys would meet.
pub(super) fn unknown(key: &str) {
    debug_assert!(false, "the key `{key}` is listed and not decoded");
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}
