//! The question before something is bought or returned.

use super::host;
use super::signals::Signals;
use crate::model::money::Amount;
use crate::plan::change::{Action, OpenPurchase, Plan};
use crate::report::console::Console;
use crate::report::style::Label;
use crate::report::text::count;
use std::io::BufRead as _;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

/// How often it is looked whether a signal came.
const LOOK: Duration = Duration::from_millis(50);

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Go on.
    Yes,
    /// Anything but `yes`.
    No,
    /// There is no terminal to ask on.
    Nobody,
    /// A signal came instead.
    Signal,
}

/// Asks. The terminal is read beside the wait for a signal, because a read cannot be called off.
pub fn ask(question: &str, console: Console, signals: &Signals) -> Answer {
    if !host::can_ask() {
        return Answer::Nobody;
    }
    let prompt = "Do you want to carry this out? Only 'yes' is accepted: ";
    console.say(&format!("\n{question}\n{}", console.stderr.paint(Label::Heading, prompt)));
    let (send, receive) = channel();
    std::thread::spawn(move || {
        let mut line = String::new();
        let read = std::io::stdin().lock().read_line(&mut line);
        let _ = send.send(read.is_ok() && line.trim() == "yes");
    });
    loop {
        match receive.recv_timeout(LOOK) {
            Ok(true) => return Answer::Yes,
            Ok(false) | Err(RecvTimeoutError::Disconnected) => return Answer::No,
            Err(RecvTimeoutError::Timeout) if signals.first_now().is_some() => {
                console.say("\n");
                return Answer::Signal;
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
    }
}

/// What the purchases of a plan cost now, as far as it is known.
fn price_now(plan: &Plan) -> Option<String> {
    let quote = plan.checks.quote.as_ref()?;
    let prices = quote.batches.values().fold(Amount::default(), |sum, price| sum + price.now);
    match (quote.batches.len(), plan.batches.len()) {
        (0, _) => None,
        (known, all) if known == all => Some(format!("{prices} {}", quote.currency)),
        _ => Some(format!("{prices} {} and what is not known", quote.currency)),
    }
}

/// What changes of one kind cost now.
fn price_of(plan: &Plan, action: Action) -> String {
    let known = plan.changes.iter().filter(|change| change.action == action).map(|change| {
        let (price, currency) = change.price.as_ref()?;
        Some((Amount::parse(price)?, currency.as_str()))
    });
    match known.collect::<Option<Vec<_>>>().as_deref() {
        Some([first, rest @ ..]) => {
            format!("{} {}", rest.iter().fold(first.0, |sum, (price, _)| sum + *price), first.1)
        }
        _ => "costs money".to_owned(),
    }
}

/// What a plan costs, in a sentence.
pub fn about_plan(plan: &Plan, sandbox: bool) -> String {
    let counts = plan.summary();
    let mut parts = Vec::new();
    if counts.create > 0 {
        let money = match (price_now(plan), sandbox) {
            (Some(price), true) => format!("{price} now; the sandbox takes no money"),
            (Some(price), false) => format!("{price} now"),
            (None, true) => "the sandbox takes no money".to_owned(),
            (None, false) => "this costs money".to_owned(),
        };
        parts.push(format!(
            "buys {} in {} ({money})",
            count(counts.create, "instance"),
            count(plan.batches.len(), "purchase")
        ));
    }
    if counts.replace > 0 {
        let price = price_now(plan).filter(|_| counts.create == 0);
        parts.push(format!(
            "replaces {} (the data on them is lost, and others are bought{})",
            count(counts.replace, "instance"),
            price.map(|price| format!(" for {price} now")).unwrap_or_default()
        ));
    }
    if counts.upgrade > 0 {
        let price = price_of(plan, Action::Upgrade);
        let price = if price == "costs money" { "costs the difference".to_owned() } else { format!("{price} now") };
        parts.push(format!("upgrades {} ({price}, shuts them down)", count(counts.upgrade, "instance")));
    }
    if counts.reinstall > 0 {
        parts.push(format!("wipes the disks of {}", count(counts.reinstall, "instance")));
    }
    if counts.renew > 0 {
        let price = price_of(plan, Action::Renew);
        parts.push(format!("buys more time for {} ({price})", count(counts.renew, "instance")));
    }
    if counts.purge > 0 {
        parts.push(format!("destroys {} for good", count(counts.purge, "instance")));
    }
    if counts.isolate > 0 {
        parts.push(format!(
            "returns {} (out of service at once, recoverable for seven days)",
            count(counts.isolate, "instance")
        ));
    }
    let calls = counts.update + counts.start + counts.stop > 0;
    let changed = counts.update + counts.start + counts.stop + counts.import + counts.resume + counts.forget;
    if changed > 0 {
        let what = if calls { "changes" } else { "records" };
        parts.push(format!("{what} {}", count(changed, "instance")));
    }
    if counts.moved > 0 {
        parts.push(format!("records {} at another address", count(counts.moved, "instance")));
    }
    match parts.len() {
        0 => "This settles what an earlier run left open.".to_owned(),
        _ => format!("This {}.", parts.join(", and ")),
    }
}

/// What settling may cost, in a sentence.
pub fn about_open(open: &[OpenPurchase]) -> String {
    let unanswered: usize = open.iter().filter(|open| !open.answered).map(|open| open.members.len()).sum();
    let known: usize = open.iter().filter(|open| open.answered).map(|open| open.members.len()).sum();
    let mut text = format!("An earlier run left {} open. ", count(open.len(), "purchase"));
    if unanswered > 0 {
        text.push_str(&format!(
            "Whether {} bought is looked up first; what is not is bought now, with the same token. ",
            if unanswered == 1 { "its 1 instance was".to_owned() } else { format!("{unanswered} instances were") }
        ));
    }
    if known > 0 {
        text.push_str(&format!(
            "{} bought already.",
            if known == 1 { "1 is".to_owned() } else { format!("{known} are") }
        ));
    }
    text.trim_end().to_owned()
}
