//! Rules for the whole surface: which options have an environment variable, and under which heading of `--help` they are listed.

use super::SANDBOX_FLAGS;
use clap::Command;

/// Every option that has a variable. An option that destroys, buys, gives consent or weakens the purchase protocol has none:
/// it has to be visible in the command line that is reviewed. An option whose values depend on the command has none either.
pub const VARIABLES: [(&str, &str); 14] = [
    ("ca_file", "LHPROV_CA_FILE"),
    ("chdir", "LHPROV_CHDIR"),
    ("color", "LHPROV_COLOR"),
    ("endpoint", "LHPROV_ENDPOINT"),
    ("file", "LHPROV_FILE"),
    ("http_trace", "LHPROV_HTTP_TRACE"),
    ("lock_timeout", "LHPROV_LOCK_TIMEOUT"),
    ("log_level", "LHPROV_LOG_LEVEL"),
    ("no_annotations", "LHPROV_NO_ANNOTATIONS"),
    ("profile", "LHPROV_PROFILE"),
    ("region", "LHPROV_REGION"),
    ("sandbox", "LHPROV_SANDBOX"),
    ("state", "LHPROV_STATE"),
    ("var_file", "LHPROV_VAR_FILE"),
];

/// Limits that the environment may tighten: of variable and option, the smaller value holds. They are not variables in the
/// sense of clap, for an option would replace them.
pub const LIMITS: [(&str, &str); 2] = [("max_spend", "LHPROV_MAX_SPEND"), ("max_destroy", "LHPROV_MAX_DESTROY")];

/// Variables whose values are paths, and need not be UTF-8.
pub const PATH_VARIABLES: [&str; 5] =
    ["LHPROV_CA_FILE", "LHPROV_CHDIR", "LHPROV_FILE", "LHPROV_STATE", "LHPROV_VAR_FILE"];

/// Options that permit something, set a limit, or switch a protection off.
const SAFETY: [&str; 18] = [
    "accept_no_refund",
    "accept_unknown_price",
    "adopt",
    "allow_data_loss",
    "buy_anyway",
    "confirm_gone",
    "destroy",
    "if_equivalent",
    "max_destroy",
    "max_plan_age",
    "max_spend",
    "no_preflight",
    "purge",
    "replace",
    "take_over",
    "token_ttl",
    "visibility_grace",
    "yes",
];

/// Gives each option of each command its heading. A heading of clap's derive stays for all options that follow it, also those of
/// another group, so it is set here for each option by itself.
pub fn with_headings(command: Command) -> Command {
    command
        .mut_args(|arg| {
            let id = arg.get_id().as_str();
            if SAFETY.contains(&id) {
                arg.help_heading("Safety")
            } else if arg.get_help_heading() == Some("Sandbox") && !SANDBOX_FLAGS.contains(&id) {
                arg.help_heading(None::<&'static str>)
            } else {
                arg
            }
        })
        .mut_subcommands(with_headings)
}

/// Options, and the names that their variables had or would have: none of these is read.
pub fn unread_variables(definition: &Command) -> Vec<(String, String)> {
    let mut found = vec![("LHPROV_MAN_OUT".to_owned(), "--out".to_owned())];
    let mut commands = vec![definition];
    while let Some(command) = commands.pop() {
        for arg in command.get_arguments() {
            let Some(long) = arg.get_long() else { continue };
            let name = format!("LHPROV_{}", long.replace('-', "_").to_uppercase());
            let is_read = VARIABLES.iter().chain(&LIMITS).any(|(_, read)| *read == name);
            if !is_read && !matches!(long, "help" | "version" | "var") {
                found.push((name, format!("--{long}")));
            }
        }
        commands.extend(command.get_subcommands());
    }
    found.sort();
    found.dedup();
    found
}

#[cfg(test)]
mod tests {
    use super::super::definition;
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    fn all_commands() -> Vec<Command> {
        let (mut all, mut open) = (Vec::new(), vec![definition()]);
        while let Some(command) = open.pop() {
            open.extend(command.get_subcommands().cloned());
            all.push(command);
        }
        all
    }

    #[test]
    fn only_listed_options_have_a_variable_and_each_is_documented() {
        let (manual, readme) = (include_str!("../env.rs"), include_str!("../../../README.md"));
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for command in all_commands() {
            for arg in command.get_arguments() {
                if let Some(name) = arg.get_env() {
                    found.entry(arg.get_id().to_string()).or_default().insert(name.to_string_lossy().into_owned());
                }
            }
        }
        let listed =
            VARIABLES.iter().map(|(id, name)| ((*id).to_owned(), BTreeSet::from([(*name).to_owned()]))).collect();
        assert_eq!(found, listed, "consent has to be visible on the command line: see VARIABLES");
        for (_, name) in VARIABLES.iter().chain(&LIMITS) {
            assert!(manual.contains(&format!("`{name}`")), "{name} is not in cli/env.rs");
            assert!(readme.contains(&format!("`{name}`")), "{name} is not in the README");
        }
        assert!(VARIABLES.iter().all(|(id, _)| !SAFETY.contains(id) && !SANDBOX_FLAGS.contains(id)));
    }

    #[test]
    fn headings_hold_what_they_name() {
        let headings: BTreeSet<String> = all_commands()
            .iter()
            .flat_map(|command| {
                command.get_arguments().map(|arg| (command.get_name().to_owned(), arg.clone())).collect::<Vec<_>>()
            })
            .map(|(command, arg)| {
                let id = arg.get_id().as_str();
                let heading = arg.get_help_heading();
                assert_eq!(heading == Some("Sandbox"), SANDBOX_FLAGS.contains(&id), "{id} of {command}: {heading:?}");
                assert_eq!(heading == Some("Safety"), SAFETY.contains(&id), "{id} of {command}: {heading:?}");
                heading.unwrap_or_default().to_owned()
            })
            .collect();
        assert_eq!(headings.into_iter().collect::<Vec<_>>(), ["", "Options of all commands", "Safety", "Sandbox"]);
    }

    #[test]
    fn a_variable_that_no_option_has_any_more_names_its_option() {
        let unread = unread_variables(&definition());
        for (name, flag) in [
            ("LHPROV_DESTROY", "--destroy"),
            ("LHPROV_YES", "--yes"),
            ("LHPROV_TOKEN_TTL", "--token-ttl"),
            ("LHPROV_FAULT", "--fault"),
            ("LHPROV_FORMAT", "--format"),
        ] {
            assert!(unread.contains(&(name.to_owned(), flag.to_owned())), "{name}");
        }
        assert!(unread.iter().all(|(name, _)| name != "LHPROV_MAX_SPEND" && name != "LHPROV_FILE"));
    }
}
