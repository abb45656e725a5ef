//! `lhprov auth whoami`: in whose name requests go out.

use crate::cli::args::{AuthArgs, AuthCommand, Global, WhoamiArgs};
use crate::cli::connect::{Connection, Wanted, connect};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::cli::host::{self, SystemClock};
use crate::cli::load;
use crate::cli::signals::Signals;
use crate::clock::Clock as _;
use crate::cloud::credential::{CredentialError, Found, Issued, Origin, Source};
use crate::model::Site;
use crate::model::time::show_duration;
use crate::ops::{self, Identity};
use crate::report::console::Console;
use crate::report::human::table::table;
use crate::report::sink::Fanout;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Region of a question that has none: every request names one, and this one is open to all.
const ANY_REGION: &str = "ap-guangzhou";

/// Runs a command of `auth`.
pub fn run(global: &Global, own: &AuthArgs, console: Console) -> Result<Exit, Failure> {
    match &own.command {
        AuthCommand::Whoami(own) => whoami(global, own, console),
    }
}

/// What is known of the credentials.
struct Known {
    found: Option<Found>,
    issued: Option<Arc<Issued>>,
    identity: Identity,
    endpoint: String,
    /// What the manifest says of the account, where it says anything.
    allowed: Option<bool>,
}

fn whoami(global: &Global, own: &WhoamiArgs, console: Console) -> Result<Exit, Failure> {
    let (site, region, allowed) = place(global, console)?;
    let runtime = host::runtime()?;
    let asked = runtime.block_on(async {
        let wanted = Wanted { site, region: &region, rate_limits: BTreeMap::new(), sandbox: &own.sandbox };
        let connection = connect(global, wanted, Arc::new(Fanout::default()))?;
        let signals = Signals::listen()?;
        tokio::select! {
            biased;
            signal = signals.early() => Ok(Err(Exit::Interrupted(signal))),
            known = ask(&connection, &allowed) => known.map(Ok),
        }
    });
    runtime.shutdown_background();
    let known = match asked? {
        Ok(known) => known,
        Err(exit) => return Ok(exit),
    };
    let text = match own.format.is_json() {
        true => format!("{:#}\n", document(&known)),
        false => table(&[], &rows(&known), 0, console.stdout),
    };
    console.result(&text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

/// Site, region and allowed accounts: those of the manifest, where there is one.
fn place(global: &Global, console: Console) -> Result<(Site, String, Vec<String>), Failure> {
    let named = || global.region.clone();
    if !load::has_manifest(global) {
        return Ok((Site::China, named().unwrap_or_else(|| ANY_REGION.to_owned()), Vec::new()));
    }
    let loaded = load::load(global, console)?.desired;
    Ok((loaded.site, named().unwrap_or(loaded.region), loaded.allowed_accounts))
}

async fn ask(connection: &Connection, allowed: &[String]) -> Result<Known, Failure> {
    let (mut found, mut issued) = (None, None);
    if let Some(credentials) = &connection.credentials {
        let current = credentials.current().await;
        issued = Some(current.map_err(|error| explain_credentials(error, credentials.found()))?);
        found = Some(credentials.found().clone());
    }
    let identity = ops::identity(connection.cloud.as_ref()).await.map_err(|error| {
        let failure = Failure::from(error);
        match &found {
            Some(found) => failure.help(format!("the credentials come from: {found}")),
            None => failure,
        }
    })?;
    let is_allowed = allowed.contains(&identity.account);
    let allowed = (!allowed.is_empty()).then_some(is_allowed);
    Ok(Known { found, issued, identity, endpoint: connection.endpoint.clone(), allowed })
}

fn explain_credentials(error: Arc<CredentialError>, found: &Found) -> Failure {
    let names_no_source = matches!(*error, CredentialError::Nothing { .. });
    let failure = Failure::from(error);
    if names_no_source { failure } else { failure.help(format!("the credentials come from: {found}")) }
}

/// Enough of the public half to tell one key from another.
fn shortened(secret_id: &str) -> String {
    // Ids are ASCII, which was checked where they were read.
    match secret_id.len() {
        12.. => format!("{}…{}", &secret_id[..4], &secret_id[secret_id.len() - 4..]),
        _ => "…".to_owned(),
    }
}

fn rows(known: &Known) -> Vec<Vec<String>> {
    let mut rows: Vec<(&str, String)> = Vec::new();
    match &known.found {
        Some(found) => rows.push(("credentials", found.to_string())),
        None => rows.push(("credentials", "none: the sandbox asks for none".to_owned())),
    }
    rows.push(("account", known.identity.account.clone()));
    if !known.identity.principal.is_empty() {
        rows.push(("principal", known.identity.principal.clone()));
    }
    if !known.identity.kind.is_empty() {
        rows.push(("type", known.identity.kind.clone()));
    }
    if let Some(issued) = &known.issued {
        rows.push(("secret id", shortened(&issued.credential.secret_id)));
        rows.push(("expires", expiry(issued)));
    }
    if let Some(allowed) = known.allowed {
        let word = if allowed { "yes" } else { "no: a plan or an apply is refused" };
        rows.push(("allowed", format!("{word} (`allowed_accounts` of the manifest)")));
    }
    rows.push(("asked", known.endpoint.clone()));
    for (at, place) in known.found.iter().flat_map(|found| &found.looked_at).enumerate() {
        rows.push((if at == 0 { "looked at" } else { "" }, place.clone()));
    }
    rows.into_iter().map(|(name, value)| vec![name.to_owned(), value]).collect()
}

fn expiry(issued: &Issued) -> String {
    match (issued.expires, &issued.credential.token) {
        (Some(expires), _) => format!("{expires} (in {})", show_duration(expires.since(SystemClock.now()))),
        (None, Some(_)) => "not known: they are temporary, and only who gave them knows".to_owned(),
        (None, None) => "never".to_owned(),
    }
}

fn document(known: &Known) -> Value {
    let (mut source, mut looked_at) = (json!({"link": "sandbox"}), json!([]));
    if let Some(found) = &known.found {
        let link = match &found.source {
            Source::Environment => "environment",
            Source::Profile { .. } => "profile",
            Source::Machine => "machine",
            _ => "given",
        };
        source = json!({"link": link, "description": found.to_string()});
        if let Source::Profile { name, path } = &found.source {
            source["profile"] = json!(name);
            source["file"] = json!(path);
        }
        if let Origin::Role { role, .. } = &found.origin {
            source["role_arn"] = json!(role.arn);
            source["role_session_name"] = json!(role.session);
        }
        looked_at = json!(found.looked_at);
    }
    let issued = known.issued.as_deref();
    json!({
        "format_version": "1.0",
        "source": source,
        "looked_at": looked_at,
        "account": known.identity.account,
        "principal": known.identity.principal,
        "type": known.identity.kind,
        "secret_id": issued.map(|issued| shortened(&issued.credential.secret_id)),
        "temporary": issued.is_some_and(|issued| issued.credential.token.is_some()),
        "expires": issued.and_then(|issued| issued.expires).map(|expires| expires.to_string()),
        "allowed": known.allowed,
        "endpoint": known.endpoint,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_shortened() {
        assert_eq!(shortened("AKIDEXAMPLEEXAMPLE0001"), "AKID…0001");
        assert_eq!(shortened("AKIDEXAMPLE"), "…");
    }
}
