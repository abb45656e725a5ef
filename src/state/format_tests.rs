//! Files of format 1, as the last version that wrote it left them. They are read for ever.

use super::{Binding, DepartureReason, Header, Journal, OsDisk, PriorState, Record, Store, codec, fold};
use crate::model::{Address, Predecessor};
use std::path::{Path, PathBuf};
use std::sync::Arc;

const TOKEN: &str = "0cac2bd788d9c2c8f428130bebc1aecfa7a9cd61c62a1a229969fdf56f84d44f";

fn fixture(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format1").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A folder with the state and the journal of format 1.
fn folder() -> (tempfile::TempDir, Store) {
    let dir = tempfile::tempdir().unwrap();
    for name in ["shop.json", "shop.journal"] {
        std::fs::write(dir.path().join(name), fixture(name)).unwrap();
    }
    let store = Store::new(Arc::new(OsDisk), dir.path().join("shop.json"));
    (dir, store)
}

fn folded(store: &Store) -> (PriorState, usize) {
    let mut state = store.load().unwrap().unwrap();
    let (_, records) = Journal::open(store).unwrap();
    let open = fold(&mut state, records).unwrap();
    (state, open.len())
}

fn reads(state: &PriorState) -> Vec<String> {
    let Binding { account, .. } = &state.binding;
    let mut lines = vec![format!("account {account:?}, serial {}", state.serial)];
    lines.extend(state.instances.iter().map(|(address, one)| format!("{address}: after {:?}", one.predecessor)));
    lines.extend(state.predecessors.iter().map(|(address, before)| format!("{address}: had {before:?}")));
    lines.extend(state.deposed.iter().map(|one| format!("{}: {:?} = {}", one.instance_id, one.reason, one.reason)));
    lines
}

#[test]
fn a_state_of_format_1_is_read_with_every_predecessor_and_every_reason() {
    let state = codec::decode(&fixture("shop.json")).unwrap();
    insta::assert_snapshot!(reads(&state).join("\n"));
    let again = codec::encode(&state);
    assert!(String::from_utf8_lossy(&again).contains("\"format\": 2"));
    assert_eq!(codec::decode(&again).unwrap(), state);
}

#[test]
fn a_journal_of_format_1_is_folded_as_the_version_that_wrote_it_did() {
    let (_dir, store) = folder();
    let (state, open) = folded(&store);
    let mut then = codec::decode(&fixture("folded-by-format1.json")).unwrap();
    // Format 1 kept a sentence about a departure that was never deposed; nothing else may differ.
    then.serial = state.serial;
    assert_eq!((state, open), (then, 3));
}

#[test]
fn every_record_type_is_in_the_fixture() {
    let (_dir, store) = folder();
    let (_, records) = Journal::open(&store).unwrap();
    let mut types: Vec<String> = records
        .iter()
        .map(|record| serde_json::to_value(record).unwrap()["type"].as_str().unwrap().to_owned())
        .collect();
    types.sort();
    types.dedup();
    insta::assert_snapshot!(types.join(" "), @"adopted answer applied assigned attempt closed gone header intent isolate kept no_effect order order_accepted order_settled refused returned");
}

#[test]
fn a_journal_of_format_1_goes_on_in_format_2_as_a_whole() {
    let (_dir, store) = folder();
    let before = folded(&store);
    let (mut journal, records) = Journal::open(&store).unwrap();
    assert!(matches!(&records[0], Record::Header(Header { format: 1, .. })));
    journal.append(&[Record::Closed { token: "nobody".into(), why: "test".into() }]).unwrap();
    journal.append(&[Record::Closed { token: "nobody".into(), why: "again".into() }]).unwrap();
    let (_, upgraded) = Journal::open(&store).unwrap();
    assert!(matches!(&upgraded[0], Record::Header(Header { format: 2, .. })));
    assert_eq!(upgraded[1..records.len()], records[1..]);
    assert_eq!(upgraded.len(), records.len() + 2);
    assert_eq!(folded(&store), before);
}

#[test]
fn predecessors_keep_the_bytes_that_tokens_are_made_of() {
    let state = codec::decode(&fixture("shop.json")).unwrap();
    let texts: Vec<&str> = state.instances.values().map(|one| one.predecessor.as_str()).collect();
    assert_eq!(texts, ["-", "lhins-old00001", TOKEN]);
    let before = &state.predecessors[&Address::named("edge", "a")];
    assert_eq!(*before, Predecessor::Purchase(TOKEN.into()));
}

#[test]
fn a_reason_that_no_version_wrote_is_kept_as_it_is() {
    let state = codec::decode(&fixture("shop.json")).unwrap();
    let last = state.deposed.last().unwrap();
    assert_eq!(last.reason, DepartureReason::Other("written by a version that nobody knows".into()));
}

fn journal_of(store: &Store) -> PathBuf {
    store.journal_path()
}

#[test]
fn a_journal_of_a_newer_format_is_refused_before_its_records_are_read() {
    let (_dir, store) = folder();
    let newer = "{\"seq\":1,\"sum\":\"0\",\"record\":{\"type\":\"header\",\"format\":3,\"more\":[]}}\n{\"future\":1}\n";
    std::fs::remove_file(store.path().with_extension("journal")).unwrap();
    std::fs::write(journal_of(&store), newer).unwrap();
    let error = Journal::open(&store).err().unwrap();
    assert!(error.to_string().contains("was written by a newer version: it has format 3"), "{error}");
    assert!(error.help().contains("use the version of lhprov that wrote"), "{}", error.help());
    assert_eq!(std::fs::read_to_string(journal_of(&store)).unwrap(), newer);
}
