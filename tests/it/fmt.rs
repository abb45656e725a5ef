//! `lhprov fmt`: on files, folders and stdin; and that what it writes means what was written.

use crate::support::{Place, SMALL, examples, said};
use lhprov::desired;
use lhprov::manifest::{Given, Sources};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const UGLY: &str = "version: 1   # first\nstack:   small\nregion: ap-guangzhou\ndefaults: {bundle_id: bundle_rs_nmc_lin_med2_01,blueprint_id: lhbp-f1lkcd41, charge: {period: 1}}\n\n\n\ninstances:\n    # the only one\n    db: {}\n";
const NEAT: &str = "version: 1 # first\nstack: small\nregion: ap-guangzhou\ndefaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }\n\ninstances:\n  # the only one\n  db: {}\n";

fn with_stdin(place: &Place, arguments: &[&str], text: &str) -> crate::support::Said {
    let mut command = place.command(arguments);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
    child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("written");
    said(&child.wait_with_output().expect("its end"))
}

#[test]
fn a_manifest_is_put_into_the_common_form() {
    let place = Place::with(UGLY);
    let checked = place.run(&["fmt", "--check"]).expect(1);
    assert_eq!(place.read("lighthouse.yaml"), UGLY, "--check changed it");
    insta::assert_snapshot!(format!("{}{}", checked.out, checked.err), @"
    --- lighthouse.yaml
    +++ lighthouse.yaml
    @@ -1,10 +1,8 @@
    -version: 1   # first
    -stack:   small
    +version: 1 # first
    +stack: small
     region: ap-guangzhou
    -defaults: {bundle_id: bundle_rs_nmc_lin_med2_01,blueprint_id: lhbp-f1lkcd41, charge: {period: 1}}
    -
    -
    +defaults: { bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: { period: 1 } }
     
     instances:
    -    # the only one
    -    db: {}
    +  # the only one
    +  db: {}
    error: 1 file is not in the common form
      help: `lhprov fmt` puts them into it
    ");
    let said = place.run(&["fmt"]).expect(0);
    assert_eq!((said.out.as_str(), said.err.as_str()), ("lighthouse.yaml\n", ""));
    assert_eq!(place.read("lighthouse.yaml"), NEAT);
    for arguments in [&["fmt"][..], &["fmt", "--check"]] {
        let said = place.run(arguments).expect(0);
        assert!(said.out.is_empty() && said.err.is_empty(), "{said:#?}");
    }
}

#[test]
fn folders_names_and_stdin() {
    let place = Place::empty();
    std::fs::create_dir(place.path().join("fleet")).expect("a folder");
    place.write("fleet/a.yaml", UGLY);
    place.write("fleet/b.yml", "a:   1\r\n");
    place.write("fleet/notes.txt", UGLY);
    let said = place.run(&["fmt", "fleet"]).expect(0);
    assert_eq!(said.out, "fleet/a.yaml\nfleet/b.yml\n");
    assert_eq!(place.read("fleet/b.yml"), "a: 1\r\n");
    assert_eq!(place.read("fleet/notes.txt"), UGLY);
    assert_eq!(with_stdin(&place, &["fmt", "-"], UGLY).expect(0).out, NEAT);
    assert_eq!(with_stdin(&place, &["fmt", "-"], NEAT).expect(0).out, NEAT);
    let said = with_stdin(&place, &["fmt", "--check", "-"], "a:   1\n").expect(1);
    assert!(said.out.contains("-a:   1\n+a: 1\n"), "{said:#?}");
    assert!(with_stdin(&place, &["fmt", "-"], "a: [").expect(1).err.contains("--> stdin:1:"));
    place.run(&["fmt", "-", "fleet"]).expect(64);
    place.run(&["fmt", "none.yaml"]).expect(1);
}

#[test]
fn one_wrong_file_leaves_all_as_they_were() {
    let place = Place::empty();
    place.write("a.yaml", UGLY);
    place.write("b.yaml", "a: [");
    let said = place.run(&["fmt", "a.yaml", "b.yaml"]).expect(1);
    assert!(said.out.is_empty() && said.err.contains("b.yaml:1"), "{said:#?}");
    assert_eq!(place.read("a.yaml"), UGLY);
}

#[cfg(unix)]
#[test]
fn the_file_keeps_its_permissions_and_its_place_behind_a_link() {
    use std::os::unix::fs::{PermissionsExt as _, symlink};
    let place = Place::empty();
    place.write("real.yaml", UGLY);
    let real = place.path().join("real.yaml");
    std::fs::set_permissions(&real, std::fs::Permissions::from_mode(0o640)).expect("set");
    symlink("real.yaml", place.path().join("lighthouse.yaml")).expect("a link");
    place.run(&["fmt"]).expect(0);
    assert_eq!(place.read("real.yaml"), NEAT);
    assert_eq!(std::fs::metadata(&real).expect("there").permissions().mode() & 0o777, 0o640);
    assert!(std::fs::symlink_metadata(place.path().join("lighthouse.yaml")).expect("there").is_symlink());
    assert_eq!(std::fs::read_dir(place.path()).expect("listed").count(), 2, "something is left over");
}

fn manifests(folder: &Path, all: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("listed") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            manifests(&path, all);
        } else if path.extension().is_some_and(|end| end == "yaml") {
            all.push(path);
        }
    }
}

#[test]
fn the_examples_are_in_the_common_form() {
    let place = Place::empty();
    let mut all = Vec::new();
    manifests(&examples(), &mut all);
    assert!(all.len() >= 8, "{all:?}");
    let words: Vec<&str> = all.iter().map(|path| path.to_str().expect("UTF-8")).collect();
    let said = place.run(&[&["fmt", "--check"], &words[..]].concat());
    assert_eq!((said.code, said.out.as_str()), (Some(0), ""), "{said:#?}");
}

#[test]
fn what_is_wanted_is_the_same_before_and_after() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/manifests");
    let mut all = Vec::new();
    manifests(&fixtures, &mut all);
    manifests(&examples(), &mut all);
    let mut formatted = 0;
    for path in &all {
        // A fixture of the invalid ones may be wrong as YAML; one that is not means the same afterwards, too.
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let place = Place::empty();
        let said = with_stdin(&place, &["fmt", "-"], &text);
        assert!(matches!(said.code, Some(0 | 1)), "{path:?} {said:#?}");
        if said.code == Some(1) {
            let tells = path.starts_with(fixtures.join("invalid")) && !said.err.contains("not-formattable");
            assert!(tells, "{path:?} {said:#?}");
            continue;
        }
        formatted += 1;
        assert_eq!(with_stdin(&place, &["fmt", "-"], &said.out).expect(0).out, said.out, "{path:?}");
        assert_eq!(said.out.matches('#').count(), text.matches('#').count(), "{path:?}");
        let wanted = |text: &str| {
            let sources = Sources::from_texts([(path.display().to_string(), text.to_owned())]);
            let environment = |_: &str| Some("Long-enough-1".to_owned());
            let (desired, _, diagnostics) = desired::load_sources(sources, &Given::default(), &environment);
            let rendered = desired.as_ref().map(desired::render);
            (rendered, diagnostics.into_vec().into_iter().map(|one| (one.code, one.summary)).collect::<Vec<_>>())
        };
        let (before, mut problems) = wanted(&text);
        let (after, mut problems_after) = wanted(&said.out);
        problems.sort();
        problems_after.sort();
        assert_eq!(before, after, "{path:?}");
        assert_eq!(problems, problems_after, "{path:?}");
    }
    assert!(formatted > 20, "{formatted}");
}

#[test]
fn a_password_does_not_show_in_a_difference() {
    let place = Place::with(&SMALL.replace("db: {}", "db:   { login: { password: Hunter2-Hunter2 } }"));
    let said = place.run(&["fmt", "--check"]).expect(1);
    assert!(said.out.contains("password: ***") && !said.out.contains("Hunter2"), "{said:#?}");
}
