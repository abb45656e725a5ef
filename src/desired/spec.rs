//! One instance of a block: `${…}` worked out, files and environment read, values checked.

use super::check;
use super::expand::Context;
use super::problems::Problems;
use crate::diag::{Diagnostic, SourceId, Span};
use crate::manifest::node::{Node, ScalarKind, Value};
use crate::manifest::schema::{
    Block, ContainerBlock, InitCommandBlock, Integer, LoginBlock, PasswordBlock, Text, TextSource,
};
use crate::manifest::template::{Name, Nameless, Part, name, parts};
use crate::manifest::{each_value, no_each};
use crate::model::instance::{PublishPort, Volume};
use crate::model::tag::AT_CREATION_MAX;
use crate::model::{Charge, Container, InitCommand, InstanceSpec, Login, Ownership, RenewFlag, Secret, Site};
use std::collections::BTreeMap;

/// `lhprov-stack` and `lhprov-batch`.
const OWNERSHIP_TAGS: usize = 2;

/// What comes from outside of the manifest.
pub struct Inputs<'a> {
    /// A variable of the environment.
    pub environment: &'a dyn Fn(&str) -> Option<String>,
    /// The text of a file that a manifest names, relative to that manifest; the error says why not, as a fragment.
    pub read_file: &'a dyn Fn(SourceId, &str) -> Result<String, String>,
    /// `read_file` for a file that holds a password.
    pub read_secret: &'a dyn Fn(SourceId, &str) -> Result<String, String>,
}

/// Where a value stands: which block, and which instance of it.
pub(super) struct Scope<'a> {
    pub(super) context: &'a Context<'a>,
    pub(super) block: &'a str,
    pub(super) place: Place<'a>,
}

/// Which instance of a block.
#[derive(Clone, Copy)]
pub(super) enum Place<'a> {
    /// The only one.
    Single,
    /// One of `count`.
    Index(u32),
    /// One of `for_each`: key and value.
    Key(&'a str, &'a Node),
    /// None: a value for the whole stack.
    Stack,
}

impl Scope<'_> {
    /// The spec of the instance, and whether all but its name is the same for every instance of the block; none if something that
    /// it must have is missing or wrong, which is reported.
    pub(super) fn spec(
        &self,
        block_name: &Text,
        block: &Block,
        problems: &mut Problems<'_>,
    ) -> Option<(InstanceSpec, bool)> {
        self.context.place_was_named.set(false);
        self.refuse_what_the_site_lacks(block, problems);
        let bundle_id =
            self.required_id("bundle_id", "a bundle", block_name, (block.bundle_id.as_ref(), block), problems);
        let blueprint_id =
            self.required_id("blueprint_id", "a blueprint", block_name, (block.blueprint_id.as_ref(), block), problems);
        let charge = self.charge(block_name, block, problems);
        let zones = self.zones(block, problems);
        let tags = self.tags(block, problems);
        let login = block.login.as_ref().and_then(|login| self.login(login, problems));
        let containers =
            block.containers.iter().flatten().filter_map(|container| self.container(container, problems)).collect();
        let init_command = block.init_command.as_ref().and_then(|command| self.init_command(command, block, problems));
        let firewall_template_id =
            self.optional_id("a firewall template", block.firewall_template_id.as_ref(), problems);
        let domain_name = self.optional_id("a domain", block.domain_name.as_ref(), problems);
        let subdomain = self.optional_id("a sub domain", block.subdomain.as_ref(), problems);
        let is_common = !self.context.place_was_named.get();
        let instance_name = self.instance_name(block_name, block, problems);
        let spec = InstanceSpec {
            bundle_id: bundle_id?,
            blueprint_id: blueprint_id?,
            charge: charge?,
            instance_name,
            zones,
            login,
            containers,
            auto_voucher: block.auto_voucher.unwrap_or(false),
            tags,
            firewall_template_id,
            init_command,
            domain_name,
            subdomain,
        };
        Some((spec, is_common))
    }

    fn required_id(
        &self,
        key: &'static str,
        what: &str,
        block_name: &Text,
        (text, block): (Option<&Text>, &Block),
        problems: &mut Problems<'_>,
    ) -> Option<String> {
        let Some(text) = text else {
            // What is there and could not be read was reported.
            if block.places.contains_key(key) {
                return None;
            }
            self.missing(key, key, block_name, problems);
            return None;
        };
        let value = self.text(text, problems)?;
        check::id(problems, what, text.span, &value);
        Some(value)
    }

    /// Reports a required key that neither the block nor `defaults` has. A block may lack several, so each has a code.
    fn missing(&self, code: &'static str, key: &str, block_name: &Text, problems: &mut Problems<'_>) {
        let code = match code {
            "bundle_id" => "missing-bundle-id",
            "blueprint_id" => "missing-blueprint-id",
            _ => "missing-period",
        };
        problems.push(
            Diagnostic::error(code, format!("`{}` has no `{key}`", self.block))
                .at(block_name.span)
                .help(format!("write `{key}` here or under `defaults`")),
        );
    }

    fn optional_id(&self, what: &str, text: Option<&Text>, problems: &mut Problems<'_>) -> Option<String> {
        let text = text?;
        let value = self.text(text, problems)?;
        check::id(problems, what, text.span, &value);
        Some(value)
    }

    fn charge(&self, block_name: &Text, block: &Block, problems: &mut Problems<'_>) -> Option<Charge> {
        let renew_flag = match &block.charge.renew_flag {
            None => RenewFlag::default(),
            Some(text) => {
                let text = self.resolved(text, problems)?;
                check::renew_flag(problems, &text).unwrap_or_default()
            }
        };
        let Some(period) = &block.charge.period else {
            // A period that could not be read was reported.
            if block.places.contains_key("charge.period") {
                return None;
            }
            self.missing("period", "charge: {period: …}", block_name, problems);
            return None;
        };
        let (months, span) = self.integer(period, problems)?;
        Some(Charge { period: check::period(problems, span, months)?, renew_flag })
    }

    /// Its display name.
    pub(super) fn instance_name(&self, block_name: &Text, block: &Block, problems: &mut Problems<'_>) -> String {
        let (name, span) = match &block.instance_name {
            Some(text) => match self.text(text, problems) {
                Some(name) => (name, text.span),
                None => return String::new(),
            },
            None => {
                let name = &block_name.value;
                let name = match self.place {
                    Place::Single | Place::Stack => name.clone(),
                    Place::Index(index) => format!("{name}-{index}"),
                    Place::Key(key, _) => format!("{name}-{key}"),
                };
                (name, block_name.span)
            }
        };
        // A name that stems from an empty key was reported as the key.
        if block.instance_name.is_some() || !block_name.value.is_empty() {
            check::instance_name(problems, span, &name);
        }
        name
    }

    fn zones(&self, block: &Block, problems: &mut Problems<'_>) -> Vec<String> {
        let region = self.context.region.as_deref();
        let mut zones = Vec::new();
        for text in block.zones.iter().flatten() {
            let Some(zone) = self.resolved(text, problems) else { continue };
            check::zone(problems, region, &zone, &zones);
            zones.push(zone.value);
        }
        zones
    }

    fn tags(&self, block: &Block, problems: &mut Problems<'_>) -> BTreeMap<String, String> {
        let mut tags = BTreeMap::new();
        for (key, text) in block.tags.iter().flatten() {
            let Some(value) = self.text(text, problems) else { continue };
            check::tag(problems, key, text.span, &value);
            tags.insert(key.value.clone(), value);
        }
        let tags_max = match self.context.ownership {
            Ownership::Tags => AT_CREATION_MAX - OWNERSHIP_TAGS,
            Ownership::Name => AT_CREATION_MAX,
        };
        if tags.len() > tags_max
            && let Some(span) = block.places.get("tags")
        {
            let diagnostic = Diagnostic::error("tags", format!("an instance takes at most {tags_max} tags here"))
                .at(*span)
                .label(format!("{} with those of `defaults`", tags.len()));
            problems.push(if tags_max < AT_CREATION_MAX {
                diagnostic.detail(format!(
                    "The service takes {AT_CREATION_MAX}, and lhprov sets {OWNERSHIP_TAGS} of its own."
                ))
            } else {
                diagnostic
            });
        }
        tags
    }

    fn login(&self, login: &LoginBlock, problems: &mut Problems<'_>) -> Option<Login> {
        let mut ways: Vec<(&str, Span)> = Vec::new();
        ways.extend(login.key_ids.as_ref().map(|ids| ("key_ids", ids.span)));
        ways.extend(login.password.as_ref().map(|password| ("password", password.span)));
        let generated = login.auto_generate_password.as_ref().filter(|generate| generate.value);
        ways.extend(generated.map(|generate| ("auto_generate_password", generate.span)));
        if let [(first, first_span), (second, second_span), ..] = ways[..] {
            problems.push(
                Diagnostic::error("login", format!("`{first}` and `{second}` exclude one another"))
                    .at(second_span)
                    .label("this, or")
                    .related(first_span, "this")
                    .help("the service takes one way of logging in; keep one"),
            );
        }
        if let Some(ids) = &login.key_ids {
            let read = ids.value.iter().filter_map(|text| Some((self.text(text, problems)?, text.span)));
            let read: Vec<(String, Span)> = read.collect();
            check::key_ids(problems, ids.span, &read);
            return Some(Login::KeyIds(read.into_iter().map(|(id, _)| id).collect()));
        }
        if let Some(password) = &login.password {
            return self.password(&password.value, problems).map(Login::Password);
        }
        generated.map(|_| Login::AutoGeneratePassword)
    }

    fn password(&self, password: &PasswordBlock, problems: &mut Problems<'_>) -> Option<Secret> {
        let (secret, span) = match password {
            PasswordBlock::Refused => return None,
            PasswordBlock::Environment(variable) => {
                let Some(text) = (self.context.inputs.environment)(&variable.value) else {
                    problems.push(
                        Diagnostic::error("environment", format!("the environment has no `{}`", variable.value))
                            .at(variable.span)
                            .help(format!("set it before running lhprov: export {}=…", variable.value)),
                    );
                    return None;
                };
                (Secret::new(text), variable.span)
            }
            PasswordBlock::File(path) => {
                let text = self.file(path, self.context.inputs.read_secret, problems)?;
                // Editors end a file with a line break, which is no part of the password.
                let line = text.strip_suffix('\n').unwrap_or(&text);
                (Secret::new(line.strip_suffix('\r').unwrap_or(line)), path.span)
            }
        };
        check::password(problems, span, secret.expose());
        Some(secret)
    }

    fn container(&self, block: &ContainerBlock, problems: &mut Problems<'_>) -> Option<Container> {
        let mut envs = Vec::new();
        for (key, value) in &block.envs {
            envs.extend(self.text(value, problems).map(|value| (key.value.clone(), value)));
        }
        let mut publish_ports = Vec::new();
        for port in &block.publish_ports {
            let mut number = |port: &Option<Integer>| {
                let (port, span) = self.integer(port.as_ref()?, problems)?;
                check::port(problems, span, port)
            };
            let (host_port, container_port) = (number(&port.host_port), number(&port.container_port));
            let protocol = port.protocol.as_ref().and_then(|text| self.resolved(text, problems));
            if let Some(protocol) = &protocol {
                check::protocol(problems, protocol);
            }
            let ip = port.ip.as_ref().and_then(|text| self.text(text, problems));
            if let (Some(host_port), Some(container_port)) = (host_port, container_port) {
                let protocol = protocol.map(|protocol| protocol.value);
                publish_ports.push(PublishPort { host_port, container_port, ip, protocol });
            }
        }
        let mut volumes = Vec::new();
        for volume in &block.volumes {
            let host_path = volume.host_path.as_ref().and_then(|text| self.text(text, problems));
            let container_path = volume.container_path.as_ref().and_then(|text| self.text(text, problems));
            volumes.extend(container_path.map(|container_path| Volume { container_path, host_path }));
        }
        let restart_policy = block.restart_policy.as_ref().and_then(|text| self.resolved(text, problems));
        if let Some(policy) = &restart_policy {
            check::restart_policy(problems, policy);
        }
        let container_image = block.container_image.as_ref().and_then(|text| {
            let image = self.text(text, problems)?;
            check::id(problems, "an image", text.span, &image);
            Some(image)
        });
        let container_name = block.container_name.as_ref().and_then(|text| self.text(text, problems));
        let command = block.command.as_ref().and_then(|command| self.source(command, problems)).map(|(text, _)| text);
        Some(Container {
            container_image: container_image?,
            container_name,
            envs,
            publish_ports,
            volumes,
            command,
            restart_policy: restart_policy.map(|policy| policy.value),
        })
    }

    fn init_command(
        &self,
        block: &InitCommandBlock,
        whole: &Block,
        problems: &mut Problems<'_>,
    ) -> Option<InitCommand> {
        let timeout = block.timeout.as_ref().and_then(|timeout| {
            let (seconds, span) = self.integer(timeout, problems)?;
            check::init_command_timeout(problems, span, seconds)
        });
        let working_directory = block.working_directory.as_ref().and_then(|text| self.text(text, problems));
        let username = block.username.as_ref().and_then(|text| self.text(text, problems));
        let (content, span) = self.source(block.content.as_ref()?, problems)?;
        let command = InitCommand { content, timeout, working_directory, username };
        // A script is long: its key is the better place.
        check::init_command(problems, whole.places.get("init_command").copied().unwrap_or(span), &command);
        Some(command)
    }

    /// A text, or the text of a file, which is taken as it is.
    fn source(&self, source: &TextSource, problems: &mut Problems<'_>) -> Option<(String, Span)> {
        match source {
            TextSource::Inline(text) => Some((self.text(text, problems)?, text.span)),
            TextSource::File(path) => Some((self.file(path, self.context.inputs.read_file, problems)?, path.span)),
        }
    }

    fn file(
        &self,
        path: &Text,
        read: &dyn Fn(SourceId, &str) -> Result<String, String>,
        problems: &mut Problems<'_>,
    ) -> Option<String> {
        let name = self.text(path, problems)?;
        match read(path.span.source, &name) {
            Ok(text) => Some(text),
            Err(why) => {
                problems.push(
                    Diagnostic::error("file", format!("cannot read `{name}`: {why}"))
                        .at(path.span)
                        .detail("A relative path starts at the folder of the manifest that names it."),
                );
                None
            }
        }
    }

    /// A text with its `${…}` worked out, still with its place.
    pub(super) fn resolved(&self, text: &Text, problems: &mut Problems<'_>) -> Option<Text> {
        Some(Text { value: self.text(text, problems)?, ..text.clone() })
    }

    /// A text with its `${…}` worked out.
    pub(super) fn text(&self, text: &Text, problems: &mut Problems<'_>) -> Option<String> {
        if text.verbatim || !text.value.contains("${") {
            return Some(text.value.clone());
        }
        let parts = parts(&text.value);
        let mut whole = String::new();
        let mut good = true;
        for part in &parts {
            match part {
                Part::Literal(literal) => whole.push_str(literal),
                Part::Unclosed(_) => {
                    let diagnostic = Diagnostic::error("interpolation", "this `${` is never closed")
                        .help("close it with `}`, or write `$${` for a literal `${`");
                    problems.push_distinct(in_text(diagnostic, text, "${"), "unclosed");
                    good = false;
                }
                Part::Expression(expression) => match self.name(expression, text, problems) {
                    Some(Name::CountIndex) if parts.len() == 1 && !text.quoted => {
                        problems.push(
                            Diagnostic::error("wrong-type", "expected a string, found a number")
                                .at(text.span)
                                .help(format!("write it in quotes: \"{}\"", text.value)),
                        );
                        good = false;
                    }
                    Some(named) => match self.piece(&named) {
                        Ok(piece) => whole.push_str(&piece),
                        Err(diagnostic) => {
                            if let Some(diagnostic) = diagnostic {
                                problems.push_distinct(in_text(diagnostic, text, expression), expression);
                            }
                            good = false;
                        }
                    },
                    None => good = false,
                },
            }
        }
        good.then_some(whole)
    }

    /// What a name stands for inside of a text. An error without a diagnostic was reported where the value is made.
    #[expect(clippy::result_large_err, reason = "an error is rare, and is reported at once")]
    fn piece(&self, named: &Name) -> Result<String, Option<Diagnostic>> {
        let of_variables;
        if matches!(named, Name::CountIndex | Name::EachKey | Name::EachValue(_)) {
            self.context.place_was_named.set(true);
        }
        let (node, what) = match (named, self.place) {
            (Name::Stack, _) => return Ok(self.context.stack.clone().unwrap_or_default()),
            (Name::CountIndex, Place::Index(index)) => return Ok(index.to_string()),
            (Name::EachKey, Place::Key(key, _)) => return Ok(key.to_owned()),
            (Name::EachValue(steps), Place::Key(_, value)) => (each_value(value, steps)?, "each.value"),
            (Name::Variable(name, steps), _) => {
                of_variables = format!("var.{name}");
                (self.context.variables.look_up(name, steps)?, of_variables.as_str())
            }
            // The others were refused by their place.
            _ => return Err(None),
        };
        match &node.value {
            Value::Scalar(scalar) if scalar.kind == ScalarKind::Refused => Err(None),
            Value::Scalar(scalar) if scalar.kind != ScalarKind::Null => Ok(scalar.text.clone()),
            _ => Err(Some(
                Diagnostic::error(
                    "wrong-type",
                    format!("`{what}` is {}, which cannot be part of a text", node.describe()),
                )
                .help("name something in it, such as `.name` or `[0]`"),
            )),
        }
    }

    /// A whole number and its place.
    fn integer(&self, integer: &Integer, problems: &mut Problems<'_>) -> Option<(i128, Span)> {
        match integer {
            Integer::Literal(number) => Some((number.value, number.span)),
            Integer::Expression(text) => {
                if let [Part::Expression(expression)] = parts(&text.value)[..]
                    && let (Name::CountIndex, Place::Index(index)) =
                        (self.name(expression, text, problems)?, self.place)
                {
                    self.context.place_was_named.set(true);
                    return Some((index.into(), text.span));
                }
                problems.error("wrong-type", text.span, "expected a whole number, found a string");
                None
            }
        }
    }

    /// What an expression names, where that exists here.
    pub(super) fn name(&self, expression: &str, text: &Text, problems: &mut Problems<'_>) -> Option<Name> {
        let diagnostic = match name(expression) {
            Ok(Name::CountIndex) if !matches!(self.place, Place::Index(_)) => {
                Diagnostic::error("interpolation", "there is no `count.index` without `count`").help(match self.place {
                    Place::Stack => "this value is for the whole stack",
                    _ => "give this block a `count`, or write the value itself",
                })
            }
            Ok(Name::EachKey | Name::EachValue(_)) if !matches!(self.place, Place::Key(..)) => no_each(),
            Ok(Name::Instances(..)) => Diagnostic::error("interpolation", "`${instances.…}` is for `outputs` only")
                .detail("What an instance gets from the cloud is known when it runs, and this has to be known before."),
            Ok(name) => return Some(name),
            Err(Nameless::Environment) => Diagnostic::error("interpolation", "`${env:…}` is for passwords only")
                .detail(
                    "What the environment says would make the same manifest mean something else on another machine.",
                )
                .help("declare a variable: LHPROV_VAR_x sets `${var.x}`"),
            Err(Nameless::Unknown(near)) => {
                let diagnostic =
                    Diagnostic::error("interpolation", format!("`${{{expression}}}` is nothing that lhprov knows"));
                let diagnostic = match near {
                    Some(near) => diagnostic.label(format!("did you mean `${{{near}}}`?")),
                    None => diagnostic.help(
                        "there are `${var.x}`, `${each.key}`, `${each.value.x}`, `${count.index}` and `${stack}`",
                    ),
                };
                diagnostic.help("a literal `${` is written `$${`")
            }
        };
        problems.push_distinct(in_text(diagnostic, text, expression), expression);
        None
    }

    fn refuse_what_the_site_lacks(&self, block: &Block, problems: &mut Problems<'_>) {
        if block.count.is_some() {
            for key in ["domain_name", "subdomain"] {
                if let Some(span) = block.places.get(key) {
                    problems.push(
                        Diagnostic::error("domain-count", format!("`{key}` and `count` exclude one another"))
                            .at(*span)
                            .label("one domain, one instance")
                            .related(block.places.get("count").copied().unwrap_or(*span), "count here")
                            .help("write the instance with the domain as a block of its own, without `count`"),
                    );
                }
            }
        }
        if self.context.site == Site::China {
            return;
        }
        let policies = block.containers.iter().flatten().filter_map(|container| container.restart_policy.as_ref());
        let policies = policies.map(|policy| ("restart_policy", policy.span));
        let keys = ["tags", "firewall_template_id", "init_command", "domain_name", "subdomain"];
        let keys = keys.iter().filter_map(|key| Some((*key, *block.places.get(key)?)));
        for (key, span) in keys.chain(policies) {
            problems.push(
                Diagnostic::error("site", format!("site international has no `{key}`"))
                    .at(span)
                    .detail("The API of tencentcloud.com does not know it, and what it does with it is undocumented."),
            );
        }
    }
}

/// Puts a diagnostic at a text; in a text of several lines it says which of them holds `what`.
pub(super) fn in_text(diagnostic: Diagnostic, text: &Text, what: &str) -> Diagnostic {
    let diagnostic = diagnostic.at(text.span);
    if !text.value.contains('\n') || diagnostic.label.is_some() {
        return diagnostic;
    }
    let line = text.value[..text.value.find(what).unwrap_or(0)].matches('\n').count() + 1;
    diagnostic.label(format!("in line {line} of this text"))
}
