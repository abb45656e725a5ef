//! The command line: words into calls of `ops`, results into output and an exit code.
//!
//! The only module that knows the process: its arguments, environment, terminal, signals and clock.

mod args;
mod command;
mod connect;
mod env;
mod exit;
mod failure;
mod host;
mod load;
mod prompt;
mod session;
mod signals;

pub use exit::Exit;

use crate::report::console::Console;
use crate::report::style::{Palette, decide};
use args::{Cli, Command};
use clap::FromArgMatches as _;
use failure::Failure;
use std::process::ExitCode;

/// Runs the command that the arguments of the process name.
pub fn run() -> ExitCode {
    ExitCode::from(run_command().code())
}

fn run_command() -> Exit {
    let mut definition = env::without_empty_variables(args::definition());
    let parsed =
        definition.try_get_matches_from_mut(env::arguments()).and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) => return refuse_usage(&error),
    };
    let console = console(cli.global.color());
    let outcome = host::change_folder(cli.global.chdir.as_deref()).and_then(|()| dispatch(&cli, console));
    outcome.unwrap_or_else(|failure| {
        console.say(&failure.render(console.stderr));
        failure.exit
    })
}

/// The whole surface on one page.
fn dispatch(cli: &Cli, console: Console) -> Result<Exit, Failure> {
    if let Some(level) = cli.global.log_level {
        host::log_to_stderr(level, console.stderr.is_coloured());
    }
    match &cli.command {
        Command::Validate(own) => command::validate::run(&cli.global, own, console),
        Command::Render(own) => command::render::run(&cli.global, own, console),
        Command::Plan(own) => command::plan::run(&cli.global, own, console),
        Command::Apply(own) => command::apply::run(&cli.global, own, console),
        Command::Destroy(own) => command::apply::run_destroy(&cli.global, own, console),
        Command::Show(own) => command::state::show(&cli.global, own, console),
        Command::State(own) => command::state::run(&cli.global, own, console),
        Command::Catalog(own) => command::catalog::run(&cli.global, own, console),
        Command::Version => command::version::run(console),
    }
}

fn console(choice: crate::report::style::ColorChoice) -> Console {
    let wishes = env::color_wishes();
    let (stdout_is_terminal, stderr_is_terminal) = host::terminals();
    Console {
        stdout: Palette::new(decide(choice, wishes, stdout_is_terminal)),
        stderr: Palette::new(decide(choice, wishes, stderr_is_terminal)),
        stdout_is_terminal,
        stderr_is_terminal,
    }
}

/// Help and version are results; everything else that the parser has to say is about a mistake.
fn refuse_usage(error: &clap::Error) -> Exit {
    // The arguments could not be read, so `--color` is looked for by hand.
    let console = console(env::color_choice_unparsed());
    let coloured = |palette: Palette, text: &clap::builder::StyledStr| match palette.is_coloured() {
        true => text.ansi().to_string(),
        false => text.to_string(),
    };
    let text = error.render();
    if error.use_stderr() {
        console.say(&coloured(console.stderr, &text));
        return Exit::Usage;
    }
    match console.result(&coloured(console.stdout, &text)) {
        Ok(()) => Exit::Done,
        Err(_) => Exit::Error,
    }
}
