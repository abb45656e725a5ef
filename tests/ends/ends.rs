//! Each kind of end, at two moments: while a purchase is on the wire, and while what was bought boots.

use crate::common::{Folder, Owned, Sandbox};
use crate::stage::{LONGEST, THREE, is_whole, place, settles, start, until_bought};
use std::fs::File;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// From the first signal to the end.
const LIMIT: Duration = Duration::from_secs(6);

/// How a run is ended.
#[derive(Clone, Copy, Debug)]
enum End {
    /// These signals, a moment apart.
    Signals(&'static [&'static str]),
    /// The terminal on which it runs is closed.
    Hangup,
}

/// When.
#[derive(Clone, Copy, Debug)]
enum Moment {
    /// The service has bought, and its answer takes longer than anybody waits.
    Buying,
    /// The answer is there, the machine boots.
    Booting,
}

/// The end, its exit code as a shell sees it, and how long it may take.
const ENDS: &[(End, i32, Duration)] = &[
    (End::Signals(&["KILL"]), 137, Duration::from_secs(2)),
    (End::Signals(&["TERM"]), 143, LIMIT),
    (End::Signals(&["INT"]), 130, LIMIT),
    (End::Signals(&["INT", "INT"]), 130, Duration::from_secs(2)),
    (End::Signals(&["TERM", "INT"]), 143, Duration::from_secs(2)),
    (End::Signals(&["HUP"]), 129, LIMIT),
    (End::Hangup, 129, LIMIT),
];

#[test]
fn every_end_at_every_moment_is_settled_by_the_next_apply() {
    std::thread::scope(|scope| {
        for (end, code, limit) in ENDS {
            for moment in [Moment::Buying, Moment::Booting] {
                scope.spawn(move || end_of_a_run(*end, moment, *code, *limit));
            }
        }
    });
}

fn end_of_a_run(end: End, moment: Moment, code: i32, limit: Duration) {
    let folder = place(THREE);
    let flags: &[&str] = match moment {
        Moment::Buying => &["--boot=100ms", "--fault=delay=40s:CreateInstances:at=1"],
        Moment::Booting => &["--boot=4s"],
    };
    let sandbox = Sandbox::serve(&folder, flags);
    let terminal = matches!(end, End::Hangup).then(Terminal::open);
    let mut apply = match &terminal {
        Some(terminal) => terminal.start(sandbox.tell(&mut folder.command(&["apply", "--yes"], "apply.log"))),
        None => start(&folder, &sandbox, &[]),
    };
    until_bought(&sandbox, 1);
    if matches!(moment, Moment::Booting) {
        let until = Instant::now() + LONGEST;
        while !folder.read("state/three.json.journal").contains("\"answer\"") && Instant::now() < until {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
    let began = Instant::now();
    match end {
        End::Signals(names) => {
            for (number, name) in names.iter().enumerate() {
                if number > 0 {
                    std::thread::sleep(Duration::from_millis(300));
                }
                apply.signal(name);
            }
        }
        End::Hangup => drop(terminal),
    }
    let ended = apply.code_within(limit);
    let log = folder.read("apply.log");
    assert_eq!(ended, Some(code), "{end:?} {moment:?} after {:?}\n{log}", began.elapsed());
    let is_told = matches!(end, End::Signals(names) if names != ["KILL"]);
    if is_told {
        assert!(log.contains("To go on, run `lhprov apply --yes` again."), "{end:?} {moment:?}\n{log}");
    }
    settles(&folder, &sandbox, 3);
}

/// A terminal of its own for a command. Dropped, it is closed.
struct Terminal(rustix::fd::OwnedFd);

impl Terminal {
    fn open() -> Self {
        use rustix::pty::{OpenptFlags, grantpt, openpt, unlockpt};
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
        grantpt(&master).expect("granted");
        unlockpt(&master).expect("unlocked");
        Self(master)
    }

    /// Starts a command with this terminal as its controlling one. What is written on it is read by nobody.
    fn start(&self, command: &mut Command) -> Owned {
        let name = rustix::pty::ptsname(&self.0, Vec::new()).expect("its name").into_string().expect("ASCII");
        // The leader of a session takes the first terminal that it opens.
        let mut session = Command::new("setsid");
        session.args(["sh", "-c", "tty=$1; shift; exec \"$@\" <\"$tty\" >\"$tty\" 2>&1", "sh", &name]);
        session.arg(command.get_program()).args(command.get_args());
        session.current_dir(command.get_current_dir().expect("a folder")).env_clear().env("PATH", "/usr/bin:/bin");
        session.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?)))).env("TERM", "xterm");
        Owned::start(session.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()))
    }
}

/// The service is asked for what is there, and does not answer: no signal waits for it. Before work has begun, while it is
/// polled, and between settling and planning, where both have been.
#[test]
fn no_signal_waits_for_a_service_that_hangs() {
    std::thread::scope(|scope| {
        for at in 1..=8 {
            scope.spawn(move || {
                let folder = place(THREE);
                let fault = format!("--fault=delay=50s:DescribeInstances:at={at}");
                // The first run is killed while it buys, so that the second settles before it plans.
                let sandbox = Sandbox::serve(&folder, &["--boot=300ms", "--fault=delay=40s:CreateInstances:at=1"]);
                let mut first = start(&folder, &sandbox, &[]);
                until_bought(&sandbox, 1);
                first.kill().expect("killed");
                first.wait().expect("it ends");
                let sandbox = sandbox.serve_again(&folder, &["--boot=300ms", &fault]);
                let before = sandbox.counts("DescribeInstances").0;
                let mut second = start(&folder, &sandbox, &[]);
                let until = Instant::now() + LONGEST;
                let asked = || sandbox.counts("DescribeInstances").0 - before;
                while asked() < at && second.try_wait().expect("its status").is_none() && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(10));
                }
                std::thread::sleep(Duration::from_millis(100));
                let began = Instant::now();
                second.signal("TERM");
                let code = second.code_within(LIMIT);
                let log = folder.read("apply.log");
                let over = code == Some(0) && asked() < at;
                assert!(over || code == Some(143), "call {at}: {code:?} after {:?}\n{log}", began.elapsed());
                let sandbox = sandbox.serve_again(&folder, &["--boot=300ms"]);
                settles(&folder, &sandbox, 3);
            });
        }
    });
}

/// Nobody reads, so that a write waits for ever: neither does a signal wait for it.
#[test]
fn no_signal_waits_for_a_reader_that_has_stopped() {
    let folder = place(&THREE.replace("count: 2", "count: 900"));
    let sandbox = Sandbox::serve(&folder, &["--boot=100ms"]);
    let mut command = folder.command(&["apply", "--yes", "--view", "full"], "apply.log");
    let mut apply = Owned::start(sandbox.tell(&mut command).stdout(Stdio::piped()));
    // It writes more than a pipe holds.
    std::thread::sleep(Duration::from_secs(4));
    assert_eq!(sandbox.counts("CreateInstances").0, 0, "the plan did not fill the pipe");
    let began = Instant::now();
    apply.signal("TERM");
    assert_eq!(apply.code_within(LIMIT), Some(143), "after {:?}", began.elapsed());
    assert!(sandbox.instances("ap-guangzhou").is_empty());
}

/// Who reads stdout or stderr is gone: the work goes on to its end, and the code tells of the work.
#[test]
fn broken_pipes_do_not_end_the_work() {
    for streams in [&["out"][..], &["err"], &["out", "err"]] {
        let folder = place(THREE);
        let sandbox = Sandbox::serve(&folder, &["--boot=200ms"]);
        let mut command = folder.command(&["apply", "--yes"], "apply.log");
        if streams.contains(&"out") {
            command.stdout(Stdio::piped());
        }
        if streams.contains(&"err") {
            command.stderr(Stdio::piped());
        }
        let mut apply = Owned::start(sandbox.tell(&mut command));
        drop((apply.stdout.take(), apply.stderr.take()));
        assert_eq!(apply.code_within(LONGEST), Some(0), "{streams:?}\n{}", folder.read("apply.log"));
        is_whole(&folder, &sandbox, 3);
    }
    // As a shell does it: the reader takes a line and goes.
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=200ms"]);
    let script = "{ \"$LHPROV\" apply --yes; echo $? >code; } | head -1 >head.txt";
    assert_eq!(shell(&folder, &sandbox, script).code_within(LONGEST), Some(0));
    assert_eq!((folder.read("code").trim(), folder.read("head.txt").lines().count()), ("0", 1));
    is_whole(&folder, &sandbox, 3);
}

fn shell(folder: &Folder, sandbox: &Sandbox, script: &str) -> Owned {
    let mut command = folder.command(&[], "apply.log");
    let mut shell = Command::new("sh");
    shell.args(["-c", script]).current_dir(folder.path()).env_clear().env("PATH", "/usr/bin:/bin");
    shell.env("LHPROV", command.get_program()).env("HOME", folder.path()).stdin(Stdio::null());
    let log = File::options().append(true).create(true).open(folder.path().join("apply.log")).expect("a log");
    shell.stdout(log.try_clone().expect("a second handle")).stderr(log);
    sandbox.tell(&mut command);
    shell.envs(command.get_envs().filter_map(|(name, value)| Some((name, value?))).filter(|(name, _)| *name != "HOME"));
    Owned::start(&mut shell)
}

/// No file may grow beyond a limit: the disk is full for this process. With the signal that the system sends then, which
/// ends it at once, and without it, as on a disk without space.
#[test]
fn a_file_that_may_not_grow() {
    // In blocks of 512 bytes: from too small for the header of the journal to enough for everything.
    let (mut refused, mut killed, mut done) = (0, 0, 0);
    for blocks in [0, 1, 2, 3, 4, 5, 6, 8, 12, 40] {
        for with_signal in [false, true] {
            let folder = place(THREE);
            let sandbox = Sandbox::serve(&folder, &["--boot=200ms"]);
            let trap = if with_signal { "" } else { "trap '' XFSZ; " };
            // The log must not be limited: `tail` writes it.
            let script =
                format!("{{ ({trap}ulimit -f {blocks}; exec \"$LHPROV\" apply --yes) 2>&1; echo $? >code; }} | cat");
            assert_eq!(shell(&folder, &sandbox, &script).code_within(LONGEST), Some(0), "{}", folder.read("apply.log"));
            let (code, log) = (folder.read("code"), folder.read("apply.log"));
            match (code.trim(), with_signal) {
                ("0", _) => done += 1,
                ("1" | "6", false) => {
                    refused += 1;
                    let text = log.split_whitespace().collect::<Vec<_>>().join(" ");
                    assert!(text.contains("File too large") && text.contains("run"), "{blocks}: {log}");
                }
                ("153", true) => killed += 1,
                (code, _) => panic!("{blocks} blocks, signal {with_signal}: exit {code}\n{log}"),
            }
            settles(&folder, &sandbox, 3);
        }
    }
    assert!(refused > 2 && killed > 2 && done > 1, "{refused} refused, {killed} killed, {done} done");
}

/// What only tells of the work fails to be written: the work goes on, all of it is recorded, and the failure is told.
#[cfg(target_os = "linux")]
#[test]
fn full_disks_under_results_and_events() {
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=200ms"]);
    assert_eq!(start(&folder, &sandbox, &["--events", "/dev/full"]).code_within(LONGEST), Some(0));
    let log = folder.read("apply.log");
    assert!(log.contains("warning: failed to write the events to /dev/full: No space left"), "{log}");
    is_whole(&folder, &sandbox, 3);
    let folder = place(THREE);
    let sandbox = Sandbox::serve(&folder, &["--boot=200ms"]);
    let full = || File::options().write(true).open("/dev/full").expect("/dev/full");
    let mut command = folder.command(&["apply", "--yes"], "apply.log");
    let mut apply = Owned::start(sandbox.tell(&mut command).stdout(full()));
    assert_eq!(apply.code_within(LONGEST), Some(6), "{}", folder.read("apply.log"));
    assert!(folder.read("apply.log").contains("failed to write the result"), "{}", folder.read("apply.log"));
    is_whole(&folder, &sandbox, 3);
}
