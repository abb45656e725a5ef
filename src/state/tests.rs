//! The store and the journal, stopped at every system call in turn, on a disk where only synced bytes survive.

use super::AppliedSpec;
use super::*;
use crate::model::{Address, InstanceId, Lineage, Predecessor, Site, Timestamp};
use crate::sim::chance::Chance;
use crate::sim::disk::{Gate, SimDisk};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

/// Lets a number of operations pass, then fails all of them with an error of a kind.
struct Countdown(AtomicI64, io::ErrorKind);

impl Gate for Countdown {
    fn pass(&self, _operation: &'static str) -> io::Result<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) > 0 { Ok(()) } else { Err(self.1.into()) }
    }
}

const EVER: i64 = i64::MAX / 2;

fn countdown(kind: io::ErrorKind) -> (Arc<Countdown>, SimDisk) {
    let gate = Arc::new(Countdown(AtomicI64::new(EVER), kind));
    let disk = SimDisk::new(Arc::clone(&gate) as Arc<dyn Gate>, false);
    (gate, disk)
}

fn store(disk: &SimDisk) -> Store {
    Store::new(Arc::new(disk.clone()), "state/shop.json")
}

fn state(ids: &[&str]) -> PriorState {
    let binding = Binding {
        stack: "shop".into(),
        site: Site::China,
        region: "ap-guangzhou".into(),
        endpoint: "sandbox".into(),
        account: None,
    };
    let mut state = PriorState::new(Lineage("lineage".into()), binding);
    for (n, id) in ids.iter().enumerate() {
        let recorded = RecordedInstance {
            instance_id: InstanceId::from(*id),
            predecessor: Predecessor::None,
            seen: true,
            protect: false,
            unconfirmed: false,
            spec: AppliedSpec::unknown(),
            replacing: false,
            attributes: crate::model::Attributes::default(),
        };
        state.instances.insert(Address::indexed("web", n as u32), recorded);
    }
    state
}

fn attempt(n: i64) -> Record {
    Record::Attempt { token: "t".into(), at: Timestamp(n) }
}

#[test]
fn a_save_stopped_anywhere_leaves_the_old_or_the_new_state() {
    for stop_at in 0..14 {
        for seed in 0..40 {
            let (gate, disk) = countdown(io::ErrorKind::Other);
            let mut first = state(&["a"]);
            store(&disk).save(&mut first).unwrap();
            gate.0.store(stop_at, Ordering::SeqCst);
            let mut second = state(&["a", "b"]);
            second.serial = first.serial;
            let saved = store(&disk).save(&mut second);
            disk.crash(&mut Chance::new(seed));
            gate.0.store(EVER, Ordering::SeqCst);
            let found = store(&disk).load().unwrap().expect("a state that was saved is never lost");
            match saved {
                Ok(_) => assert_eq!(found, second, "stopped at {stop_at}, seed {seed}"),
                Err(_) => assert!(
                    found.serial == first.serial && found == first || found.instances.len() == 2 && found.serial == 2,
                    "stopped at {stop_at}, seed {seed}: {found:?}"
                ),
            }
        }
    }
}

#[test]
fn what_append_acknowledged_survives_every_crash() {
    for stop_at in 0..12 {
        for seed in 0..40 {
            let (gate, disk) = countdown(io::ErrorKind::StorageFull);
            let (mut journal, _) = Journal::open(&store(&disk)).unwrap();
            journal.begin_with(journal::header(&"lineage".into(), 0, "shop"));
            gate.0.store(stop_at, Ordering::SeqCst);
            let mut acknowledged = 0;
            for n in 1..=4 {
                if journal.append(&[attempt(n)]).is_ok() {
                    acknowledged = n;
                }
            }
            disk.crash(&mut Chance::new(seed));
            gate.0.store(EVER, Ordering::SeqCst);
            let (mut journal, records) = Journal::open(&store(&disk)).unwrap();
            let last = match records.last() {
                Some(Record::Attempt { at, .. }) => at.0,
                _ => 0,
            };
            assert!(last >= acknowledged, "stopped at {stop_at}, seed {seed}: {last} < {acknowledged}");
            // It goes on from there.
            journal.begin_with(journal::header(&"lineage".into(), 0, "shop"));
            journal.append(&[attempt(99)]).unwrap();
            let (_, again) = Journal::open(&store(&disk)).unwrap();
            assert_eq!(again.last(), Some(&attempt(99)));
            assert!(matches!(again[0], Record::Header(_)));
        }
    }
}

#[test]
fn a_disk_that_is_full_for_a_while_tears_nothing() {
    let (gate, disk) = countdown(io::ErrorKind::StorageFull);
    let (mut journal, _) = Journal::open(&store(&disk)).unwrap();
    journal.append(&[attempt(1)]).unwrap();
    // The append itself succeeds, its sync does not.
    gate.0.store(1, Ordering::SeqCst);
    assert!(journal.append(&[attempt(2)]).is_err());
    gate.0.store(EVER, Ordering::SeqCst);
    journal.append(&[attempt(3)]).unwrap();
    let records = journal_lines(&disk);
    assert_eq!(records, 2);
}

fn journal_lines(disk: &SimDisk) -> usize {
    let text = disk.read(Path::new("state/shop.json.journal")).unwrap();
    text.iter().filter(|b| **b == b'\n').count()
}

fn sound_journal() -> (SimDisk, Vec<u8>) {
    let (_, disk) = countdown(io::ErrorKind::Other);
    let (mut journal, _) = Journal::open(&store(&disk)).unwrap();
    journal.begin_with(journal::header(&"lineage".into(), 0, "shop"));
    for n in 1..=3 {
        journal.append(&[attempt(n)]).unwrap();
    }
    let bytes = disk.read(Path::new("state/shop.json.journal")).unwrap();
    (disk, bytes)
}

#[test]
fn a_torn_tail_is_cut_off_at_any_byte() {
    let (disk, bytes) = sound_journal();
    for cut in 0..bytes.len() {
        disk.put(Path::new("state/shop.json.journal"), &bytes[..cut]);
        let (mut journal, records) = Journal::open(&store(&disk)).unwrap();
        let whole = bytes[..cut].iter().filter(|b| **b == b'\n').count();
        assert_eq!(records.len(), whole, "cut at {cut}");
        if whole > 0 {
            journal.append(&[attempt(7)]).unwrap();
            assert_eq!(Journal::open(&store(&disk)).unwrap().1.len(), whole + 1);
        }
    }
}

#[test]
fn damage_before_the_end_stops_and_names_the_line() {
    let (disk, bytes) = sound_journal();
    let second = bytes.iter().position(|b| *b == b'\n').unwrap() + 30;
    let mut damaged = bytes.clone();
    damaged[second] ^= 1;
    disk.put(Path::new("state/shop.json.journal"), &damaged);
    let error = Journal::open(&store(&disk)).err().unwrap();
    assert!(error.to_string().contains("damaged at line 2"), "{error}");
    assert_eq!(disk.read(Path::new("state/shop.json.journal")).unwrap(), damaged);
    // A line that was taken out is noticed too.
    let lines: Vec<&[u8]> = bytes.split_inclusive(|b| *b == b'\n').collect();
    disk.put(Path::new("state/shop.json.journal"), &[lines[0], lines[2], lines[3]].concat());
    let error = Journal::open(&store(&disk)).err().unwrap();
    assert!(error.to_string().contains("line 3 follows line 1"), "{error}");
}

#[test]
fn a_journal_of_another_history_is_refused() {
    let records = vec![journal::header(&"other".into(), 0, "shop"), attempt(1)];
    let problem = fold(&mut state(&[]), records).unwrap_err();
    assert!(problem.contains("another history"), "{problem}");
    let records = vec![journal::header(&"lineage".into(), 5, "shop"), attempt(1)];
    let problem = fold(&mut state(&[]), records).unwrap_err();
    assert!(problem.contains("an older state was put in its place"), "{problem}");
}

#[test]
fn the_lock_names_its_holder_and_ends_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state/shop.json");
    let me = lock::Holder { host: "here".into(), pid: 7, command: "lhprov apply".into(), since: Timestamp(0) };
    let held = lock::try_lock(&path, lock::Mode::Exclusive, &me).unwrap();
    let error = lock::try_lock(&path, lock::Mode::Exclusive, &me).unwrap_err();
    assert_eq!(error.to_string(), "the state is locked by `lhprov apply` (pid 7 on here, since 1970-01-01T00:00:00Z)");
    assert!(lock::try_lock(&path, lock::Mode::Shared, &me).is_err());
    drop(held);
    let one = lock::try_lock(&path, lock::Mode::Shared, &me).unwrap();
    let two = lock::try_lock(&path, lock::Mode::Shared, &me).unwrap();
    assert!(one.is_some() && two.is_some());
    assert!(lock::try_lock(&path, lock::Mode::Exclusive, &me).is_err());
}

/// What an attempt of ours may have brought is ours; what another writer brought only bears the stack's tags.
#[test]
fn instances_of_a_purchase_without_an_attempt_are_unconfirmed() {
    let intent = || Intent {
        token: "t".into(),
        body: serde_json::json!({}),
        members: vec![Member {
            address: Address::single("db"),
            predecessor: crate::model::Predecessor::None,
            name: "db".into(),
            protect: false,
        }],
        spec: serde_json::json!({}),
        secret: None,
        since: None,
    };
    let assigned = || Record::Assigned {
        token: "t".into(),
        matches: vec![(Address::single("db"), "lhins-1".into())],
        via: Via::Look,
        at: Timestamp(9),
    };
    let refused = || Record::NoEffect { token: "t".into(), why: "ResourceInsufficient".into() };
    let answered =
        Record::Answer { token: "t".into(), ids: vec!["lhins-1".into()], at: Timestamp(8), request_id: String::new() };
    let confirmed = Record::Confirmed { address: Address::single("db"), instance_id: "lhins-1".into() };
    let other = Record::Confirmed { address: Address::single("db"), instance_id: "lhins-2".into() };
    for (records, unconfirmed) in [
        (vec![assigned()], true),
        (vec![attempt(1), assigned()], false),
        (vec![attempt(1), refused(), assigned()], true),
        (vec![attempt(1), attempt(2), refused(), assigned()], false),
        (vec![attempt(1), answered, assigned()], false),
        (vec![assigned(), confirmed], false),
        (vec![assigned(), other], true),
    ] {
        let (mut state, mut open) = (state(&[]), OpenIntents::new());
        apply_record(&mut state, &mut open, Record::Intent(intent()));
        for record in records.clone() {
            apply_record(&mut state, &mut open, record);
        }
        assert_eq!(state.instances[&Address::single("db")].unconfirmed, unconfirmed, "{records:?}");
    }
}

#[test]
fn the_first_half_of_a_replacement_is_remembered_until_its_instance_is_gone() {
    let mut folded = state(&["lhins-0", "lhins-1"]);
    let web = |n| Address::indexed("web", n);
    let isolate = |replaces: &[Address]| Record::Isolate {
        ids: vec!["lhins-0".into(), "lhins-1".into()],
        replaces: replaces.to_vec(),
    };
    let mut open = OpenIntents::new();
    apply_record(&mut folded, &mut open, isolate(&[]));
    assert!(folded.instances.values().all(|recorded| !recorded.replacing));
    // An address that another instance stands at by now is not meant.
    folded.instances.get_mut(&web(1)).unwrap().instance_id = "lhins-9".into();
    apply_record(&mut folded, &mut open, isolate(&[web(0), web(1), web(7)]));
    let replacing =
        |state: &PriorState| state.instances.values().map(|recorded| recorded.replacing).collect::<Vec<_>>();
    assert_eq!(replacing(&folded), [true, false]);
    let text = codec::encode(&folded);
    assert_eq!(codec::decode(&text).unwrap(), folded);
    let reason = DepartureReason::Isolated;
    apply_record(
        &mut folded,
        &mut open,
        Record::Gone { address: web(0), instance_id: "lhins-0".into(), reason, deposed: false },
    );
    assert_eq!(replacing(&folded), [false]);
    assert_eq!(*folded.predecessor(&web(0)), Predecessor::Instance("lhins-0".into()));
    // A journal without the field was written before there was one.
    let old: Record = serde_json::from_str(r#"{"type":"isolate","ids":["lhins-0"]}"#).unwrap();
    assert_eq!(old, Record::Isolate { ids: vec!["lhins-0".into()], replaces: Vec::new() });
}
