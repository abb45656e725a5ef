//! The question before something is bought or returned.

use super::host;
use super::signals::Signals;
use crate::model::money::Amount;
use crate::plan::change::{Action, OpenPurchase, Plan};
use crate::report::console::Console;
use crate::report::style::Label;
use crate::report::text::{count, members, wrap};
use std::fmt::Write as _;
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

/// What changes of one kind cost now, where it is known of all of them.
fn price_of(plan: &Plan, action: Action) -> Option<String> {
    let known = plan.changes.iter().filter(|change| change.action == action).map(|change| {
        let (price, currency) = change.price.as_ref()?;
        Some((Amount::parse(price)?, currency.as_str()))
    });
    match known.collect::<Option<Vec<_>>>().as_deref() {
        Some([first, rest @ ..]) => {
            Some(format!("{} {}", rest.iter().fold(first.0, |sum, (price, _)| sum + *price), first.1))
        }
        _ => None,
    }
}

/// What a plan costs and what it destroys, each on a line that says so, and what it does besides.
pub fn about_plan(plan: &Plan, sandbox: bool) -> String {
    let counts = plan.summary();
    let some = |number: usize, say: &dyn Fn(String) -> String| (number > 0).then(|| say(count(number, "instance")));
    let disks = |number: usize| if number == 1 { "the disk" } else { "the disks" };
    let price = |price: Option<String>, otherwise: &str| match price {
        Some(price) => format!(" ({price} now{otherwise})"),
        None => format!(" (price not known{otherwise})"),
    };
    let costs = [
        some(counts.create + counts.replace, &|n| {
            format!("buys {n} in {}{}", count(plan.batches.len(), "purchase"), price(price_now(plan), ""))
        }),
        some(counts.upgrade, &|n| {
            format!("upgrades {n}{}", price(price_of(plan, Action::Upgrade), "; shut down meanwhile"))
        }),
        some(counts.renew, &|n| format!("buys more time for {n}{}", price(price_of(plan, Action::Renew), ""))),
    ];
    let destroys = [
        some(counts.reinstall, &|n| format!("wipes {} of {n}", disks(counts.reinstall))),
        some(counts.replace, &|n| format!("replaces {n}, the data of which is lost")),
        some(counts.purge, &|n| format!("destroys {n} for good")),
    ];
    let calls = counts.update + counts.start + counts.stop;
    let records = counts.import + counts.resume + counts.forget;
    let others = [
        some(counts.isolate, &|n| format!("returns {n} (out of service at once, recoverable for seven days)")),
        some(calls, &|n| format!("changes {n} in place")),
        some(records, &|n| format!("records {n}")),
        some(counts.moved, &|n| format!("records {n} at another address")),
    ];
    let unconfirmed = members(plan.acts_on_unconfirmed().map(|change| &change.address));
    let confirms = [some(plan.acts_on_unconfirmed().count(), &|n| {
        format!("that this stack owns {n}, which another repository with its name may own")
    })];
    let lost = plan.changes.iter().filter(|change| change.action.loses_data());
    let lost = members(lost.map(|change| &change.address));
    let mut text = String::new();
    for (title, parts, tail) in [
        ("Costs money:   ", &costs[..], if sandbox { ", but not in the sandbox".to_owned() } else { String::new() }),
        ("Destroys data: ", &destroys[..], format!(": {lost}")),
        ("Besides, it:   ", &others[..], String::new()),
        ("Your yes confirms: ", &confirms[..], format!(": {unconfirmed}")),
    ] {
        let parts: Vec<&str> = parts.iter().flatten().map(String::as_str).collect();
        if !parts.is_empty() {
            let told = format!("{}{tail}.", parts.join(", "));
            let _ = writeln!(text, "{title}{}", wrap(&told, title.len(), title.len()));
        }
    }
    match text.trim_end() {
        "" => "This settles what an earlier run left open.".to_owned(),
        text => text.to_owned(),
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
