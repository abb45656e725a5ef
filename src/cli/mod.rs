//! The command line: words into calls of `ops`, results into output and an exit code.
//!
//! The only module that knows the process: its arguments, environment, terminal, signals and clock.

mod args;
mod command;
mod completions;
mod connect;
mod env;
mod events;
mod exit;
mod failure;
mod github;
mod hints;
mod host;
mod life;
mod load;
mod paper;
mod prompt;
mod saved;
mod session;
mod signals;
mod usage;
mod variables;

pub use exit::Exit;

use crate::report::console::Console;
use crate::report::style::{Palette, decide};
use args::{Cli, Command};
use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches as _};
use failure::Failure;
use std::process::ExitCode;

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    ExitCode::from(life::live(run_command).code())
}

fn run_command() -> Exit {
    if let Err(failure) = variables::check_encoding() {
        failure.tell(console(env::color_choice_unparsed()));
        return failure.exit;
    }
    let mut definition = env::without_empty_variables(args::definition());
    let parsed = definition
        .try_get_matches_from_mut(env::arguments())
        .and_then(|words| Ok((Cli::from_arg_matches(&words)?, words)));
    let (mut cli, words) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => return refuse_usage(error),
    };
    let annotates = env::is_github_actions() && !cli.global.no_annotations;
    let console = Console { annotates, ..console(cli.global.color()) };
    // A completion is no run: nothing but candidates may be printed.
    if !matches!(cli.command, Command::Complete(_)) {
        variables::warn_unread(&definition, console);
    }
    hints::note_flags(&cli.global, &words);
    let outcome = variables::split_lists(&mut cli.global, &words)
        .and_then(|()| check_sandbox(&cli, &words))
        .and_then(|()| check_saved(&cli, &words))
        .and_then(|()| host::change_folder(cli.global.chdir.as_deref()))
        .and_then(|()| variables::check_sandbox_folder(&cli.global, &words))
        .and_then(|()| dispatch(&cli, console));
    outcome.unwrap_or_else(|failure| {
        failure.tell(console);
        failure.exit
    })
}

/// Which cloud is meant has to be clear: a flag that contradicts `--sandbox`, or does nothing without it, is a mistake.
/// Variables are no contradiction, for they may be set once for many commands.
fn check_sandbox(cli: &Cli, words: &ArgMatches) -> Result<(), Failure> {
    let typed = |id: &str| is_typed(words, id);
    let sandbox = cli.global.sandbox().is_some();
    if sandbox && typed("endpoint") {
        return Err(Failure::usage("--sandbox and --endpoint name two clouds")
            .help("leave one of them out; a sandbox that is served elsewhere is reached with --endpoint alone"));
    }
    let needless = args::SANDBOX_FLAGS.iter().find(|flag| typed(flag));
    match needless.filter(|_| !sandbox && !matches!(cli.command, Command::Sandbox(_))) {
        Some(flag) => Err(Failure::usage(format!("--{} does nothing without --sandbox", flag.replace('_', "-")))
            .help("add --sandbox, or give it to `lhprov sandbox serve`")),
        None => Ok(()),
    }
}

/// An option that does nothing where no plan is saved, or none is carried out, is a mistake; its variable is not.
fn check_saved(cli: &Cli, words: &ArgMatches) -> Result<(), Failure> {
    let (needless, help) = match &cli.command {
        Command::Plan(own) if own.save.out.is_none() => (&args::SAVE_FLAGS[..], "add --out FILE, or leave it out"),
        Command::Apply(own) if own.plan.is_none() => (&args::SAVED_FLAGS[..], "name the plan: lhprov apply FILE"),
        _ => return Ok(()),
    };
    match needless.iter().find(|flag| is_typed(words, flag)) {
        Some(flag) => {
            Err(Failure::usage(format!("--{} does nothing without a saved plan", flag.replace('_', "-"))).help(help))
        }
        None => Ok(()),
    }
}

/// Whether an option was given on the command line itself.
fn is_typed(words: &ArgMatches, id: &str) -> bool {
    variables::source_of(words, id) == Some(ValueSource::CommandLine)
}

/// The whole surface on one page.
fn dispatch(cli: &Cli, console: Console) -> Result<Exit, Failure> {
    if cli.global.is_logging() {
        host::log_to_stderr(cli.global.log_level, cli.global.http_trace, console.stderr.is_coloured());
    }
    match &cli.command {
        Command::Validate(own) => command::validate::run(&cli.global, own, console),
        Command::Render(own) => command::render::run(&cli.global, own, console),
        Command::Fmt(own) => command::fmt::run(&cli.global, own, console),
        Command::Graph(own) => command::graph::run(&cli.global, own, console),
        Command::Plan(own) => command::plan::run(&cli.global, own, console),
        Command::Apply(own) => command::apply::run(&cli.global, own, console),
        Command::Destroy(own) => command::apply::run_destroy(&cli.global, own, console),
        Command::Price(own) => command::price::run(&cli.global, own, console),
        Command::Drift(own) => command::drift::run(&cli.global, own, console),
        Command::Renew(own) => command::renew::run(&cli.global, own, console),
        Command::Show(own) => command::show::run(&cli.global, own, console),
        Command::Import(own) => command::import::run(&cli.global, own, console),
        Command::Output(own) => command::output::run(&cli.global, own, console),
        Command::State(own) => command::state::run(&cli.global, own, console),
        Command::Catalog(own) => command::catalog::run(&cli.global, own, console),
        Command::Auth(own) => command::auth::run(&cli.global, own, console),
        Command::Sandbox(own) => command::sandbox::run(&cli.global, own, console),
        Command::Selftest(own) => command::selftest::run(own, console),
        Command::Schema(own) => command::schema::run(own, console),
        Command::Explain(own) => command::explain::run(own, console),
        Command::Completions(own) => command::completions::run(own, console),
        Command::Complete(own) => command::completions::complete(own, console),
        Command::Man(own) => command::man::run(own, console),
        Command::Version(own) => command::version::run(own, console),
    }
}

fn console(choice: crate::report::style::ColorChoice) -> Console {
    let wishes = env::color_wishes();
    let (stdout_is_terminal, stderr_is_terminal) = host::terminals();
    Console {
        stdout: Palette::new(decide(choice, wishes, stdout_is_terminal)),
        stderr: Palette::new(decide(choice, wishes, stderr_is_terminal)),
        annotates: false,
        stdout_is_terminal,
        stderr_is_live: stderr_is_terminal && !env::is_dumb(),
    }
}

/// Help and version are results; everything else that the parser has to say is about a mistake.
fn refuse_usage(error: clap::Error) -> Exit {
    // The arguments could not be read, so `--color` is looked for by hand.
    let console = console(env::color_choice_unparsed());
    let is_mistake = error.use_stderr();
    let palette = if is_mistake { console.stderr } else { console.stdout };
    let text = usage::text(error, palette.is_coloured());
    if is_mistake {
        console.say(&text);
        return Exit::Usage;
    }
    match console.result(&text) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Error,
    }
}
