//! GitHub Actions: errors and warnings at their lines, and a summary of the step.
//!
//! Annotations go to stderr, which the runner reads like stdout: results stay what they are.

use super::env;
use crate::diag::Diagnostics;
use crate::manifest::Sources;
use crate::report::annotations::annotations;
use crate::report::console::Console;
use crate::report::human::diagnostic;
use crate::report::markdown::{LIMIT_MIN, Page};
use std::fs::OpenOptions;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

/// Most bytes of a step's summary (GitHub: 1 MiB for each step; a larger one is not shown at all).
const SUMMARY_MAX: usize = 1024 * 1024;

/// Says errors and warnings, and marks their places where a runner of GitHub reads along.
pub fn say_problems(diagnostics: &Diagnostics, sources: &Sources, console: Console) {
    console.say(&diagnostic::render(diagnostics, sources, console.stderr.is_coloured()));
    annotate(diagnostics, sources, console);
}

/// Marks the places of errors and warnings.
pub fn annotate(diagnostics: &Diagnostics, sources: &Sources, console: Console) {
    if console.annotates {
        console.say(&annotations(diagnostics, sources, &in_repository));
    }
}

/// A path as the repository knows it. The runner takes it from there, whatever folder the command runs in.
fn in_repository(path: &str) -> String {
    let here = env::folder().unwrap_or_default();
    let root = env::variable("GITHUB_WORKSPACE").map_or_else(|| here.clone(), PathBuf::from);
    let whole = normal(&here.join(path));
    let shown = whole.strip_prefix(normal(&root)).map_or_else(|_| PathBuf::from(path), Path::to_owned);
    shown.to_string_lossy().into_owned()
}

/// A path without `.` and `..`, as far as words tell.
fn normal(path: &Path) -> PathBuf {
    use std::path::Component;
    path.components().fold(PathBuf::new(), |mut out, component| {
        match component {
            Component::CurDir => {}
            Component::ParentDir if out.file_name().is_some() => {
                out.pop();
            }
            other => out.push(other),
        }
        out
    })
}

/// Whether the step has a summary.
pub fn has_summary() -> bool {
    env::is_github_actions() && env::variable("GITHUB_STEP_SUMMARY").is_some()
}

/// Appends a page to the step's summary. Whether that is possible decides nothing about the run.
pub fn append_to_summary(page: &Page, console: Console) {
    let Some(path) = env::variable("GITHUB_STEP_SUMMARY") else { return };
    if let Err(error) = append(page, Path::new(&path)) {
        console.say(&format!("warning: failed to write the summary of the step to {path}: {error}\n"));
    }
}

fn append(page: &Page, path: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    let there = usize::try_from(file.metadata()?.len()).unwrap_or(usize::MAX);
    // A line of its own, whatever an earlier command of the step left behind.
    let room = SUMMARY_MAX.saturating_sub(there).saturating_sub(1);
    if room < LIMIT_MIN {
        return Err(io::Error::other("it is full; a step's summary has at most 1 MiB"));
    }
    file.write_all(format!("\n{}", page.render(room)).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(entries: usize) -> Page {
        use crate::report::markdown::failure;
        failure("plan", None, "x", &format!("{}\n", "y".repeat(900)).repeat(entries))
    }

    #[test]
    fn a_summary_grows_to_its_limit_and_no_further() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("summary.md");
        let length = || usize::try_from(std::fs::metadata(&path).unwrap().len()).unwrap();
        append(&page(10), &path).unwrap();
        let first = length();
        assert!((9_000..10_000).contains(&first), "{first}");
        append(&page(5000), &path).unwrap();
        assert!(length() <= SUMMARY_MAX && length() > SUMMARY_MAX - 2000, "{}", length());
        let error = append(&page(10), &path).unwrap_err();
        assert!(error.to_string().contains("full"), "{error}");
        assert!(length() <= SUMMARY_MAX);
    }

    #[test]
    fn paths_lose_their_detours() {
        assert_eq!(normal(Path::new("/a/./b/../c/x.yaml")), PathBuf::from("/a/c/x.yaml"));
        assert_eq!(normal(Path::new("/../x")), PathBuf::from("/../x"));
    }
}
