//! A terminal of a test's own, and what a person would see on it.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

/// No command of these tests takes longer.
const LONGEST: Duration = Duration::from_secs(60);

/// How often it is looked whether the command has ended.
const LOOK: Duration = Duration::from_millis(20);

/// A command on a terminal.
pub struct Terminal {
    keyboard: File,
    child: Child,
    from: Receiver<Vec<u8>>,
    /// Every byte that was written on it, in the pieces in which they came.
    pub pieces: Vec<Vec<u8>>,
}

impl Terminal {
    /// Starts a command on a terminal of this size.
    pub fn start(command: &Command, columns: u16, rows: u16) -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        let name = rustix::pty::ptsname(&master, Vec::new()).expect("its name").into_string().expect("ASCII");
        let keyboard = File::from(master);
        let mut screen = keyboard.try_clone().expect("a second handle");
        set_size(&keyboard, columns, rows);
        // The leader of a session takes the first terminal that it opens.
        let mut session = Command::new("setsid");
        session.args(["sh", "-c", "tty=$1; shift; exec \"$@\" <\"$tty\" >\"$tty\" 2>&1", "sh", &name]);
        session.arg(command.get_program()).args(command.get_args());
        session.current_dir(command.get_current_dir().expect("a folder")).env_clear();
        session.env("PATH", "/usr/bin:/bin").env("TERM", "xterm-256color");
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))));
        session.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = session.spawn().expect("the command starts");
        let (send, from) = channel();
        std::thread::spawn(move || {
            let mut buffer = [0; 65_536];
            // Nobody on the other side is an error, and comes again when somebody opens it.
            while let Ok(length) = screen.read(&mut buffer).or_else(|_| {
                std::thread::sleep(LOOK);
                screen.read(&mut buffer)
            }) {
                if send.send(buffer[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        Self { keyboard, child, from, pieces: Vec::new() }
    }

    /// Types on it.
    pub fn types(&mut self, text: &str) {
        self.keyboard.write_all(text.as_bytes()).expect("typed");
    }

    /// Makes it larger or smaller, which its programs are told.
    pub fn resize(&self, columns: u16, rows: u16) {
        set_size(&self.keyboard, columns, rows);
    }

    /// Waits until it shows this text.
    #[track_caller]
    pub fn until(&mut self, text: &str) {
        let until = Instant::now() + LONGEST;
        while !self.written().contains(text) {
            assert!(Instant::now() < until, "`{text}` does not come:\n{}", self.written());
            self.take(LOOK);
        }
    }

    /// Waits for the end of the command; its code.
    pub fn ends(&mut self) -> Option<i32> {
        let until = Instant::now() + LONGEST;
        let status = loop {
            self.take(LOOK);
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            if Instant::now() > until {
                self.child.kill().expect("ended");
                panic!("it does not end:\n{}", self.written());
            }
        };
        // What is on the way still.
        while self.take(Duration::from_millis(150)) {}
        status.code()
    }

    fn take(&mut self, wait: Duration) -> bool {
        match self.from.recv_timeout(wait) {
            Ok(piece) => {
                self.pieces.push(piece);
                true
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => {
                std::thread::sleep(wait);
                false
            }
        }
    }

    /// All that was written on it.
    pub fn written(&self) -> String {
        String::from_utf8_lossy(&self.pieces.concat()).into_owned()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _over_already = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn set_size(terminal: &File, columns: u16, rows: u16) {
    let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(terminal, size).expect("its size");
}
