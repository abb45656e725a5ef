//! What `--help` shows of each command in use. A test reads every line as the command line would.

use clap::Command;

/// Commands, and lines that call them.
const EXAMPLES: &[(&str, &[&str])] = &[
    ("", &["lhprov plan -f examples/quickstart.yaml --sandbox", "lhprov apply -f examples/quickstart.yaml --sandbox"]),
    ("price", &["lhprov price", "lhprov price --json"]),
    ("schema", &["lhprov schema manifest > lighthouse.schema.json"]),
    ("explain", &["lhprov explain", "lhprov explain ResourcesSoldOut"]),
    ("validate", &["lhprov validate", "lhprov validate -f fleet --json"]),
    ("render", &["lhprov render --var env=production"]),
    ("fmt", &["lhprov fmt", "lhprov fmt --check fleet", "lhprov fmt - < draft.yaml"]),
    ("graph", &["lhprov graph | dot -Tsvg > fleet.svg", "lhprov graph --format mermaid --view full"]),
    ("plan", &["lhprov plan", "lhprov plan --only 'web*' --view full", "lhprov plan --detailed-exitcode --json"]),
    (
        "apply",
        &[
            "lhprov apply",
            "lhprov apply --yes --events run.jsonl",
            "lhprov apply --sandbox --fault lost-after:CreateInstances:at=1",
        ],
    ),
    ("destroy", &["lhprov destroy", "lhprov destroy --only 'edge[\"a\"]' --purge --allow-data-loss"]),
    ("drift", &["lhprov drift", "lhprov drift --expires-within 7d", "lhprov drift --accept db"]),
    ("renew", &["lhprov renew db web", "lhprov renew 'web[0]' --period 3 --yes"]),
    ("show", &["lhprov show", "lhprov show 'web[0]' --json"]),
    ("import", &["lhprov import db lhins-0lc535g2", "lhprov import --tag tier=back"]),
    ("output", &["lhprov output web_ips", "lhprov output --format ansible-inventory > hosts.yaml"]),
    ("state list", &["lhprov state list"]),
    ("state show", &["lhprov state show 'edge[\"a\"]'"]),
    ("state mv", &["lhprov state mv 'web[2]' db"]),
    ("state rm", &["lhprov state rm 'web[2]'"]),
    ("state rebuild", &["lhprov state rebuild"]),
    ("catalog", &["lhprov catalog bundles --region ap-singapore", "lhprov catalog zones --json"]),
    ("auth whoami", &["lhprov auth whoami", "lhprov auth whoami --profile work"]),
    ("sandbox serve", &["lhprov sandbox serve --listen 127.0.0.1:8080", "lhprov sandbox serve --boot 30s --quota 5"]),
    ("sandbox status", &["lhprov sandbox status"]),
    ("sandbox reset", &["lhprov sandbox reset"]),
    ("selftest", &["lhprov selftest --seeds 10000", "lhprov selftest --first 1927 --seeds 1"]),
    (
        "completions",
        &[
            "source <(lhprov completions bash)",
            "source <(lhprov completions zsh)",
            "lhprov completions fish > ~/.config/fish/completions/lhprov.fish",
        ],
    ),
    ("man", &["lhprov man | man -l -", "lhprov man --out ~/.local/share/man/man1"]),
    ("version", &["lhprov version", "lhprov version --json"]),
];

/// Puts the examples below the long help of each command.
pub(super) fn added(command: Command) -> Command {
    with_examples(command, "")
}

fn with_examples(command: Command, path: &str) -> Command {
    let lines = EXAMPLES.iter().find(|(name, _)| *name == path).map_or(&[][..], |(_, lines)| lines);
    let command = match lines {
        [] => command,
        lines => {
            let title = if lines.len() == 1 { "Example" } else { "Examples" };
            let before = command.get_after_help().map(|text| format!("\n\n{text}")).unwrap_or_default();
            let shown: String = lines.iter().map(|line| format!("\n  {line}")).collect();
            command.after_long_help(format!("{title}:{shown}{before}"))
        }
    };
    command.mut_subcommands(|inner| {
        let path = format!("{path} {}", inner.get_name());
        with_examples(inner, path.trim_start())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::args::definition;
    use crate::cli::completions::words_of;
    use std::collections::BTreeSet;

    fn commands(command: &Command, path: &str, all: &mut BTreeSet<String>) {
        let mut inner = command.get_subcommands().filter(|inner| !inner.is_hide_set()).peekable();
        if inner.peek().is_none() {
            all.insert(path.to_owned());
        }
        for inner in inner {
            commands(inner, format!("{path} {}", inner.get_name()).trim_start(), all);
        }
    }

    #[test]
    fn every_command_has_examples_and_every_example_is_one_of_its_command() {
        let mut all = BTreeSet::from([String::new()]);
        commands(&definition(), "", &mut all);
        assert_eq!(all, EXAMPLES.iter().map(|(name, _)| (*name).to_owned()).collect());
        for (name, lines) in EXAMPLES {
            for line in *lines {
                let line = line.split("lhprov ").nth(1).map_or(String::new(), |rest| format!("lhprov {rest}"));
                let line = line.split([')', '|', '<', '>']).next().unwrap_or_default();
                let words = words_of(line.trim());
                assert!(words[1..].join(" ").starts_with(name), "{line}");
                assert!(line.len() < 76, "{line}");
                definition().try_get_matches_from(&words).unwrap_or_else(|error| panic!("{words:?} {error}"));
            }
        }
    }
}
