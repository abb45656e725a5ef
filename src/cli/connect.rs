//! Which cloud a command talks to, and in whose name.

use super::args::{Global, SandboxFlags};
use super::env;
use super::failure::Failure;
use super::host::{self, SystemClock};
use crate::clock::Clock;
use crate::cloud::Transport;
use crate::cloud::client::{HttpClient, HttpOptions};
use crate::cloud::credential::{self, Surroundings};
use crate::cloud::endpoint::Endpoint;
use crate::cloud::paced::{CallRecord, Outcome, Paced};
use crate::cloud::port;
use crate::event::{Event, EventSink};
use crate::model::Site;
use crate::sandbox::fault::Faults;
use crate::sandbox::port::{ENDPOINT, InProcess};
use crate::sandbox::service::Service;
use crate::sandbox::settings::Settings;
use crate::sandbox::store::{Store, saved_settings};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

/// A cloud to talk to.
pub struct Connection {
    /// The ports.
    pub cloud: Arc<Paced<Arc<dyn Transport>>>,
    /// Endpoint URL, or `sandbox`.
    pub endpoint: String,
    /// Whether it is the sandbox.
    pub sandbox: bool,
}

/// What of the manifest a connection needs.
pub struct Wanted<'a> {
    /// Which Tencent Cloud.
    pub site: Site,
    /// The region in every request.
    pub region: &'a str,
    /// Calls a second, where the manifest says.
    pub rate_limits: BTreeMap<String, u32>,
    /// How the sandbox behaves, if it is the sandbox.
    pub sandbox: &'a SandboxFlags,
}

/// Sets a connection up; nothing is sent yet.
pub fn connect(global: &Global, wanted: Wanted<'_>, events: Arc<dyn EventSink>) -> Result<Connection, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let transport: Arc<dyn Transport> = match global.sandbox() {
        Some(folder) => Arc::new(in_process(&folder, &wanted, Arc::clone(&clock))?),
        None => Arc::new(over_http(global, &wanted, Arc::clone(&clock))?),
    };
    let endpoint = transport.endpoint();
    let cloud = Paced::new(transport, clock, host::seed()?)
        .with_rate_limits(wanted.rate_limits)
        .with_observer(Arc::new(move |call| events.emit(call_event(call))));
    Ok(Connection { cloud: Arc::new(cloud), sandbox: endpoint == ENDPOINT, endpoint })
}

/// The sandbox, kept in `folder`.
fn in_process(folder: &Path, wanted: &Wanted<'_>, clock: Arc<dyn Clock>) -> Result<InProcess, Failure> {
    let settings = settings(folder, wanted.sandbox, Some(wanted.site))?;
    let faults = faults(&settings, wanted.sandbox)?;
    let store = Store::open(folder, settings)?;
    Ok(InProcess::new(Arc::new(Service::new(store, faults)), clock, wanted.region))
}

/// The faults of the command line, and then those of the fault file.
pub fn faults(settings: &Settings, flags: &SandboxFlags) -> Result<Faults, Failure> {
    let mut list = flags.fault.clone();
    if let Some(path) = &flags.fault_file {
        let wrong = |why: &dyn std::fmt::Display| Failure::usage(format!("the fault file {}: {why}", path.display()));
        let text = std::fs::read_to_string(path).map_err(|error| wrong(&error))?;
        list.extend(Faults::parse_file(&text).map_err(|error| wrong(&error))?);
    }
    Ok(Faults::new(settings.seed, list))
}

/// The settings that a folder keeps, with what the command line says in their place.
pub fn settings(folder: &Path, flags: &SandboxFlags, site: Option<Site>) -> Result<Settings, Failure> {
    let kept = saved_settings(folder)?.unwrap_or_default();
    let settings = flags.over(Settings { site: site.unwrap_or(kept.site), ..kept });
    settings.check().map_err(|problem| Failure::usage(format!("the sandbox's settings: {problem}")))?;
    Ok(settings)
}

fn over_http(global: &Global, wanted: &Wanted<'_>, clock: Arc<dyn Clock>) -> Result<HttpClient, Failure> {
    let endpoint = match &global.endpoint {
        Some(text) => Endpoint::parse(text)?,
        None => Endpoint::of_site(wanted.site),
    };
    let home = env::home();
    let found = credential::find(&Surroundings {
        variable: &env::variable,
        home: home.as_deref(),
        profile: global.profile.as_deref(),
    })?;
    tracing::info!(source = %found.source, endpoint = %endpoint.url(port::Service::Lighthouse), "credentials");
    let mut options = HttpOptions::new(endpoint, wanted.region, found.credential);
    options.ca_file.clone_from(&global.ca_file);
    options.proxy = env::proxy(&options.endpoint.host(port::Service::Lighthouse));
    Ok(HttpClient::new(options, clock)?)
}

fn call_event(call: CallRecord) -> Event {
    let CallRecord { action, started, duration, request_id, outcome } = call;
    let outcome = match outcome {
        Outcome::Done => "ok".to_owned(),
        Outcome::Failed { code: Some(code), .. } => code,
        Outcome::Failed { class, code: None } => format!("{class:?}"),
    };
    let duration_ms = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Event::Call { action: action.to_owned(), started_ms: started.0, duration_ms, outcome, request_id }
}
