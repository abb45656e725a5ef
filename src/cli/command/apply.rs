//! `lhprov apply` and `lhprov destroy`: show the plan, ask, carry it out, give account.

use super::{renew, saved};
use crate::cli::args::{ApplyArgs, ApplyCommand, Global, RenewArgs, ReportFormat};
use crate::cli::env;
use crate::cli::exit::{Exit, Signal};
use crate::cli::failure::{Failure, way_out};
use crate::cli::github;
use crate::cli::host::{self, SystemClock};
use crate::cli::paper::Paper;
use crate::cli::prompt::{self, Answer};
use crate::cli::saved::bound;
use crate::cli::session::{self, Ended, Nature, Session};
use crate::cli::variables;
use crate::clock::Clock as _;
use crate::event::EventSink;
use crate::model::money::PriceTolerance;
use crate::ops::{self, ApplyExit, ApplyOptions, ApplyReport, Approved, Consent, OpsError, Question};
use crate::plan::change::{CONSENTS, DestroyScope};
use crate::plan::seal::Saved;
use crate::report::console::Console;
use crate::report::human::account::{self, AccountText};
use crate::report::human::lines::Lines;
use crate::report::human::plan::{PlanText, nothing_to_destroy, render};
use crate::report::human::progress::Live;
use crate::report::json::{self, account::End};
use crate::report::markdown::{self, AccountPage};
use crate::report::outputs;
use crate::report::style::{Label, Palette};
use crate::report::text::{count, sandbox_mark};
use std::sync::{Arc, Mutex, PoisonError};

/// Applies the manifest.
pub fn run(global: &Global, own: &ApplyCommand, console: Console) -> Result<Exit, Failure> {
    let kind = if own.destroy { Kind::Destroy } else { Kind::Apply };
    match &own.plan {
        Some(path) => saved::run(path, global, own, console),
        None => with_paper(kind, global, &own.apply, console),
    }
}

/// Returns every instance of the stack.
pub fn run_destroy(global: &Global, own: &ApplyArgs, console: Console) -> Result<Exit, Failure> {
    with_paper(Kind::Destroy, global, own, console)
}

/// Carries out, and tells of it in every form that is wanted.
pub(super) fn with_paper(kind: Kind<'_>, global: &Global, own: &ApplyArgs, console: Console) -> Result<Exit, Failure> {
    let paper = Paper::new(kind.command(), own.run.format.format(), console);
    session::with_events(own.run.events.as_ref(), Nature::Changes, console, |sinks| {
        paper.told(carry_out(kind, global, own, (&paper, console), sinks))
    })
}

/// What is carried out.
#[derive(Clone, Copy)]
pub(super) enum Kind<'a> {
    /// The manifest.
    Apply,
    /// The end of everything.
    Destroy,
    /// More time for some.
    Renew(&'a RenewArgs),
    /// A saved plan, whether its inputs may have moved, and by how much prices may have risen.
    Saved(&'a Saved, bool, PriceTolerance),
}

impl Kind<'_> {
    fn is_destroy(self) -> bool {
        matches!(self, Kind::Destroy) || matches!(self, Kind::Saved(saved, ..) if saved.seal.asked.destroy)
    }

    fn command(self) -> &'static str {
        match self {
            Kind::Apply | Kind::Saved(..) => "apply",
            Kind::Destroy => "destroy",
            Kind::Renew(_) => "renew",
        }
    }

    fn done(self) -> &'static str {
        match self {
            Kind::Apply | Kind::Saved(..) => "Applied",
            Kind::Destroy => "Destroyed",
            Kind::Renew(_) => "Renewed",
        }
    }
}

/// Loads, plans, asks, carries out and gives account.
pub(super) fn carry_out(
    kind: Kind<'_>,
    global: &Global,
    own: &ApplyArgs,
    (paper, console): (&Paper, Console),
    mut sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Ended, Failure> {
    let loaded = session::load(global, &own.run, console)?;
    paper.is_about(loaded.desired.stack.as_str());
    if let (Kind::Destroy, Some(address)) = (kind, own.run.replace.first()) {
        return Err(Failure::usage(format!("--replace {address} has no meaning where everything goes")));
    }
    // A log and live lines would write over one another.
    let live = (console.stderr_is_live && !global.is_logging()).then(|| Arc::new(host::live(console)));
    sinks.push(match &live {
        Some(live) => Arc::clone(live) as Arc<dyn EventSink>,
        None => Arc::new(Lines::new(console, || SystemClock.now())),
    });
    let runtime = host::runtime()?;
    let ended = runtime.block_on(async {
        let session = session::open(kind.command(), global, &own.run, loaded, sinks)?;
        tokio::select! {
            biased;
            signal = session.signals.early() => return Ok(interrupted_early(signal, console)),
            ready = session.authenticate() => ready?,
        }
        let options = ApplyOptions {
            buy_anyway: own.run.buy_anyway,
            confirm_gone: own.run.confirm_gone,
            adopt: own.adopt,
            assume_yes: own.yes,
            destroy: kind.is_destroy(),
            purge: own.run.purge,
            allow_data_loss: own.allow_data_loss,
            accept_no_refund: own.accept_no_refund,
            accept_unknown_price: own.accept_unknown_price,
            preflight: !own.run.no_preflight,
            ceilings: variables::tighten(own.run.ceilings())?,
            until_settled: own.until_settled.limit(),
        };
        let desk = Desk { own, session: &session, paper, console, live: live.as_deref(), answer: Mutex::default() };
        let consent = |question: Question<'_>| desk.consent(&question);
        let report = tokio::select! {
            biased;
            signal = session.signals.early() => return Ok(interrupted_early(signal, console)),
            report = perform(kind, &session, options, &consent) => report?,
        };
        if let Some(live) = &live {
            live.finish();
        }
        match report {
            Ok(report) => desk.give_account(kind, report),
            Err(error) => desk.refused(error),
        }
    });
    // A name that is being looked up must not hold the end up: everything that counts is on disk.
    runtime.shutdown_background();
    ended
}

/// The operation itself. A failure is a mistake in the words of the command line.
async fn perform(
    kind: Kind<'_>,
    session: &Session,
    options: ApplyOptions,
    consent: &(dyn Fn(Question<'_>) -> Consent + Sync),
) -> Result<Result<ApplyReport, OpsError>, Failure> {
    let desired = &session.loaded.desired;
    Ok(match kind {
        Kind::Renew(own) => ops::renew(&session.context, desired, &renew::options(own, desired)?, consent).await,
        Kind::Saved(saved, if_equivalent, price_tolerance) => {
            let approved = Approved {
                seal: &saved.seal,
                checksum: &saved.checksum,
                bound: bound(&session.loaded, &session.context.endpoint),
                if_equivalent,
                price_tolerance,
            };
            ops::apply_saved(&session.context, desired, options, &approved, consent).await
        }
        Kind::Apply | Kind::Destroy => ops::apply(&session.context, desired, options, consent).await,
    })
}

fn interrupted_early(signal: Signal, console: Console) -> Ended {
    console.say(&format!("{}: {}\n", signal.name(), nothing_changed(true)));
    Exit::Interrupted(signal).into()
}

/// The account of a run that was ended before it began.
fn nothing_changed(can_repeat: bool) -> String {
    match can_repeat {
        true => format!("nothing was changed. To go on, run `{}` again.", env::command_line()),
        false => "nothing was changed.".to_owned(),
    }
}

/// Where the user is asked and told.
struct Desk<'a> {
    own: &'a ApplyArgs,
    session: &'a Session,
    paper: &'a Paper,
    console: Console,
    live: Option<&'a Live>,
    /// The last answer; none while nothing was asked.
    answer: Mutex<Option<Answer>>,
}

impl Desk<'_> {
    fn consent(&self, question: &Question<'_>) -> Consent {
        if let Some(live) = self.live {
            live.finish();
        }
        self.show(question);
        let answer = if self.own.yes {
            Answer::Yes
        } else {
            let text = match question {
                Question::Settle(open) => prompt::about_open(open),
                Question::Apply(planned) => prompt::about_plan(&planned.plan, self.session.sandbox),
            };
            prompt::ask(&text, self.console, &self.session.signals)
        };
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        if answer == Answer::Yes { Consent::Given } else { Consent::Declined }
    }

    /// Shows what is asked about. The plan is a result, and belongs before the eyes of whoever is asked, too.
    fn show(&self, question: &Question<'_>) {
        let Question::Apply(planned) = question else { return };
        let sources = &self.session.loaded.sources;
        github::say_problems(&planned.diagnostics, sources, self.console);
        let shown = PlanText {
            plan: &planned.plan,
            blocked: &planned.blocked,
            adopted: &planned.adopted,
            // What is missing was refused before, and the question names the rest.
            consented: &CONSENTS,
            sandbox: self.session.sandbox,
            refreshed: true,
            sources: Some(sources),
        };
        let text = |palette: Palette| format!("{}\n", render(shown, self.own.run.view(), palette));
        let as_result = self.paper.format() == ReportFormat::Text;
        if as_result {
            // Whether anybody reads the result decides nothing about the work.
            let _ = self.console.result(&text(self.console.stdout));
        }
        if !as_result || (!self.own.yes && !self.console.stdout_is_terminal) {
            self.console.say(&text(self.console.stderr));
        }
    }

    fn answer(&self) -> Option<Answer> {
        *self.answer.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn refused(&self, error: OpsError) -> Result<Ended, Failure> {
        match (error, self.answer()) {
            (OpsError::Declined, Some(Answer::Signal)) => Ok(interrupted_early(self.signal(), self.console)),
            (OpsError::Declined, Some(Answer::Nobody)) => {
                Err(Failure::new(Exit::Declined, "there is no terminal to ask on, and nothing is done without consent")
                    .help(format!("look at the plan, then run `{} --yes`", env::command_line())))
            }
            (error, _) => {
                let failure = Failure::of_operation(error, Arc::clone(&self.session.loaded.sources));
                let closing = nothing_changed(failure.can_repeat).replacen('n', "N", 1);
                Err(if failure.exit == Exit::Declined { failure } else { failure.closing(closing) })
            }
        }
    }

    /// The signal that came while somebody was asked.
    fn signal(&self) -> Signal {
        self.session.signals.first_now().unwrap_or(Signal::Interrupt)
    }

    fn give_account(&self, kind: Kind<'_>, report: ApplyReport) -> Result<Ended, Failure> {
        let stopped_at_prompt =
            matches!(report.stop, Some(OpsError::Declined)) && self.answer() == Some(Answer::Signal);
        let exit = match &report.exit {
            _ if stopped_at_prompt => Exit::Interrupted(self.signal()),
            ApplyExit::Done => Exit::Done,
            ApplyExit::Partial => Exit::Partial,
            ApplyExit::Failed => Exit::Error,
            ApplyExit::Unclear => Exit::Refused,
            ApplyExit::Interrupted(name) => Exit::Interrupted(Signal::named(name)),
        };
        let only_settled = report.items.is_empty() && exit == Exit::Done;
        let quiet = only_settled.then(|| self.nothing_to_do(kind, &report));
        let told = outputs_text(&report);
        let outputs = report.state.outputs.clone();
        let ApplyReport { items, save_error, stop, can_repeat, .. } = report;
        // Whoever declined a later question can be asked again.
        let stop_can_pass = matches!(stop, None | Some(OpsError::Declined));
        let troubles: Vec<Failure> = [
            stop.map(|stop| Failure::of_operation(stop, Arc::clone(&self.session.loaded.sources))),
            save_error.map(|error| {
                Failure::from(error)
                    .help("the journal beside it has what was done: run the command again, it settles that first")
            }),
        ]
        .into_iter()
        .flatten()
        .collect();
        let error = troubles.first().map(Failure::line);
        let can_repeat = match exit {
            Exit::Done => false,
            Exit::Interrupted(_) => true,
            _ => can_repeat && (stop_can_pass || troubles.iter().all(|trouble| trouble.can_repeat)),
        };
        let again = can_repeat.then(env::command_line);
        let desired = &self.session.loaded.desired;
        let (stack, region) = (desired.stack.as_str(), desired.region.as_str());
        let (command, sandbox) = (kind.command(), self.session.sandbox);
        let shown = AccountText { done: kind.done(), again: again.as_deref(), way_out, sandbox };
        let published = self.paper.publish(|| {
            let troubles: Vec<String> = troubles.iter().map(|trouble| trouble.render(Palette::plain())).collect();
            let (items, troubles, outputs) = (&items, &troubles, &outputs);
            markdown::account(AccountPage { command, stack, region, items, shown, troubles, outputs })
        });
        let written = if self.paper.format() == ReportFormat::Markdown {
            published
        } else if self.paper.format() == ReportFormat::Json {
            let end = End { exit_code: exit.code(), error: error.as_deref(), next: again.as_deref() };
            let mut document = json::account::document(command, stack, region, &items, end);
            document["outputs"] = serde_json::json!(outputs);
            self.console.result(&format!("{document}\n"))
        } else if let Some(text) = quiet {
            self.console.result(&(text + &told))
        } else {
            self.console.result(&(account::render(&items, shown, self.console.stdout) + &told))
        };
        for trouble in troubles {
            trouble.tell(self.console);
        }
        let Err(failed) = written else { return Ok(Ended { exit, items, error, can_repeat }) };
        let told = Failure::output(&failed);
        self.console.say(&told.render(self.console.stderr));
        let unread = if items.is_empty() { Exit::Error } else { Exit::Partial };
        let exit = if exit == Exit::Done { unread } else { exit };
        Ok(Ended { exit, items, error: error.or_else(|| Some(told.line())), can_repeat: exit == Exit::Partial })
    }

    fn nothing_to_do(&self, kind: Kind<'_>, report: &ApplyReport) -> String {
        let mark = sandbox_mark(self.session.sandbox);
        let number = report.state.instances.len();
        let text = match (kind, number) {
            (kind, left_out) if kind.is_destroy() => {
                let is_limited = !self.session.context.select.is_everything();
                nothing_to_destroy(DestroyScope { is_limited, left_out }, true)
            }
            (_, 0) => "The manifest wants no instance, and there is none.".to_owned(),
            (_, 1) => "1 instance is as the manifest wants it.".to_owned(),
            (_, many) => format!("{} are as the manifest wants them.", count(many, "instance")),
        };
        // Whoever was asked agreed to settling, and to nothing else: with a plan there would be items.
        let before = match self.answer() {
            _ if report.is_repetition => format!("Already {}.", kind.done().to_lowercase()),
            Some(_) => format!("{}: what an earlier run left open is settled.", kind.done()),
            None => "No changes.".to_owned(),
        };
        let text = format!("{before} {text}");
        format!("{}{mark}\n", self.console.stdout.paint(Label::Heading, &text))
    }
}

/// The outputs, where the manifest has any.
fn outputs_text(report: &ApplyReport) -> String {
    match report.state.outputs.is_empty() {
        true => String::new(),
        false => format!("\nOutputs:\n{}", outputs::text(&report.state.outputs)),
    }
}
