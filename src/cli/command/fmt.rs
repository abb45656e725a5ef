//! `lhprov fmt`: manifests in the common form.

use crate::cli::args::{FmtArgs, Global};
use crate::cli::exit::Exit;
use crate::cli::failure::Failure;
use crate::diag::{Diagnostics, SourceId};
use crate::disk::{Disk as _, OsDisk, replace_file};
use crate::manifest::{Sources, format};
use crate::report::console::Console;
use crate::report::human::unified;
use crate::report::text::count;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What stands for stdin, and what it is called where it is shown.
const STDIN: &str = "-";
const STDIN_SHOWN: &str = "stdin";

/// Formats files, or tells how they differ from the common form.
pub fn run(global: &Global, own: &FmtArgs, console: Console) -> Result<Exit, Failure> {
    let is_stdin = |path: &PathBuf| path.as_os_str() == STDIN;
    if own.files.iter().any(is_stdin) {
        if own.files.len() > 1 {
            return Err(
                Failure::usage("`-` is the only text of its run").help("format the files with a command of their own")
            );
        }
        return format_stdin(own, console);
    }
    let named = if own.files.is_empty() { &global.file } else { &own.files };
    let mut diagnostics = Diagnostics::default();
    let mut sources = Sources::read(Path::new(""), named, &global.root, &mut diagnostics);
    let changed = changes(&mut sources, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(Failure::diagnostics(diagnostics, Arc::new(sources)));
    }
    if own.check {
        return check(&sources, &changed, console);
    }
    for (id, new) in &changed {
        write(&sources, *id, new)?;
        console.result(&format!("{}\n", sources.path(*id))).map_err(|error| Failure::output(&error))?;
    }
    Ok(Exit::Done)
}

/// Texts that are not in the common form, with what they are in it.
fn changes(sources: &mut Sources, diagnostics: &mut Diagnostics) -> Vec<(SourceId, String)> {
    let mut changed = Vec::new();
    for id in sources.ids() {
        let text = sources.text(id).to_owned();
        let (new, secrets) = format::format(&text, id, diagnostics);
        sources.mask(id, secrets);
        changed.extend(new.filter(|new| *new != text).map(|new| (id, new)));
    }
    changed
}

fn format_stdin(own: &FmtArgs, console: Console) -> Result<Exit, Failure> {
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .read_to_string(&mut text)
        .map_err(|error| Failure::new(Exit::Error, format!("cannot read stdin: {error}")))?;
    let mut sources = Sources::from_texts([(STDIN_SHOWN, text)]);
    let mut diagnostics = Diagnostics::default();
    let changed = changes(&mut sources, &mut diagnostics);
    if diagnostics.has_errors() {
        return Err(Failure::diagnostics(diagnostics, Arc::new(sources)));
    }
    if own.check {
        return check(&sources, &changed, console);
    }
    let text = match changed.first() {
        Some((_, new)) => new,
        None => sources.ids().first().map_or("", |id| sources.text(*id)),
    };
    console.result(text).map_err(|error| Failure::output(&error))?;
    Ok(Exit::Done)
}

fn check(sources: &Sources, changed: &[(SourceId, String)], console: Console) -> Result<Exit, Failure> {
    let shown: String = changed.iter().map(|(id, new)| unified::of_text(sources, *id, new, console.stdout)).collect();
    console.result(&shown).map_err(|error| Failure::output(&error))?;
    if changed.is_empty() {
        return Ok(Exit::Done);
    }
    let is = if changed.len() == 1 { "is" } else { "are" };
    let what = format!("{} {is} not in the common form", count(changed.len(), "file"));
    Err(Failure::new(Exit::Error, what).help("`lhprov fmt` puts them into it"))
}

/// Replaces the file at once: whoever reads it sees the old text or the new one.
fn write(sources: &Sources, id: SourceId, new: &str) -> Result<(), Failure> {
    let path = OsDisk
        .resolve(sources.path(id).as_ref())
        .map_err(|error| Failure::new(Exit::Error, format!("cannot find {}: {error}", sources.path(id))))?;
    let old = OsDisk
        .read(&path)
        .map_err(|error| Failure::new(Exit::Error, format!("cannot read {}: {error}", path.display())))?;
    let Some(new) = sources.rewritten(id, &old, new) else {
        return Err(Failure::new(Exit::Error, format!("{} has changed while this was running", sources.path(id)))
            .help("it was left alone; run the command again"));
    };
    replace_file(&OsDisk, &path, None, &new).map_err(|error| Failure::of(Exit::Error, error))
}
