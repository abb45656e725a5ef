//! Saved plans as files: written by `plan --out`, read by `apply FILE` and `show FILE`.

use super::args::{ApplyArgs, ApplyCommand, Global, PlanArgs, SelectArgs};
use super::exit::Exit;
use super::failure::Failure;
use super::host::SystemClock;
use super::load::Loaded;
use crate::clock::Clock as _;
use crate::disk::{Disk as _, FileError, OsDisk, replace_file};
use crate::model::Timestamp;
use crate::model::digest::sha256_hex;
use crate::model::time::show_duration;
use crate::ops::{PlanReport, Stale};
use crate::plan::seal::{self, Actions, Asked, Bound, BoundState, Made, Moved, Saved, Seal, seal_document};
use crate::report::json::plan::FORMAT_VERSION;
use crate::sandbox::port::ENDPOINT as SANDBOX;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

/// Largest file that is read as a plan. A plan has some 2 KB for each instance.
const BYTES_MAX: u64 = 512 << 20;

/// So much two clocks may differ.
const AHEAD_MAX: Duration = Duration::from_secs(5 * 60);

/// A saved plan and its file.
pub struct SavedFile {
    /// The plan.
    pub saved: Saved,
    /// Its text.
    pub text: String,
    path: PathBuf,
    modified: Option<Timestamp>,
}

/// Reads a saved plan.
pub fn read(path: &Path) -> Result<SavedFile, Failure> {
    let shown = path.display();
    let unreadable = |error: &std::io::Error| {
        let failure = Failure::new(Exit::Error, format!("cannot read the plan {shown}: {error}"));
        match error.kind() {
            std::io::ErrorKind::NotFound => failure.help("check the path, or make one with `lhprov plan --out FILE`"),
            _ => failure.help("check the path"),
        }
    };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(|error| unreadable(&error))?;
    let modified = file.metadata().and_then(|metadata| metadata.modified()).ok().map(|time| {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    });
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes).map_err(|error| unreadable(&error))?;
    if bytes.len() as u64 > BYTES_MAX {
        let what = format!("cannot read the plan {shown}: it is larger than {} MiB", BYTES_MAX >> 20);
        return Err(Failure::new(Exit::Error, what).help("check the path, or make one with `lhprov plan --out FILE`"));
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        Failure::new(
            Exit::Error,
            format!("{shown} cannot be used: it is not UTF-8 (first at byte {at}), so no plan of lhprov"),
        )
        .help("make one with `lhprov plan --out FILE`")
    })?;
    let saved = seal::read(&text)
        .map_err(|error| Failure::new(Exit::Error, format!("{shown} cannot be used: {error}")).help(error.help()))?;
    Ok(SavedFile { saved, text, path: path.to_owned(), modified })
}

impl SavedFile {
    /// A clock that was ahead would lengthen every limit of a plan's age by as much.
    fn refuse_from_the_future(&self, at: Timestamp) -> Result<(), Failure> {
        let Some(ahead) = time_ahead(at, SystemClock.now()) else { return Ok(()) };
        let what = format!(
            "the saved plan {} is from the future: by its own time it was made {} after now",
            self.path.display(),
            show_duration(ahead)
        );
        Err(Failure::new(Exit::Stale, what)
            .help("one of the two clocks is wrong: compare `date -u` here and where the plan was made")
            .help("then make another with `lhprov plan --out FILE`, and look at it"))
    }

    /// Refuses a plan that is too old. Its age is counted from the time in it, else from that of the file: a plan that was made
    /// without a limit has no time in it, so that the same inputs give the same bytes.
    pub fn check_age(&self, limit: Option<Duration>) -> Result<(), Failure> {
        let made = self.saved.seal.made;
        let limit = [limit, made.map(Made::age_max)].into_iter().flatten().min();
        if let Some(at) = made.map(|made| made.at) {
            self.refuse_from_the_future(at)?;
        }
        let (Some(limit), Some(at)) = (limit, made.map(|made| made.at).or(self.modified)) else { return Ok(()) };
        let age = SystemClock.now().since(at);
        if age <= limit {
            return Ok(());
        }
        let what = format!(
            "the saved plan {} is stale: it is {} old, and {} is the limit",
            self.path.display(),
            show_duration(age),
            show_duration(limit)
        );
        let failure =
            Failure::new(Exit::Stale, what).help("make another with `lhprov plan --out FILE`, and look at it");
        Err(match made {
            Some(_) => failure,
            None => failure.help("its age is that of the file; plan with --max-plan-age to have its time in the plan"),
        })
    }

    /// The command line, with what the plan was made with where it says nothing. What it says must not be something else.
    pub fn over(&self, global: &Global, own: &ApplyCommand) -> Result<(Global, ApplyArgs), Failure> {
        let asked = &self.saved.seal.asked;
        let (mut global, mut apply) = (global.clone(), own.apply.clone());
        if self.saved.seal.bound.endpoint == SANDBOX && global.sandbox().is_none() {
            // Said before credentials are looked for: there may be none.
            let now = global.endpoint.clone().unwrap_or_else(|| "Tencent Cloud".to_owned());
            let moved =
                Moved { input: "endpoint".to_owned(), from_to: Some((SANDBOX.to_owned(), now)), is_identity: true };
            return Err(Failure::stale(&Stale::Elsewhere(vec![moved])));
        }
        let millis = |time: Option<Duration>| time.map(as_millis);
        let select = apply.run.select.words();
        let differs = [
            ("--only", !select.only.is_empty() && select.only != asked.only),
            ("--skip", !select.skip.is_empty() && select.skip != asked.skip),
            ("--replace", !apply.run.replace.is_empty() && apply.run.replace != asked.replace),
            ("--destroy", own.destroy && !asked.destroy),
            ("--purge", apply.run.purge && !asked.purge),
            ("--buy-anyway", apply.run.buy_anyway && !asked.buy_anyway),
            ("--confirm-gone", apply.run.confirm_gone && !asked.confirm_gone),
            ("--token-ttl", apply.run.token_ttl.is_some() && millis(apply.run.token_ttl) != asked.token_ttl_ms),
            (
                "--visibility-grace",
                apply.run.visibility_grace.is_some() && millis(apply.run.visibility_grace) != asked.visibility_grace_ms,
            ),
        ];
        let differs: Vec<&str> = differs.into_iter().filter(|(_, differs)| *differs).map(|(flag, _)| flag).collect();
        if !differs.is_empty() {
            let what = format!("the saved plan {} was not made with this: {}", self.path.display(), differs.join(", "));
            return Err(Failure::usage(what).help("leave it out, or make another plan with it"));
        }
        if global.file.is_empty() {
            global.file = asked.file.iter().map(PathBuf::from).collect();
        }
        global.state = global.state.or_else(|| asked.state.as_ref().map(PathBuf::from));
        let variables = &self.saved.seal.bound.variables;
        let value = |name: &String| Some((name.clone(), variables.get(name)?.clone()));
        global.saved_variables = asked.given.iter().filter_map(value).collect();
        let run = &mut apply.run;
        run.select = SelectArgs::of(&asked.only, &asked.skip);
        run.replace.clone_from(&asked.replace);
        run.purge = asked.purge;
        run.buy_anyway = asked.buy_anyway;
        run.confirm_gone = asked.confirm_gone;
        run.max_destroy = [run.max_destroy, asked.max_destroy].into_iter().flatten().min();
        run.token_ttl = asked.token_ttl_ms.map(Duration::from_millis);
        run.visibility_grace = asked.visibility_grace_ms.map(Duration::from_millis);
        apply.adopt |= asked.adopt;
        apply.allow_data_loss |= asked.allow_data_loss;
        apply.accept_no_refund |= asked.accept_no_refund;
        apply.accept_unknown_price |= asked.accept_unknown_price;
        // The plan is the approval.
        apply.yes = true;
        Ok((global, apply))
    }
}

fn as_millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

/// The inputs of this run, but for account and state.
pub fn bound(loaded: &Loaded, endpoint: &str) -> Bound {
    let Loaded { desired, sources } = loaded;
    let text_of = |id| (sources.path(id).to_owned(), sha256_hex(sources.text(id).as_bytes()));
    let salt = seal::salt(&desired.stack);
    let password = |(address, wanted): (&crate::model::Address, &crate::desired::DesiredInstance)| {
        Some((address.clone(), wanted.spec.password()?.fingerprint(&salt)))
    };
    Bound {
        tool: env!("CARGO_PKG_VERSION").to_owned(),
        plan_format: FORMAT_VERSION.to_owned(),
        stack: desired.stack.clone(),
        site: desired.site,
        region: desired.region.clone(),
        endpoint: endpoint.to_owned(),
        account: None,
        manifest: sources.files().into_iter().map(text_of).collect(),
        files: sources.side_files().iter().map(|(path, text)| (path.clone(), sha256_hex(text.as_bytes()))).collect(),
        secrets: desired.instances.iter().filter_map(password).collect(),
        variables: desired.variables.clone(),
        state: BoundState::default(),
    }
}

/// Refuses to save a plan where something else is.
pub fn check_target(path: &Path) -> Result<(), Failure> {
    match std::fs::metadata(path) {
        Ok(found) if !found.is_file() => {
            Err(Failure::usage(format!("--out {} is no file, and a plan is written as one", path.display())))
        }
        _ => Ok(()),
    }
}

/// Saves a plan, given the plan document's text.
pub fn write(
    path: &Path,
    document: &str,
    global: &Global,
    own: &PlanArgs,
    (loaded, endpoint, report): (&Loaded, &str, &PlanReport),
) -> Result<(), Failure> {
    let strings = |paths: &[PathBuf]| paths.iter().map(|path| path.display().to_string()).collect();
    let select = own.run.select.words();
    let made = own.save.max_plan_age.map(|age| Made { at: SystemClock.now(), age_max_ms: as_millis(age) });
    let account = report.prior.binding.account.clone();
    let seal = Seal {
        format: seal::FORMAT,
        bound: Bound { account, state: report.bound.clone().unwrap_or_default(), ..bound(loaded, endpoint) },
        asked: Asked {
            file: strings(&global.file),
            state: global.state.as_ref().map(|path| path.display().to_string()),
            given: loaded.desired.variables_given.clone(),
            only: select.only,
            skip: select.skip,
            replace: own.run.replace.clone(),
            destroy: own.save.destroy,
            purge: own.run.purge,
            buy_anyway: own.run.buy_anyway,
            confirm_gone: own.run.confirm_gone,
            max_destroy: own.run.max_destroy,
            adopt: own.save.adopt,
            allow_data_loss: own.save.allow_data_loss,
            accept_no_refund: own.save.accept_no_refund,
            accept_unknown_price: own.save.accept_unknown_price,
            token_ttl_ms: own.run.token_ttl.map(as_millis),
            visibility_grace_ms: own.run.visibility_grace.map(as_millis),
            price_tolerance: own.save.price_tolerance,
            refreshed: !own.no_refresh,
        },
        made,
        actions: Actions::of(&report.planned.plan),
    };
    let failed = |error: anyhow::Error| {
        Failure::of(Exit::Error, error).help("the plan was not saved: name another file with --out")
    };
    let text = seal_document(document, &seal).map_err(|error| failed(error.into()))?;
    let resolve = |source| FileError { operation: "find", path: path.to_owned(), source };
    let path = OsDisk.resolve(path).map_err(|source| failed(resolve(source).into()))?;
    replace_file(&OsDisk, &path, None, text.as_bytes()).map_err(|error| failed(error.into()))
}

/// By how much a time is later than now, where no two clocks differ by as much.
fn time_ahead(at: Timestamp, now: Timestamp) -> Option<Duration> {
    Some(at.since(now)).filter(|ahead| *ahead > AHEAD_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_time_that_no_clock_explains_is_the_future() {
        let now = Timestamp(1_780_000_000_000);
        assert_eq!(time_ahead(now, now), None);
        assert_eq!(time_ahead(Timestamp(now.0 - 86_400_000), now), None);
        assert_eq!(time_ahead(now.plus(AHEAD_MAX), now), None);
        let day = Duration::from_secs(86_400);
        assert_eq!(time_ahead(now.plus(day), now), Some(day));
    }
}
