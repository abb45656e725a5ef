//! Where the events of `--events` go: a file, or a descriptor that whoever started the process has opened.
//!
//! A number cannot be made a file without `unsafe`; the system's own folder of descriptors can be opened, and says before
//! that whether the number is one and may be written to.

use super::exit::Exit;
use super::failure::Failure;
use std::convert::Infallible;
use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// Value of `--events`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventsTo {
    /// A file; what is in it is replaced.
    File(PathBuf),
    /// A descriptor.
    Descriptor(u32),
    /// Something behind `fd:` that is no number.
    NoDescriptor(String),
}

impl FromStr for EventsTo {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text.strip_prefix("fd:") {
            None => Self::File(PathBuf::from(text)),
            Some(number) => number.parse().map_or_else(|_| Self::NoDescriptor(number.to_owned()), Self::Descriptor),
        })
    }
}

impl fmt::Display for EventsTo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Descriptor(number) => write!(f, "fd:{number}"),
            Self::NoDescriptor(text) => write!(f, "fd:{text}"),
        }
    }
}

impl EventsTo {
    /// Opens it.
    pub fn open(&self) -> Result<Box<dyn Write + Send>, Failure> {
        match self {
            Self::File(path) => match File::create(path) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(self.failed(&error)),
            },
            // These are open anyhow; opened a second time, what others write there would be written over.
            Self::Descriptor(1) => Ok(Box::new(io::stdout())),
            Self::Descriptor(2) => Ok(Box::new(io::stderr())),
            Self::Descriptor(number) => match open_descriptor(*number) {
                Ok(file) => Ok(Box::new(file)),
                Err(error) => Err(self.failed(&error).help(format!(
                    "open it where lhprov is started, for example `{number}>events.ndjson`, or name a file"
                ))),
            },
            Self::NoDescriptor(text) => Err(Failure::usage(format!("`fd:{text}` is not a descriptor"))
                .help("write a number, such as fd:3; a file of that name is `./fd:…`")),
        }
    }

    fn failed(&self, error: &io::Error) -> Failure {
        Failure::new(Exit::Error, format!("failed to write the events to {self}: {error}"))
    }
}

/// Opens a descriptor of this process for writing at its end.
fn open_descriptor(number: u32) -> io::Result<File> {
    let path = Path::new("/dev/fd").join(number.to_string());
    if let Some(flags) = flags(number)?
        && flags & ACCESS == READ_ONLY
    {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is open for reading only"));
    }
    // Truncated or not was decided by whoever opened it. A pipe has no end to append to, and takes it all the same.
    OpenOptions::new().append(true).open(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_open(),
        _ => error,
    })
}

/// How a descriptor was opened, where the system says: the octal number behind `flags:`.
fn flags(number: u32) -> io::Result<Option<u32>> {
    let folder = Path::new("/proc/self/fdinfo");
    if !folder.is_dir() {
        return Ok(None);
    }
    let text = std::fs::read_to_string(folder.join(number.to_string())).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => not_open(),
        _ => error,
    })?;
    let flags = text.lines().find_map(|line| line.strip_prefix("flags:"));
    Ok(flags.and_then(|flags| u32::from_str_radix(flags.trim(), 8).ok()))
}

/// The bits of an open descriptor's flags that say whether it is read or written (`O_ACCMODE`).
const ACCESS: u32 = 3;

/// `O_RDONLY`.
const READ_ONLY: u32 = 0;

fn not_open() -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, "no such descriptor is open")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_and_descriptors() {
        let read = |text: &str| text.parse::<EventsTo>().unwrap_or_else(|never| match never {});
        assert_eq!(read("a/fd:3"), EventsTo::File("a/fd:3".into()));
        assert_eq!(read("fd:3"), EventsTo::Descriptor(3));
        for wrong in ["fd:", "fd:x", "fd:-1", "fd:3 "] {
            let failure = read(wrong).open().map(|_| ()).expect_err("no descriptor");
            assert_eq!(failure.exit, Exit::Usage, "{wrong}");
        }
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_descriptor_that_is_not_open_or_not_for_writing_is_an_error() {
        use std::os::fd::AsRawFd as _;
        assert!(open_descriptor(4_000_000).unwrap_err().to_string().contains("no such descriptor"));
        let file = tempfile::NamedTempFile::new().unwrap();
        let reading = File::open(file.path()).unwrap();
        let error = open_descriptor(reading.as_raw_fd().unsigned_abs()).unwrap_err();
        assert!(error.to_string().contains("reading only"), "{error}");
        let mut writing = OpenOptions::new().append(true).open(file.path()).unwrap();
        writing.write_all(b"before\n").unwrap();
        open_descriptor(writing.as_raw_fd().unsigned_abs()).unwrap().write_all(b"after\n").unwrap();
        assert_eq!(std::fs::read_to_string(file.path()).unwrap(), "before\nafter\n");
    }
}
