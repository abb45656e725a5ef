//! Completion in shells: a script for each, which asks the command itself at every tab. So what is completed is what this
//! version knows, and the addresses are those of the manifest and the state that the line names.
//!
//! Nothing is asked of the cloud, and nothing is said about mistakes: whoever types has not finished yet.

mod known;
mod words;

use super::args::{self, CompleteArgs, Global, Shell};
use super::{env, variables};
use clap::FromArgMatches as _;
use clap_complete::engine::{self, CompletionCandidate};
use known::{Known, What};
use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use words::Typed;

/// What a shell reads once, so that it completes from then on.
pub fn script(shell: Shell) -> &'static str {
    match shell {
        Shell::Bash => include_str!("lhprov.bash"),
        Shell::Zsh => include_str!("lhprov.zsh"),
        Shell::Fish => include_str!("lhprov.fish"),
    }
}

/// What could stand at the cursor, one a line, in the form in which the shell takes it.
pub fn complete(own: &CompleteArgs) -> String {
    let mut out = String::new();
    match own.shell {
        Shell::Bash => {
            let [line, current] = &own.words[..] else { return out };
            let typed = Typed::read(line);
            for candidate in candidates(&typed.words, &typed.last.value) {
                let value = candidate.get_value().to_string_lossy();
                if let Some(quoted) = typed.last.in_place_of(current, &value) {
                    let _ = writeln!(out, "{quoted}");
                }
            }
        }
        Shell::Zsh | Shell::Fish => {
            let Some((last, words)) = own.words.split_last() else { return out };
            // Fish gives the last word as it is typed.
            let last = if own.shell == Shell::Fish { Typed::read(last).last.value } else { last.clone() };
            for candidate in candidates(words, &last) {
                let value = candidate.get_value().to_string_lossy();
                let help = candidate.get_help().map(ToString::to_string).unwrap_or_default();
                let _ = writeln!(out, "{value}\t{}", help.lines().next().unwrap_or_default());
            }
        }
    }
    out
}

fn candidates(words: &[String], last: &str) -> Vec<CompletionCandidate> {
    let known = Arc::new(Known::default());
    let definition = env::without_empty_variables(args::definition());
    let global = definition.clone().ignore_errors(true).try_get_matches_from(words).ok().and_then(|words| {
        let mut global = Global::from_arg_matches(&words).ok()?;
        variables::split_lists(&mut global, &words).ok()?;
        Some(global)
    });
    if let Some(global) = global {
        // Paths of the line start there.
        let folder = global.chdir.as_deref().filter(|folder| !folder.as_os_str().is_empty());
        if folder.is_some_and(|folder| env::change_folder(folder).is_err()) {
            return Vec::new();
        }
        known.belongs_to(global);
    }
    let mut definition = with_addresses(definition, "", &known);
    let words: Vec<OsString> = words.iter().map(OsString::from).chain([OsString::from(last)]).collect();
    let at = words.len() - 1;
    engine::complete(&mut definition, words, at, Some(Path::new("."))).unwrap_or_default()
}

/// The definition, its arguments that name addresses and the like knowing what there is.
fn with_addresses(command: clap::Command, path: &str, known: &Arc<Known>) -> clap::Command {
    let own_path = path.to_owned();
    let command = command.mut_args(|arg| match what(&own_path, arg.get_id().as_str()) {
        Some(what) => {
            let known = Arc::clone(known);
            arg.add(engine::ArgValueCompleter::new(move |typed: &std::ffi::OsStr| {
                typed.to_str().map(|typed| known.candidates(what, typed)).unwrap_or_default()
            }))
        }
        None => arg,
    });
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        with_addresses(inner, path.trim_start(), known)
    })
}

/// What an argument of a command names.
fn what(path: &str, argument: &str) -> Option<What> {
    match (path, argument) {
        (_, "only" | "skip") => Some(What::Part),
        ("renew", "addresses") => Some(What::RecordedPart),
        (_, "replace") => Some(What::Wanted),
        ("drift", "accept") | ("show", "what") | ("state show" | "state rm", "address") | ("state mv", "from") => {
            Some(What::Recorded)
        }
        ("import", "address") | ("state mv", "to") => Some(What::Free),
        ("output", "name") => Some(What::Output),
        _ => None,
    }
}

/// The words of a line, for tests that read lines of documentation.
#[cfg(test)]
pub fn words_of(line: &str) -> Vec<String> {
    Typed::read(&format!("{line} ")).words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_argument_that_is_completed_is_one() {
        let mut named = Vec::new();
        let mut commands = vec![(String::new(), args::definition())];
        while let Some((path, command)) = commands.pop() {
            let arguments = command.get_arguments().map(|arg| arg.get_id().to_string());
            named.extend(arguments.filter(|arg| what(&path, arg).is_some()).map(|arg| format!("{path} {arg}")));
            commands.extend(
                command
                    .get_subcommands()
                    .map(|inner| (format!("{path} {}", inner.get_name()).trim().to_owned(), inner.clone())),
            );
        }
        for wanted in [
            "plan only",
            "apply skip",
            "apply replace",
            "drift accept",
            "renew addresses",
            "show what",
            "import address",
            "output name",
            "state show address",
            "state rm address",
            "state mv from",
            "state mv to",
        ] {
            assert!(named.iter().any(|name| name == wanted), "{wanted} is none of {named:?}");
        }
    }
}
