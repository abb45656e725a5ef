//! Rules about single values. Each has a code and names the value's place.

use super::problems::Problems;
use crate::diag::{Diagnostic, Span, did_you_mean};
use crate::manifest::limits::{
    ACTIONS, IGNORABLE, INIT_COMMAND_SECONDS_MAX, KEY_IDS_MAX, NAME_CHARACTERS_MAX, PERIODS_OVER_A_YEAR, PROTOCOLS,
    RATE_LIMIT_MAX,
};
use crate::manifest::read::not_one_of;
use crate::manifest::schema::Text;
use crate::model::{InitCommand, RenewFlag, tag};
use std::sync::Arc;

/// Most bytes of an init command once it is base64 (API model, Command).
const INIT_COMMAND_BASE64_MAX: usize = 64 * 1024;

/// The names of `ignore_changes`, sorted.
pub(super) fn ignore_changes(problems: &mut Problems<'_>, names: &[Text]) -> Arc<[String]> {
    let mut known: Vec<String> = Vec::new();
    for name in names {
        if one_of(problems, name, "an attribute that can be ignored", &IGNORABLE.map(|name| (name, ()))).is_some() {
            known.push(name.value.clone());
        }
    }
    known.sort();
    known.dedup();
    known.into()
}

/// The stack's name goes into file names, tags and tokens.
pub(super) fn stack_name(problems: &mut Problems<'_>, text: &Text) -> bool {
    let bytes = text.value.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'_' | b'-');
    let good = (1..=63).contains(&bytes.len())
        && (bytes[0].is_ascii_lowercase() || bytes[0].is_ascii_digit())
        && bytes.iter().all(inside);
    if !good {
        problems.push(
            Diagnostic::error("stack-name", format!("`{}` cannot be the name of a stack", text.value))
                .at(text.span)
                .help(
                    "a stack's name has 1 to 63 characters: a-z, 0-9, `.`, `_` and `-`, the first a letter or a digit",
                ),
        );
    }
    good
}

/// A region looks like `ap-guangzhou`.
pub(super) fn region(problems: &mut Problems<'_>, text: &Text) -> bool {
    let good = text.value.split('-').count() >= 2
        && text.value.split('-').all(|part| {
            !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
        });
    if good && text.value.rsplit('-').next().is_some_and(|last| last.bytes().all(|byte| byte.is_ascii_digit())) {
        let region = text.value.rsplit_once('-').map_or("", |(region, _)| region);
        problems.push(
            Diagnostic::error("region", format!("`{}` is a zone, not a region", text.value))
                .at(text.span)
                .help(format!("write `region: {region}`, and the zone under `zones` of an instance")),
        );
        return false;
    }
    if !good {
        problems.push(
            Diagnostic::error("region", format!("`{}` is not a region", text.value))
                .at(text.span)
                .help("a region looks like `ap-guangzhou`; `lhprov catalog regions` lists them"),
        );
    }
    good
}

/// A block's name is part of addresses.
pub(super) fn block_name(problems: &mut Problems<'_>, text: &Text) {
    let bytes = text.value.as_bytes();
    let inside = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
    let good = (1..=60).contains(&bytes.len()) && bytes[0].is_ascii_alphanumeric() && bytes.iter().all(inside);
    if !good {
        problems.push(
            Diagnostic::error("instance-key", format!("`{}` cannot be the name of an instance here", text.value))
                .at(text.span)
                .help("it has 1 to 60 characters: letters, digits, `_` and `-`, the first a letter or a digit")
                .help("what the cloud shows is `instance_name`, which takes any characters"),
        );
    }
}

/// An id: not empty, no white space, no control characters. What exists is for the service to say.
pub(super) fn id(problems: &mut Problems<'_>, what: &str, span: Span, value: &str) {
    if value.is_empty() {
        problems.error("id", span, format!("the id of {what} may not be empty"));
    } else if value.chars().any(|c| c.is_whitespace() || c.is_control()) {
        problems.error("id", span, format!("`{value}` is not the id of {what}"));
    }
}

/// The API's rule for instance names.
pub(super) fn instance_name(problems: &mut Problems<'_>, span: Span, name: &str) {
    let length = name.chars().count();
    if name.trim().is_empty() {
        problems.error("instance-name", span, "an instance name may not be empty");
    } else if length > NAME_CHARACTERS_MAX {
        problems.push(
            Diagnostic::error(
                "instance-name",
                format!("an instance name has at most {NAME_CHARACTERS_MAX} characters"),
            )
            .at(span)
            .label(format!("`{name}` has {length}")),
        );
    }
}

/// The months that can be bought.
pub(super) fn period(problems: &mut Problems<'_>, span: Span, months: i128) -> Option<u32> {
    if (1..=12).contains(&months) || PERIODS_OVER_A_YEAR.contains(&months) {
        return u32::try_from(months).ok();
    }
    problems.push(
        Diagnostic::error("period", format!("{months} months cannot be bought"))
            .at(span)
            .help("`period` is 1 to 12, 24, 36, 48 or 60 months"),
    );
    None
}

/// The renew flag in the API's spelling.
pub(super) fn renew_flag(problems: &mut Problems<'_>, text: &Text) -> Option<RenewFlag> {
    one_of(problems, text, "a renew flag", &RenewFlag::ALL)
}

/// One of a few words.
pub(super) fn one_of<T: Copy>(problems: &mut Problems<'_>, text: &Text, what: &str, words: &[(&str, T)]) -> Option<T> {
    let found = words.iter().find(|(word, _)| *word == text.value);
    if found.is_none() {
        problems.push(not_one_of(text, what, words.iter().map(|(word, _)| *word)));
    }
    found.map(|(_, value)| *value)
}

/// Zones of the stack's region, each once.
pub(super) fn zone(problems: &mut Problems<'_>, region: Option<&str>, zone: &Text, before: &[String]) {
    if before.contains(&zone.value) {
        problems.error("duplicate-value", zone.span, format!("the zone `{}` is listed twice", zone.value));
    }
    let Some(region) = region else { return };
    let number = zone.value.strip_prefix(region).and_then(|rest| rest.strip_prefix('-'));
    if !number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())) {
        problems.push(
            Diagnostic::error("zone", format!("the zone `{}` is not in the region `{region}`", zone.value))
                .at(zone.span)
                .detail("One stack is one region.")
                .help(format!("a zone of it looks like `{region}-1`; `lhprov catalog zones` lists them")),
        );
    }
}

/// Key pairs: at most five, each once.
pub(super) fn key_ids(problems: &mut Problems<'_>, span: Span, ids: &[(String, Span)]) {
    for (at, (id, span)) in ids.iter().enumerate() {
        self::id(problems, "a key pair", *span, id);
        if ids[..at].iter().any(|(other, _)| other == id) {
            problems.error("duplicate-value", *span, format!("the key pair `{id}` is listed twice"));
        }
    }
    if ids.len() > KEY_IDS_MAX {
        let summary = format!("an instance takes at most {KEY_IDS_MAX} key pairs");
        problems.push(Diagnostic::error("key-ids", summary).at(span).label(format!("{} here", ids.len())));
    }
}

/// What a password has to be on every platform (API model, LoginConfiguration). No message repeats any of it.
pub(super) fn password(problems: &mut Problems<'_>, span: Span, password: &str) {
    let length = password.chars().count();
    let classes: [fn(char) -> bool; 4] =
        [|c| c.is_ascii_lowercase(), |c| c.is_ascii_uppercase(), |c| c.is_ascii_digit(), |c| c.is_ascii_punctuation()];
    let kinds = classes.iter().filter(|class| password.chars().any(**class)).count();
    let broken = if !(8..=30).contains(&length) {
        "it has to have 8 to 30 characters (12 to 30 on Windows)"
    } else if password.chars().any(char::is_whitespace) {
        "it may not contain spaces or line breaks"
    } else if password.starts_with('/') {
        "it may not start with `/`"
    } else if kinds < 3 {
        "it has to mix at least three of: lower case, upper case, digits, symbols"
    } else {
        return;
    };
    problems.push(Diagnostic::error("password", "the service does not take this password").at(span).label(broken));
}

/// One tag of the user, its value expanded.
pub(super) fn tag(problems: &mut Problems<'_>, key: &Text, value_span: Span, value: &str) {
    if key.value.starts_with(tag::OWN_PREFIX) {
        problems.push(
            Diagnostic::error("tag", format!("tags that begin with `{}` are set by lhprov itself", tag::OWN_PREFIX))
                .at(key.span)
                .help("choose another key"),
        );
    }
    let mut refuse = |span: Span, fault: tag::Fault| {
        let code = fault.code().rsplit('.').next().unwrap_or_default();
        problems.push(
            Diagnostic::error("tag", fault.to_string())
                .at(span)
                .label(format!("the service refuses it ({code})"))
                .help(fault.help()),
        );
    };
    if let Err(fault) = tag::check_key(&key.value) {
        refuse(key.span, fault);
    }
    if let Err(fault) = tag::check_value(value) {
        refuse(value_span, fault);
    }
}

/// A port.
pub(super) fn port(problems: &mut Problems<'_>, span: Span, port: i128) -> Option<u16> {
    let good = u16::try_from(port).ok().filter(|port| *port > 0);
    if good.is_none() {
        problems.error("port", span, format!("{port} is not a port: those are 1 to 65535"));
    }
    good
}

/// A transport protocol.
pub(super) fn protocol(problems: &mut Problems<'_>, text: &Text) {
    one_of(problems, text, "a protocol", &PROTOCOLS.map(|protocol| (protocol, ())));
}

/// A container's restart policy.
pub(super) fn restart_policy(problems: &mut Problems<'_>, text: &Text) {
    let retries = text.value.strip_prefix("on-failure:");
    if retries.is_some_and(|retries| !retries.is_empty() && retries.bytes().all(|byte| byte.is_ascii_digit())) {
        return;
    }
    let words = [("no", ()), ("on-failure", ()), ("on-failure:3", ()), ("always", ())];
    one_of(problems, text, "a restart policy", &words);
}

/// The seconds that an init command may take.
pub(super) fn init_command_timeout(problems: &mut Problems<'_>, span: Span, seconds: i128) -> Option<u32> {
    if !(1..=INIT_COMMAND_SECONDS_MAX).contains(&seconds) {
        let summary = format!("`timeout` of an init command is 1 to {INIT_COMMAND_SECONDS_MAX} seconds");
        problems.error("init-command-timeout", span, summary);
        return None;
    }
    u32::try_from(seconds).ok()
}

/// The size of an init command as it is sent.
pub(super) fn init_command(problems: &mut Problems<'_>, span: Span, command: &InitCommand) {
    let encoded = command.content.len().div_ceil(3) * 4;
    if command.content.is_empty() {
        problems.error("init-command", span, "the init command is empty");
    } else if encoded > INIT_COMMAND_BASE64_MAX {
        problems.push(
            Diagnostic::error("init-command", "the init command is larger than 64 KB in base64")
                .at(span)
                .label(format!("{} bytes, {encoded} in base64", command.content.len()))
                .help("let a short command fetch the rest"),
        );
    }
}

/// One entry of `rate_limits`.
pub(super) fn rate_limit(problems: &mut Problems<'_>, action: &Text, span: Span, limit: i128) -> Option<u32> {
    if !ACTIONS.contains(&action.value.as_str()) {
        let diagnostic =
            Diagnostic::error("unknown-action", format!("lhprov calls no action `{}`", action.value)).at(action.span);
        problems.push(match did_you_mean(&action.value, ACTIONS.iter().copied()) {
            Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
            None => diagnostic.help("actions are written as in the API: `CreateInstances`"),
        });
        return None;
    }
    if !(1..=RATE_LIMIT_MAX).contains(&limit) {
        let summary = format!("a rate limit is 1 to {RATE_LIMIT_MAX} requests a second");
        problems.error("rate-limit", span, summary);
        return None;
    }
    u32::try_from(limit).ok()
}
