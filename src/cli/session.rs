//! What `plan`, `apply` and `destroy` have in common: manifest, ports, events, and the end of the run.

use super::args::{Global, RunArgs};
use super::connect::{Connection, Wanted, connect};
use super::env;
use super::events::EventsTo;
use super::exit::Exit;
use super::failure::Failure;
use super::host::{self, SystemClock};
use super::life::guarded;
use super::load::{self, Loaded};
use super::signals::Signals;
use crate::clock::Clock as _;
use crate::cloud::credential::Provider;
use crate::diag::did_you_mean;
use crate::event::{Event, EventSink, Item};
use crate::model::Address;
use crate::ops::{Context, OpsError};
use crate::report::console::Console;
use crate::report::json::account::event_counts;
use crate::report::json::events::JsonLines;
use crate::report::sink::Fanout;
use std::sync::Arc;

/// How a run ended: its code, and what became of everything.
pub struct Ended {
    /// The code.
    pub exit: Exit,
    /// The items.
    pub items: Vec<Item>,
    /// What ended it before its end, in one line.
    pub error: Option<String>,
    /// Whether the same command goes on, and can succeed with nothing changed by its user.
    pub can_repeat: bool,
}

impl From<Exit> for Ended {
    fn from(exit: Exit) -> Self {
        let can_repeat = matches!(exit, Exit::Locked | Exit::Interrupted(_));
        Self { exit, items: Vec::new(), error: None, can_repeat }
    }
}

/// What kind of run it is: how its end is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nature {
    /// It only reads.
    Reads,
    /// It changes something.
    Changes,
}

/// Runs `body` with what `--events` names as a listener, and writes its last event however it ends.
pub fn with_events(
    to: Option<&EventsTo>,
    nature: Nature,
    console: Console,
    body: impl FnOnce(Vec<Arc<dyn EventSink>>) -> Result<Ended, Failure>,
) -> Result<Exit, Failure> {
    // Nothing may end a run without its account, a mistake of ours neither. What it did is not known then.
    let body = |sinks| {
        guarded(|| body(sinks)).unwrap_or_else(|mut failure| {
            failure.can_repeat = nature == Nature::Changes;
            failure.exit = if nature == Nature::Changes { Exit::Partial } else { Exit::Error };
            Err(failure)
        })
    };
    let Some(to) = to else {
        return body(Vec::new()).map(|ended| ended.exit);
    };
    let events = Arc::new(JsonLines::new(to.open()?, || SystemClock.now()));
    let ended = body(vec![Arc::clone(&events) as Arc<dyn EventSink>]);
    let (exit, items, error, can_repeat) = match &ended {
        Ok(ended) => (ended.exit, ended.items.as_slice(), ended.error.clone(), ended.can_repeat),
        Err(failure) => (failure.exit, &[][..], Some(failure.line()), failure.can_repeat),
    };
    let open_items = items.iter().filter(|item| !item.status.is_done()).cloned().collect();
    let next = (can_repeat && nature == Nature::Changes).then(env::command_line);
    let (exit_code, counts) = (exit.code(), event_counts(items));
    events.emit(Event::Summary { exit_code, counts, open_items, error, next });
    if let Err(error) = events.finish() {
        // The run itself went its way; its result counts.
        console.say(&format!("warning: failed to write the events to {to}: {error}\n"));
    }
    ended.map(|ended| ended.exit)
}

/// A run about to begin.
pub struct Session {
    /// What is wanted, and where it is written.
    pub loaded: Loaded,
    /// The ports.
    pub context: Context,
    /// Whether the cloud is the sandbox.
    pub sandbox: bool,
    /// In whose name; the sandbox in process asks for no credentials.
    pub credentials: Option<Arc<Provider>>,
    /// What listens to signals.
    pub signals: Signals,
}

impl Session {
    /// Gets the credentials, so that a run without any ends before it begins.
    pub async fn authenticate(&self) -> Result<(), Failure> {
        match &self.credentials {
            Some(credentials) => credentials.current().await.map(drop).map_err(Failure::from),
            None => Ok(()),
        }
    }

    /// Gets the credentials and does the work of a command that is left where it stands when a signal comes; the code of that
    /// end instead of a result.
    pub async fn perform<T>(
        &self,
        work: impl Future<Output = Result<T, OpsError>>,
    ) -> Result<Result<T, Exit>, Failure> {
        let authenticated = async {
            self.authenticate().await?;
            work.await.map_err(|error| Failure::of_operation(error, Arc::clone(&self.loaded.sources)))
        };
        tokio::select! {
            biased;
            signal = self.signals.early() => Ok(Err(Exit::Interrupted(signal))),
            done = authenticated => done.map(Ok),
        }
    }
}

/// Loads the manifest, with what the command line says in its place.
pub fn load(global: &Global, run: &RunArgs, console: Console) -> Result<Loaded, Failure> {
    let mut loaded = load::load(global, console)?;
    loaded.desired.token_ttl = run.token_ttl.unwrap_or(loaded.desired.token_ttl);
    loaded.desired.visibility_grace = run.visibility_grace.unwrap_or(loaded.desired.visibility_grace);
    for text in &run.replace {
        let address: Address = text.parse().map_err(|error| Failure::of(Exit::Usage, error))?;
        match loaded.desired.instances.get_mut(&address) {
            Some(instance) => instance.replace_now = true,
            None => return Err(no_such_address(text, loaded.desired.instances.keys())),
        }
    }
    Ok(loaded)
}

/// The error about an address that the manifest does not have, with the nearest that it has.
pub fn no_such_address<'a>(text: &str, known: impl Iterator<Item = &'a Address>) -> Failure {
    let known: Vec<String> = known.map(ToString::to_string).collect();
    let failure = Failure::usage(format!("the manifest has no `{text}`"));
    match did_you_mean(text, known.iter().map(String::as_str)) {
        Some(near) => failure.help(format!("did you mean `{near}`?")),
        None => failure.help("`lhprov render` prints every address"),
    }
}

/// Bundles the ports. Has to be called inside the runtime.
pub fn open(
    command: &'static str,
    global: &Global,
    run: &RunArgs,
    loaded: Loaded,
    sinks: Vec<Arc<dyn EventSink>>,
) -> Result<Session, Failure> {
    let events: Arc<dyn EventSink> = Arc::new(Fanout::new(sinks));
    let desired = &loaded.desired;
    let wanted = Wanted {
        site: desired.site,
        region: &desired.region,
        rate_limits: desired.rate_limits.clone(),
        sandbox: &run.sandbox,
    };
    let Connection { cloud, endpoint, sandbox, credentials } = connect(global, wanted, Arc::clone(&events))?;
    let signals = Signals::listen()?;
    events.emit(Event::Started {
        command,
        stack: desired.stack.to_string(),
        region: desired.region.clone(),
        endpoint: endpoint.clone(),
    });
    let context = Context {
        read: cloud.clone(),
        write: cloud,
        clock: Arc::new(SystemClock),
        events,
        store: load::store(global, desired.stack.as_str())?,
        endpoint_origin: endpoint_origin(global, sandbox),
        endpoint,
        assumed_account: global.assume_account.clone(),
        holder: host::holder(),
        locking: true,
        lock_timeout: run.lock_timeout,
        select: run.select.words(),
        seed: host::seed()?,
        lineage: host::lineage()?,
        beside: host::beside(),
        signals: signals.port(),
    };
    Ok(Session { loaded, context, sandbox, credentials, signals })
}

/// What chose the endpoint of this run.
fn endpoint_origin(global: &Global, sandbox: bool) -> &'static str {
    match (sandbox, &global.endpoint) {
        (true, _) if env::has_flag("--sandbox") => "--sandbox",
        (true, _) => "LHPROV_SANDBOX",
        (false, Some(_)) if env::has_flag("--endpoint") => "--endpoint",
        (false, Some(_)) => "LHPROV_ENDPOINT",
        (false, None) => "`site` in the manifest",
    }
}
