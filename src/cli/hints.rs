//! Commands that are shown to people carry the flags of this run that they need: without `--sandbox`, `-f` or `--state` they
//! would be about another fleet.

use super::args::Global;
use crate::diag::{Diagnostic, Diagnostics};
use crate::model::shell;
use crate::plan::Planned;
use clap::ArgMatches;
use clap::parser::ValueSource;
use std::sync::OnceLock;

/// Flags that say which fleet and which cloud are meant.
const FLAGS: [&str; 11] =
    ["chdir", "file", "state", "var", "var_file", "root", "region", "endpoint", "sandbox", "profile", "ca_file"];

/// Commands that are about no fleet.
const WITHOUT_FLEET: [&str; 7] = ["explain", "schema", "version", "completions", "man", "selftest", "fmt"];

/// The flags of this process, each as it has to be written.
static GIVEN: OnceLock<Vec<String>> = OnceLock::new();

/// Takes note of the flags of this run. What the environment gives holds for the next command as well.
pub fn note_flags(global: &Global, words: &ArgMatches) {
    let mut innermost = words;
    while let Some((_, inner)) = innermost.subcommand() {
        innermost = inner;
    }
    let is_typed = |id: &&str| innermost.value_source(id) == Some(ValueSource::CommandLine);
    let given = FLAGS.into_iter().filter(is_typed).flat_map(|id| written(global, innermost, id)).collect();
    let _noted_before = GIVEN.set(given);
}

fn written(global: &Global, words: &ArgMatches, id: &str) -> Vec<String> {
    let flag = format!("--{}", id.replace('_', "-"));
    match id {
        "file" => global.file.iter().map(|path| format!("-f {}", shell::quoted(&path.to_string_lossy()))).collect(),
        "var" => {
            let one =
                |(name, value): &(String, String)| format!("{flag} {}", shell::quoted(&format!("{name}={value}")));
            global.var.iter().map(one).collect()
        }
        _ => {
            let raw: Vec<String> = words
                .get_raw(id)
                .map(|values| values.map(|value| value.to_string_lossy().into_owned()).collect())
                .unwrap_or_default();
            match (id, raw.as_slice()) {
                ("sandbox", [folder]) if folder != "true" => vec![format!("{flag}={}", shell::quoted(folder))],
                ("sandbox", _) => vec![flag],
                _ => raw.iter().map(|value| format!("{flag} {}", shell::quoted(value))).collect(),
            }
        }
    }
}

/// A text with the flags of this run in each command that is shown in it.
pub fn with_flags(text: &str) -> String {
    add_flags(text, GIVEN.get().map_or(&[], Vec::as_slice))
}

fn add_flags(text: &str, flags: &[String]) -> String {
    // Every second part stands between backticks.
    let parts = text.split('`').enumerate().map(|(number, part)| {
        let Some(command) = part.strip_prefix("lhprov ").filter(|_| number % 2 == 1) else { return part.to_owned() };
        let name = command.split(' ').next().unwrap_or_default();
        if WITHOUT_FLEET.contains(&name) || name.is_empty() || name.starts_with('-') {
            return part.to_owned();
        }
        let has = |flag: &&String| !part.contains(flag.as_str());
        std::iter::once(part).chain(flags.iter().filter(has).map(String::as_str)).collect::<Vec<_>>().join(" ")
    });
    parts.collect::<Vec<_>>().join("`")
}

/// The flags in everything that a plan says about itself.
pub fn complete_plan(planned: &mut Planned) {
    for help in planned.blocked.iter_mut().flat_map(|one| &mut one.help) {
        *help = with_flags(help);
    }
    let checks = &mut planned.plan.checks;
    for diagnostics in [&mut planned.diagnostics, &mut checks.failures, &mut checks.violations] {
        *diagnostics = complete_diagnostics(std::mem::take(diagnostics));
    }
}

/// The flags in the ways out of diagnostics.
pub fn complete_diagnostics(diagnostics: Diagnostics) -> Diagnostics {
    let mut completed = Diagnostics::default();
    for diagnostic in diagnostics.into_vec() {
        let help = diagnostic.help.iter().map(|help| with_flags(help)).collect();
        completed.push(Diagnostic { help, ..diagnostic });
    }
    completed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_get_the_flags_that_they_lack() {
        let flags = ["-f 'a b'".to_owned(), "--sandbox".to_owned()];
        for (text, expected) in [
            ("bring it back with `lhprov renew db`", "bring it back with `lhprov renew db -f 'a b' --sandbox`"),
            ("`lhprov apply --sandbox` or `db`", "`lhprov apply --sandbox -f 'a b'` or `db`"),
            ("`lhprov explain A.B` says it", "`lhprov explain A.B` says it"),
            ("lhprov plan", "lhprov plan"),
            ("`db`: `lhprov state rm 'web[0]'`", "`db`: `lhprov state rm 'web[0]' -f 'a b' --sandbox`"),
        ] {
            assert_eq!(add_flags(text, &flags), expected);
        }
        assert_eq!(add_flags("`lhprov renew db`", &[]), "`lhprov renew db`");
    }
}
