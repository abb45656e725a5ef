//! `lhprov show`: what the state records, or a saved plan.

use super::state;
use crate::cli::args::{Global, ShowArgs};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::saved::{self, SavedFile};
use crate::model::{Address, shell};
use crate::plan::change::{ACCEPT_NO_REFUND, ACCEPT_UNKNOWN_PRICE, ALLOW_DATA_LOSS};
use crate::plan::seal::{Asked, Seal};
use crate::report::console::Console;
use crate::report::human::plan::{PlanText, render};
use crate::report::human::table::table;
use crate::report::style::{Label, Palette};
use std::path::Path;

/// Shows what the word means: a saved plan, or an address of the state.
pub fn run(global: &Global, own: &ShowArgs, console: Console) -> Result<Exit, Failure> {
    match own.what.as_deref() {
        Some(word) if is_path(word) || Path::new(word).is_file() => {
            // A plan may be called `db`, and an instance too.
            if !is_path(word) && word.parse::<Address>().is_ok() && state::knows(global, word, console) {
                return Err(Failure::usage(format!("`{word}` is a file here and an address of the state"))
                    .help(format!("write ./{word} for the file"))
                    .help(format!("`lhprov state show {}` shows the address", shell::quoted(word))));
            }
            show_plan(own, &saved::read(Path::new(word))?, console)
        }
        word => state::show(global, word, own.format.is_json(), console),
    }
}

/// Whether a word can only mean a file: by its ending or its folder. `edge["a/b"]` and `edge["a.json"]` are addresses.
fn is_path(word: &str) -> bool {
    let path = Path::new(word);
    let has_ending = path.extension().is_some_and(|ending| ending == "json" || ending == "plan");
    !word.ends_with(']') && (has_ending || word.contains(std::path::is_separator))
}

fn show_plan(own: &ShowArgs, file: &SavedFile, console: Console) -> Result<Exit, Failure> {
    let written = match own.format.is_json() {
        true => console.result(&file.text),
        false => {
            for warning in &file.saved.warnings {
                console.say(&format!("{} {warning}\n", console.stderr.paint(Label::Found, "warning:")));
            }
            console.result(&text(own, file, console.stdout))
        }
    };
    written.map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

fn text(own: &ShowArgs, file: &SavedFile, palette: Palette) -> String {
    let seal = &file.saved.seal;
    let shown = PlanText {
        plan: &file.saved.plan,
        blocked: &[],
        adopted: &file.saved.adopted,
        consented: &seal.asked.consents(),
        sandbox: seal.bound.endpoint == "sandbox",
        refreshed: seal.asked.refreshed,
        sources: None,
    };
    format!("{}\n{}", render(shown, own.view.into(), palette), table(&[], &inputs(seal), 2, palette))
}

/// What the plan is bound to, in words.
fn inputs(seal: &Seal) -> Vec<Vec<String>> {
    let Seal { bound, asked, made, .. } = seal;
    let mut rows: Vec<[String; 2]> = Vec::new();
    let mut row = |name: &str, value: String| {
        if !value.is_empty() {
            rows.push([name.to_owned(), value]);
        }
    };
    row("stack", format!("{} in {}, site {}", bound.stack, bound.region, bound.site.as_str()));
    row("endpoint", bound.endpoint.clone());
    row("account", bound.account.clone().unwrap_or_default());
    row("manifest", bound.manifest.keys().cloned().collect::<Vec<_>>().join(", "));
    row("files", bound.files.keys().cloned().collect::<Vec<_>>().join(", "));
    let variables = bound.variables.iter().map(|(name, value)| format!("{name}={value}"));
    row("variables", variables.collect::<Vec<_>>().join(", "));
    row(
        "state",
        match &bound.state.lineage {
            Some(lineage) => format!("serial {} of {lineage}", bound.state.serial),
            None => "none yet".to_owned(),
        },
    );
    row("options", options(asked).join(" "));
    let made = made.map(|made| format!("{}, for {}", made.at, crate::model::time::show_duration(made.age_max())));
    row("made", made.unwrap_or_default());
    row("by", format!("lhprov {}", bound.tool));
    rows.into_iter().map(Vec::from).collect()
}

/// The options, as they were given.
fn options(asked: &Asked) -> Vec<String> {
    let mut words = Vec::new();
    for (flag, values) in [("--only", &asked.only), ("--skip", &asked.skip), ("--replace", &asked.replace)] {
        words.extend(values.iter().map(|value| format!("{flag} {value}")));
    }
    for (flag, given) in [
        ("--destroy", asked.destroy),
        ("--purge", asked.purge),
        ("--buy-anyway", asked.buy_anyway),
        ("--adopt", asked.adopt),
        (ALLOW_DATA_LOSS, asked.allow_data_loss),
        (ACCEPT_NO_REFUND, asked.accept_no_refund),
        (ACCEPT_UNKNOWN_PRICE, asked.accept_unknown_price),
    ] {
        if given {
            words.push(flag.to_owned());
        }
    }
    words
}
