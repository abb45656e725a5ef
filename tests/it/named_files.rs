//! Files that a manifest names stay inside its root, and no error text publishes a file that is no manifest.

use crate::support::{Place, SMALL};

const CANARY: &str = "CANARY-8d1f";

/// A repository below the test's folder, and beside it a file with a secret.
fn repository() -> Place {
    let place = Place::empty();
    std::fs::create_dir_all(place.path().join("repository/.git")).expect("folders");
    std::fs::create_dir_all(place.path().join("repository/stacks")).expect("folders");
    place.write("secret.yaml", &format!("token: {CANARY}\n"));
    place.write("repository/.git/config", &format!("[http]\n  extraheader = {CANARY}\n"));
    place
}

/// Every way in which a command shows what is wrong with a manifest.
const WAYS: [&[&str]; 5] =
    [&["validate"], &["validate", "--json"], &["plan"], &["plan", "--format", "markdown"], &["fmt", "--check"]];

#[track_caller]
fn refuses(place: &Place, arguments: &[&str], part: &str) {
    for way in WAYS {
        let said = place.run(&[way, arguments].concat());
        let shown = format!("{}{}", said.out, said.err);
        assert!(!shown.contains(CANARY) && !shown.contains("token"), "{way:?} {arguments:?}: {shown}");
        if way[0] != "fmt" {
            assert_eq!(said.code, Some(1), "{way:?} {arguments:?}: {shown}");
            assert!(shown.contains(part), "{way:?} {arguments:?}: {shown}");
        }
    }
}

#[test]
fn a_named_file_outside_of_the_root_is_refused() {
    let place = repository();
    let file = "repository/stacks/lighthouse.yaml";
    let secret = place.path().join("secret.yaml");
    for path in ["../../secret.yaml", secret.to_str().expect("UTF-8")] {
        for named in [
            format!("include: [{path}]\n"),
            format!("instances: {{ a: {{ init_command: {{ file: {path} }} }} }}\n"),
            format!("instances: {{ a: {{ login: {{ password: {{ file: {path} }} }} }} }}\n"),
        ] {
            let head = SMALL.split("instances:").next().expect("a head");
            let instances = if named.starts_with("include") { "instances: {}\n" } else { "" };
            place.write(file, &format!("{head}{named}{instances}"));
            refuses(&place, &["-f", file], "it is outside of the repository");
        }
    }
}

#[test]
fn the_kernel_and_the_git_folder_are_never_read() {
    let place = repository();
    let file = "repository/lighthouse.yaml";
    for (path, part) in [
        ("/proc/self/environ", "files below /proc are never read"),
        ("/dev/stdin", "files below /"),
        (".git/config", "files of the repository's .git folder are never read"),
        ("stacks/../.git/config", "files of the repository's .git folder are never read"),
    ] {
        place.write(file, &format!("{SMALL}include: [{path}]\n"));
        refuses(&place, &["-f", file], part);
        refuses(&place, &["-f", file, "--root", "/"], part);
    }
}

#[cfg(unix)]
#[test]
fn a_link_leads_nowhere_else() {
    use std::os::unix::fs::symlink;
    let place = repository();
    place.write("repository/lighthouse.yaml", &format!("{SMALL}include: [parts]\n"));
    std::fs::create_dir(place.path().join("repository/parts")).expect("a folder");
    let link = place.path().join("repository/parts/part.yaml");
    for target in ["../../secret.yaml", "/proc/self/environ", "../.git/config"] {
        symlink(target, &link).expect("a link");
        refuses(&place, &["-f", "repository/lighthouse.yaml"], "will not read `repository/parts/part.yaml`");
        // The link as a manifest and as a file of variables.
        let link_path = "repository/parts/part.yaml";
        refuses(&place, &["-f", link_path], "will not read");
        place.write("repository/plain.yaml", SMALL);
        refuses(&place, &["-f", "repository/plain.yaml", "--var-file", link_path], "cannot read the variables");
        std::fs::remove_file(&link).expect("removed");
    }
    // A folder that is a link is one as well.
    std::fs::remove_dir(place.path().join("repository/parts")).expect("removed");
    symlink("../", place.path().join("repository/parts")).expect("a link");
    refuses(&place, &["-f", "repository/lighthouse.yaml"], "it is outside of the repository");
}

#[cfg(unix)]
#[test]
fn a_pipe_is_not_waited_for() {
    let place = repository();
    let pipe = place.path().join("repository/pipe.yaml");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo").success());
    place.write("repository/lighthouse.yaml", &format!("{SMALL}include: [pipe.yaml]\n"));
    refuses(&place, &["-f", "repository/lighthouse.yaml"], "it is neither a file nor a folder");
}

#[test]
fn an_included_file_that_is_no_manifest_is_not_shown() {
    let place = repository();
    for text in [
        format!("token: {CANARY}\n"),
        format!("{{\"token\": \"{CANARY}\"}}"),
        format!("- {CANARY}\n"),
        format!("token {CANARY}: [\n"),
        format!("TOKEN={CANARY}\nexport X\n"),
        format!("&a [*b, {CANARY}]"),
        format!("version: 1\ntoken: {CANARY}\npassword: x\n"),
    ] {
        place.write("repository/part.txt", &text);
        place.write("repository/lighthouse.yaml", &format!("{SMALL}include: [part.txt]\n"));
        refuses(&place, &["-f", "repository/lighthouse.yaml"], "`repository/part.txt` is not a manifest");
    }
    // A manifest with a mistake is shown: that is how its author finds it.
    place.write("repository/part.txt", "instances:\n  more: { bundel_id: x }\n");
    let said = place.run(&["validate", "-f", "repository/lighthouse.yaml"]).expect(1);
    assert!(said.err.contains("bundel_id"), "{said:#?}");
}

#[test]
fn the_root_can_be_named() {
    let place = repository();
    place.write("common.yaml", "instances:\n  more: {}\n");
    place.write("repository/lighthouse.yaml", &format!("{SMALL}include: [../common.yaml]\n"));
    let said = place.run(&["validate", "-f", "repository/lighthouse.yaml"]).expect(1);
    assert!(said.err.contains("pass `--root FOLDER`"), "{said:#?}");
    place.run(&["validate", "-f", "repository/lighthouse.yaml", "--root", "."]).expect(0);
    place.run(&["validate", "-f", "repository/lighthouse.yaml", "--root", "repository", "--root", "."]).expect(0);
    place.run(&["validate", "-f", "repository/lighthouse.yaml", "--root", "repository/stacks"]).expect(1);
}

#[test]
fn files_without_content_are_empty_maps() {
    let place = Place::with(&format!("{SMALL}variables: {{ n: {{ default: 1 }} }}\n"));
    for text in ["", "# nothing yet\n", "---\n", "\u{feff}", "# a\n---\n# b\n"] {
        place.write("none.yaml", text);
        place.write("none.json", "");
        place.run(&["validate", "--var-file", "none.yaml", "--var-file", "none.json"]).expect(0);
        place.run(&["validate", "-f", "lighthouse.yaml", "-f", "none.yaml"]).expect(0);
        place.run(&["validate", "-f", "."]).expect(0);
        let said = place.run(&["validate", "-f", "none.yaml"]).expect(1);
        assert!(said.err.contains("this manifest is empty"), "{said:#?}");
    }
}

#[test]
fn variables_in_json_are_read_as_json() {
    let place =
        Place::with(&format!("{SMALL}variables: {{ s: {{ type: string }} }}\noutputs: {{ s: \"${{var.s}}\" }}\n"));
    place.write("v.json", r#"{"s": "\ud83d\ude00 \/"}"#);
    let said = place.run(&["render", "--var-file", "v.json"]).expect(0);
    assert!(said.out.contains("😀 /"), "{said:#?}");
    place.write("v.json", "{\"s\": \"a\",\n \"s\": \"b\"}");
    let said = place.run(&["validate", "--var-file", "v.json"]).expect(1);
    assert!(said.err.contains("this map has the key `s` twice") && said.err.contains("v.json:2:2"), "{said:#?}");
    place.write("v.json", "{\"s\": \"a\",}");
    assert!(place.run(&["validate", "--var-file", "v.json"]).expect(1).err.contains("this is not JSON"));
}
