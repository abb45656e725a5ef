//! The texts of a run: reads manifest files and the files they name, and finds lines and columns in them.
//!
//! The only part of the manifest that touches the disk. It only reads.

use super::root::{Refusal, Roots, is_typed_device};
use super::schema::Text;
use crate::diag::{Diagnostic, Diagnostics, SourceId, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The manifest when no `-f` is given.
pub const MANIFEST_DEFAULT: &str = "lighthouse.yaml";

/// What an editor may have put before the text.
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Largest manifest file. 64 MiB is some 150,000 blocks, more than a stack may
/// have instances; and spans count bytes in 32 bits.
pub const SOURCE_BYTES_MAX: u64 = 64 << 20;

/// Largest file that a `{file: PATH}` may name. What the API takes is far smaller and is checked where it is known.
pub const SIDE_FILE_BYTES_MAX: u64 = 1 << 20;

/// One text.
struct Source {
    /// As the user gave it.
    path: String,
    /// Where relative paths inside it start.
    folder: PathBuf,
    /// Where the files that it names must be.
    roots: Roots,
    text: String,
    /// Byte at which each line starts.
    lines: Vec<u32>,
    /// Byte ranges that must not be shown: passwords written as they are.
    secrets: Vec<Span>,
}

/// All texts of a run, by `SourceId`.
#[derive(Default)]
pub struct Sources {
    files: Vec<Source>,
    /// Where relative paths of the command line start.
    directory: PathBuf,
    /// The folders of `--root`.
    given_roots: Vec<PathBuf>,
    /// Those that are manifests, in the order of the command line; included ones are not among them.
    manifests: Vec<SourceId>,
    /// Manifests by the file that they really are.
    by_file: BTreeMap<PathBuf, SourceId>,
    /// Texts that stand for those of manifests on disk: what they would be after a change.
    instead: BTreeMap<PathBuf, String>,
    /// Files named by values, each read once however many blocks name it.
    side_files: Mutex<BTreeMap<PathBuf, SideFile>>,
}

/// A file named by a value.
struct SideFile {
    text: Result<String, String>,
    is_secret: bool,
}

impl fmt::Debug for Sources {
    // Texts may hold a password that should not be there, and files one that should.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.files.iter().map(|source| &source.path)).finish()
    }
}

/// A place as people write it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Path as the user gave it.
    pub path: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Sources {
    /// Reads `paths` (or `lighthouse.yaml` if there are none); relative ones start at `directory`. A directory stands for
    /// its `*.yaml` and `*.yml` in order of name, without those that begin with a dot. A file reached twice is read once.
    ///
    /// Files that a manifest names must be in one of `roots`; without any, in the repository or folder of the manifest.
    pub fn read(directory: &Path, paths: &[PathBuf], roots: &[PathBuf], diagnostics: &mut Diagnostics) -> Self {
        let mut sources = Self { directory: directory.to_owned(), given_roots: roots.to_owned(), ..Self::default() };
        let default = [PathBuf::from(MANIFEST_DEFAULT)];
        for path in if paths.is_empty() { &default[..] } else { paths } {
            for shown in expand_directory(directory, path, diagnostics) {
                let file = directory.join(&shown);
                match sources.command_line_manifest(&shown, &file) {
                    Ok((_, true)) => {}
                    Ok((id, false)) => sources.manifests.push(id),
                    Err(problem) => diagnostics.push(unreadable(&shown, &problem, paths.is_empty())),
                }
            }
        }
        sources
    }

    /// Reads a manifest of the command line, and whether it was read before. A link in a repository can lead anywhere, so what
    /// it leads to must be in the root as well.
    fn command_line_manifest(&mut self, shown: &Path, file: &Path) -> Result<(SourceId, bool), ReadProblem> {
        let roots = Roots::of(&self.given_roots, file);
        let real = match is_typed_device(shown) {
            true => file.to_owned(),
            false => roots.admit(file)?,
        };
        self.manifest(shown, file, real, roots)
    }

    /// Reads a manifest, and whether it was read before.
    fn manifest(
        &mut self,
        shown: &Path,
        file: &Path,
        real: PathBuf,
        roots: Roots,
    ) -> Result<(SourceId, bool), ReadProblem> {
        if let Some(id) = self.by_file.get(&real) {
            return Ok((*id, true));
        }
        let text = match self.instead.get(&real) {
            Some(text) => text.clone(),
            None => read_text(&real, SOURCE_BYTES_MAX)?,
        };
        let id = self.add(shown, file, roots, text);
        self.by_file.insert(real, id);
        Ok((id, false))
    }

    /// Reads what a manifest includes, a directory being its files. Each with whether it was read before.
    pub(super) fn include(
        &mut self,
        from: SourceId,
        path: &Text,
        diagnostics: &mut Diagnostics,
    ) -> Vec<(SourceId, bool)> {
        let Some(including) = self.get(from) else { return Vec::new() };
        let (folder, roots) = (including.folder.clone(), including.roots.clone());
        let shown_folder = Path::new(&including.path).parent().unwrap_or(Path::new("")).to_owned();
        let mut found = Vec::new();
        let mut problems = Diagnostics::default();
        let named = match roots.admit(&folder.join(&path.value)) {
            Ok(_) => expand_directory(&folder, Path::new(&path.value), &mut problems),
            Err(problem) => {
                problems.push(unreadable(&shown_folder.join(&path.value), &problem, false));
                Vec::new()
            }
        };
        for relative in named {
            let (shown, file) = (shown_folder.join(&relative), folder.join(&relative));
            let read = roots.admit(&file).and_then(|real| self.manifest(&shown, &file, real, roots.clone()));
            match read {
                Ok(read) => found.push(read),
                Err(problem) => problems.push(unreadable(&shown, &problem, false)),
            }
        }
        for mut problem in problems.into_vec() {
            if problem.code != "file-refused" {
                problem.help = vec!["a relative path starts at the folder of the manifest that includes it".to_owned()];
            }
            diagnostics.push(problem.at(path.span));
        }
        found
    }

    /// Reads a file of values; a relative path starts where those of manifests do. None if that fails, which is reported.
    pub(super) fn add_file(&mut self, path: &Path, diagnostics: &mut Diagnostics) -> Option<SourceId> {
        let file = self.directory.join(path);
        let roots = Roots::of(&self.given_roots, &file);
        let real = if is_typed_device(path) { Ok(file.clone()) } else { roots.admit(&file) };
        match real.and_then(|real| read_text(&real, SOURCE_BYTES_MAX)) {
            Ok(text) => Some(self.add(path, &file, roots, text)),
            Err(problem) => {
                let summary = format!("cannot read the variables in `{}`: {problem}", path.display());
                diagnostics.push(problem.help(Diagnostic::error("var-file", summary)));
                None
            }
        }
    }

    /// A text that comes from elsewhere, with what to show as its path.
    pub(super) fn add_text(&mut self, shown: String, text: &str) -> SourceId {
        self.add(Path::new(&shown), Path::new(""), Roots::default(), text.to_owned())
    }

    /// From texts at hand, each with the path to show for it. Files that they name are looked for beside those paths.
    pub fn from_texts(texts: impl IntoIterator<Item = (impl Into<String>, impl Into<String>)>) -> Self {
        let mut sources = Self::default();
        for (path, text) in texts {
            let path = PathBuf::from(path.into());
            let id = sources.add(&path, &path, Roots::of(&[], &path), text.into());
            sources.by_file.insert(fs::canonicalize(&path).unwrap_or_else(|_| path.clone()), id);
            sources.manifests.push(id);
        }
        sources
    }

    /// The bytes of a file of `old` bytes once its text `id` is `new`: a mark of the byte order is no part of the text, and
    /// stays. None if the file is no longer what was read.
    pub fn rewritten(&self, id: SourceId, old: &[u8], new: &str) -> Option<Vec<u8>> {
        let length = if old.starts_with(BYTE_ORDER_MARK.as_bytes()) { BYTE_ORDER_MARK.len() } else { 0 };
        let (mark, text) = old.split_at(length);
        (text == self.text(id).as_bytes()).then(|| [mark, new.as_bytes()].concat())
    }

    fn add(&mut self, shown: &Path, file: &Path, roots: Roots, mut text: String) -> SourceId {
        let id = SourceId(u32::try_from(self.files.len()).unwrap_or(u32::MAX));
        if text.starts_with(BYTE_ORDER_MARK) {
            text.remove(0);
        }
        let mut lines = vec![0];
        let after = |(at, _)| u32::try_from(at + 1).unwrap_or(u32::MAX);
        lines.extend(text.match_indices('\n').map(after));
        self.files.push(Source {
            path: shown.display().to_string(),
            folder: file.parent().unwrap_or(Path::new("")).to_owned(),
            roots,
            text,
            lines,
            secrets: Vec::new(),
        });
        id
    }

    /// The manifests that the command line names, in its order.
    pub fn ids(&self) -> Vec<SourceId> {
        self.manifests.clone()
    }

    /// Every manifest: those of the command line in its order, then those that they include.
    pub fn files(&self) -> Vec<SourceId> {
        let mut ids = self.manifests.clone();
        let included: BTreeSet<SourceId> =
            self.by_file.values().copied().filter(|id| !self.manifests.contains(id)).collect();
        ids.extend(included);
        ids
    }

    /// The manifests of the command line again, with another text for `id`. What they include is read when they are parsed.
    pub fn with_text(&self, id: SourceId, new: &str) -> Self {
        let real = self.by_file.iter().find(|(_, known)| **known == id).map(|(real, _)| real.clone());
        let mut sources = Self {
            directory: self.directory.clone(),
            given_roots: self.given_roots.clone(),
            instead: real.map(|real| (real, new.to_owned())).into_iter().collect(),
            ..Self::default()
        };
        for other in &self.manifests {
            let shown = PathBuf::from(self.path(*other));
            let file = self.directory.join(&shown);
            let again = match sources.command_line_manifest(&shown, &file) {
                Ok((id, _)) => id,
                // It was there a moment ago: what it said then, or what it is to say.
                Err(_) => {
                    let roots = Roots::of(&self.given_roots, &file);
                    let text = if *other == id { new } else { self.text(*other) };
                    sources.add(&shown, &file, roots, text.to_owned())
                }
            };
            sources.manifests.push(again);
        }
        sources
    }

    /// Every text that was read: manifests, what they include, values of variables.
    pub fn all(&self) -> Vec<SourceId> {
        (0..u32::try_from(self.files.len()).unwrap_or(u32::MAX)).map(SourceId).collect()
    }

    /// A text; empty for an id of another run.
    pub fn text(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.text)
    }

    /// The path of a text as the user gave it.
    pub fn path(&self, id: SourceId) -> &str {
        self.get(id).map_or("", |source| &source.path)
    }

    fn get(&self, id: SourceId) -> Option<&Source> {
        self.files.get(id.0 as usize)
    }

    /// Notes places whose text is secret: `line_for_display` does not show them.
    pub fn mask(&mut self, id: SourceId, secrets: Vec<Span>) {
        if let Some(source) = self.files.get_mut(id.0 as usize) {
            source.secrets.extend(secrets);
        }
    }

    /// Where a span starts.
    pub fn location(&self, span: Span) -> Location {
        let Some(source) = self.get(span.source) else {
            return Location { path: String::new(), line: 1, column: 1 };
        };
        let line = self.line_of(span.source, span.start);
        let start = source.lines.get(line).map_or(0, |start| *start as usize);
        let before = source.text.get(start..span.start as usize).unwrap_or("");
        Location { path: source.path.clone(), line: line + 1, column: before.chars().count() + 1 }
    }

    /// The line, from 0, that holds byte `offset`.
    pub fn line_of(&self, id: SourceId, offset: u32) -> usize {
        self.get(id).map_or(0, |source| source.lines.partition_point(|start| *start <= offset).saturating_sub(1))
    }

    /// The text of a line (from 0), not for display.
    pub(super) fn line(&self, id: SourceId, line: usize) -> Option<&str> {
        let source = self.get(id)?;
        let start = *source.lines.get(line)? as usize;
        let end = source.lines.get(line + 1).map_or(source.text.len(), |end| *end as usize);
        source.text.get(start..end)
    }

    /// First byte and text of a line (from 0) without its line break, secrets blotted out byte by byte.
    pub fn line_for_display(&self, id: SourceId, line: usize) -> Option<(u32, String)> {
        let source = self.get(id)?;
        let start = *source.lines.get(line)?;
        let text = self.line(id, line)?.trim_end_matches(['\n', '\r']);
        let mut shown = String::with_capacity(text.len());
        let guessed = guess_secret(text);
        for (offset, character) in text.char_indices() {
            let place = start + u32::try_from(offset).unwrap_or(u32::MAX);
            let secret = source.secrets.iter().any(|span| (span.start..span.end).contains(&place))
                || guessed.as_ref().is_some_and(|range| range.contains(&offset));
            if secret && !character.is_whitespace() {
                shown.extend(std::iter::repeat_n('*', character.len_utf8()));
            } else {
                shown.push(character);
            }
        }
        Some((start, shown))
    }

    /// Reads a file that a value of text `id` names; relative paths start at that text's folder. The error is a fragment
    /// that follows "cannot read `PATH`: ".
    pub fn read_beside(&self, id: SourceId, path: &str) -> Result<String, String> {
        self.side_file(id, path, false)
    }

    /// `read_beside` for a file that holds a password.
    pub fn read_secret_beside(&self, id: SourceId, path: &str) -> Result<String, String> {
        self.side_file(id, path, true)
    }

    fn side_file(&self, id: SourceId, path: &str, is_secret: bool) -> Result<String, String> {
        let (folder, roots) =
            self.get(id).map(|source| (source.folder.clone(), source.roots.clone())).unwrap_or_default();
        let mut files = self.side_files.lock().unwrap_or_else(PoisonError::into_inner);
        let read = files.entry(folder.join(path)).or_insert_with_key(|file| SideFile {
            text: roots
                .admit(file)
                .and_then(|real| read_text(&real, SIDE_FILE_BYTES_MAX))
                .map_err(|problem| problem.to_string()),
            is_secret: false,
        });
        read.is_secret |= is_secret;
        read.text.clone()
    }

    /// Paths and texts of the files that values name, without those that hold a password.
    pub fn side_files(&self) -> BTreeMap<String, String> {
        let files = self.side_files.lock().unwrap_or_else(PoisonError::into_inner);
        let open = files.iter().filter(|(_, file)| !file.is_secret);
        open.filter_map(|(path, file)| Some((path.display().to_string(), file.text.clone().ok()?))).collect()
    }
}

/// The part of a line that looks like a password written as it is. A text that does not parse has no spans to go by, and
/// its error must not show the password either. Better a word too many than a character too few.
fn guess_secret(line: &str) -> Option<Range<usize>> {
    let key = line.match_indices("password").map(|(at, _)| at).find(|at| {
        let before = line[..*at].chars().next_back();
        let after = line[at + "password".len()..].trim_start_matches(['"', '\'', ' ', '\t']);
        before.is_none_or(|c| !c.is_alphanumeric() && c != '_') && after.starts_with(':')
    })?;
    let colon = key + line[key..].find(':')?;
    let value = &line[colon + 1..];
    let start = colon + 1 + (value.len() - value.trim_start().len());
    let rest = &line[start..];
    let unquoted = rest.trim_start_matches(['"', '\'']);
    if unquoted.starts_with("${env:") || rest.starts_with('{') {
        return None;
    }
    let end = match rest.chars().next() {
        Some(quote @ ('"' | '\'')) => rest[1..].find(quote).map(|at| at + 2),
        // In a map of one line a comma or a brace ends the value; elsewhere both may be part of it.
        _ if line[..key].contains('{') => rest.find([',', '}']),
        _ => None,
    };
    Some(start..start + end.unwrap_or(rest.len()))
}

/// Why a file cannot be used.
#[derive(Debug, thiserror::Error)]
pub(super) enum ReadProblem {
    #[error("{0}")]
    Io(io::Error),
    #[error("{0}")]
    Refused(Refusal),
    #[error("it is larger than {} MiB", .0 >> 20)]
    TooLarge(u64),
    #[error("it is not UTF-8 (first at line {line}, byte {byte} of the file)")]
    NotUtf8 { line: usize, byte: usize },
}

impl ReadProblem {
    /// Adds the way to let the file be read, where there is one.
    fn help(&self, diagnostic: Diagnostic) -> Diagnostic {
        match self {
            Self::Refused(Refusal::Outside(_)) => diagnostic.help(ROOT_HELP),
            _ => diagnostic,
        }
    }
}

/// How a file outside of the root can be read after all.
const ROOT_HELP: &str = "move it into that folder, or pass `--root FOLDER` for a folder that holds all of them";

fn read_text(file: &Path, bytes_max: u64) -> Result<String, ReadProblem> {
    let mut bytes = Vec::new();
    let read = File::open(file).and_then(|file| file.take(bytes_max + 1).read_to_end(&mut bytes));
    read.map_err(ReadProblem::Io)?;
    if bytes.len() as u64 > bytes_max {
        return Err(ReadProblem::TooLarge(bytes_max));
    }
    String::from_utf8(bytes).map_err(|error| {
        let byte = error.utf8_error().valid_up_to();
        let line = error.as_bytes()[..byte].iter().filter(|byte| **byte == b'\n').count() + 1;
        ReadProblem::NotUtf8 { line, byte }
    })
}

fn unreadable(shown: &Path, problem: &ReadProblem, by_default: bool) -> Diagnostic {
    let shown = shown.display();
    match problem {
        ReadProblem::Io(error) if error.kind() == io::ErrorKind::NotFound => {
            let diagnostic = Diagnostic::error("manifest-not-found", format!("there is no manifest `{shown}`"));
            if by_default {
                diagnostic.help("name the manifest with `-f FILE`, or a directory of manifests with `-f DIRECTORY`")
            } else {
                diagnostic
                    .help("check the path: a relative one starts at the working directory, or at that of `--chdir`")
            }
        }
        ReadProblem::NotUtf8 { .. } => {
            Diagnostic::error("manifest-unreadable", format!("cannot read `{shown}`: {problem}"))
                .help("save the file as UTF-8")
        }
        ReadProblem::Refused(_) => {
            problem.help(Diagnostic::error("file-refused", format!("will not read `{shown}`: {problem}")))
        }
        _ => Diagnostic::error("manifest-unreadable", format!("cannot read `{shown}`: {problem}")),
    }
}

/// The files that a path given by the user stands for.
fn expand_directory(directory: &Path, path: &Path, diagnostics: &mut Diagnostics) -> Vec<PathBuf> {
    let folder = directory.join(path);
    if !folder.is_dir() {
        return vec![path.to_owned()];
    }
    let listed = fs::read_dir(&folder).and_then(|entries| entries.map(|entry| Ok(entry?.file_name())).collect());
    let names: Vec<std::ffi::OsString> = match listed {
        Ok(names) => names,
        Err(error) => {
            diagnostics.push(unreadable(path, &ReadProblem::Io(error), false));
            return Vec::new();
        }
    };
    let mut files: Vec<PathBuf> = names
        .into_iter()
        .filter(|name| !name.to_string_lossy().starts_with('.'))
        .map(PathBuf::from)
        .filter(|name| name.extension().is_some_and(|end| end == "yaml" || end == "yml"))
        .filter(|name| !folder.join(name).is_dir())
        .map(|name| path.join(name))
        .collect();
    files.sort();
    if files.is_empty() {
        diagnostics.push(
            Diagnostic::error("manifest-not-found", format!("the directory `{}` holds no manifest", path.display()))
                .detail("Files whose names end in .yaml or .yml are read, those in folders below it are not."),
        );
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(folder: &Path, paths: &[&str]) -> (Sources, Vec<String>) {
        let paths: Vec<PathBuf> = paths.iter().map(PathBuf::from).collect();
        let mut diagnostics = Diagnostics::default();
        let sources = Sources::read(folder, &paths, &[], &mut diagnostics);
        (sources, diagnostics.sorted().into_iter().map(|diagnostic| diagnostic.summary).collect())
    }

    #[test]
    fn reads_files_and_directories_once_each_in_order() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("fleet")).unwrap();
        fs::create_dir(folder.path().join("empty")).unwrap();
        for name in ["fleet/b.yml", "fleet/a.yaml", "fleet/.hidden.yaml", "fleet/notes.txt", "lighthouse.yaml"] {
            fs::write(folder.path().join(name), "a: 1\n").unwrap();
        }
        fs::write(folder.path().join("latin.yaml"), b"a: 1\nb: \xe9\n").unwrap();
        let (sources, problems) = read(folder.path(), &["fleet", "fleet/a.yaml"]);
        assert_eq!(problems, Vec::<String>::new());
        let paths: Vec<&str> = sources.ids().into_iter().map(|id| sources.path(id)).collect();
        assert_eq!(paths, ["fleet/a.yaml", "fleet/b.yml"]);
        assert_eq!(read(folder.path(), &[]).0.ids().len(), 1);
        assert_eq!(read(folder.path(), &["empty"]).1, ["the directory `empty` holds no manifest"]);
        assert_eq!(read(folder.path(), &["none.yaml"]).1, ["there is no manifest `none.yaml`"]);
        assert_eq!(
            read(folder.path(), &["latin.yaml"]).1,
            ["cannot read `latin.yaml`: it is not UTF-8 (first at line 2, byte 8 of the file)"]
        );
        assert_eq!(sources.read_beside(SourceId(0), "notes.txt").as_deref(), Ok("a: 1\n"));
        assert!(sources.read_beside(SourceId(0), "../fleet").is_err());
    }

    #[test]
    fn refuses_what_is_too_large_without_reading_it_all() {
        let folder = tempfile::tempdir().unwrap();
        File::create(folder.path().join("big.yaml")).unwrap().set_len(SOURCE_BYTES_MAX + 5).unwrap();
        assert_eq!(read(folder.path(), &["big.yaml"]).1, ["cannot read `big.yaml`: it is larger than 64 MiB"]);
    }

    #[test]
    fn finds_columns_in_characters_and_hides_passwords() {
        let mut sources =
            Sources::from_texts([("m.yaml", "\u{feff}a: 1\r\n中文: x\n  {password: hunter2-X, b: 1}\nc: top")]);
        let id = SourceId(0);
        let text = sources.text(id).to_owned();
        let at = |needle: &str| {
            let start = u32::try_from(text.find(needle).unwrap()).unwrap();
            Span { source: id, start, end: start + 3 }
        };
        let place = sources.location(at("x\n"));
        assert_eq!((place.path.as_str(), place.line, place.column), ("m.yaml", 2, 5));
        assert_eq!(sources.line_for_display(id, 0), Some((0, "a: 1".to_owned())));
        assert_eq!(sources.line_for_display(id, 2).unwrap().1, "  {password: *********, b: 1}");
        for (line, hidden) in [
            ("password: a,b}c d", 6),
            ("- \"password\" : 'a}b', c: d", 5),
            ("password: |", 1),
            ("password: \"${env:X}\"", 0),
            ("password: {file: x}", 0),
            ("auto_generate_password: true", 0),
        ] {
            let sources = Sources::from_texts([("m.yaml", line)]);
            let shown = sources.line_for_display(id, 0).unwrap().1;
            assert_eq!(shown.matches('*').count(), hidden, "{shown}");
        }
        sources.mask(id, vec![at("top")]);
        assert_eq!(sources.line_for_display(id, 3).unwrap().1, "c: ***");
        assert_eq!(sources.line_for_display(id, 9), None);
    }
}
