//! Whose machines are these: journals of other stacks, accounts that nobody reports, machines that seem to be gone.

use crate::support::Place;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

fn manifest(stack: &str, block: &str) -> String {
    format!(
        "version: 1\nstack: {stack}\nregion: ap-guangzhou\n\
         defaults: {{ bundle_id: bundle_rs_nmc_lin_med2_01, blueprint_id: lhbp-f1lkcd41, charge: {{ period: 1 }} }}\n\
         instances:\n  {block}\n"
    )
}

/// Text without its line breaks, which depend on the width.
fn flat(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A served sandbox of its own.
struct Served {
    url: String,
    process: Child,
}

impl Served {
    fn start(place: &Place, folder: &str, flags: &[&str]) -> Self {
        let arguments = [&["sandbox", "serve", "--data", folder, "--boot", "0s"], flags].concat();
        let mut process =
            place.command(&arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the server starts");
        let lines = BufReader::new(process.stdout.take().expect("stdout")).lines();
        let url = lines.map_while(Result::ok).find_map(|line| {
            let at = line.find("http://")?;
            Some(line[at..].trim().trim_matches('\'').to_owned())
        });
        Self { url: url.expect("its URL"), process }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_journal_of_another_stack_is_not_carried_out() {
    let place = Place::with(&manifest("shop", "web: { count: 3 }"));
    let apply = ["apply", "--sandbox", "--yes", "--boot", "15s", "--state", "fleet.json", "--no-preflight"];
    let mut first = place.command(&apply).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let until = Instant::now() + Duration::from_secs(60);
    let journal = place.path().join("fleet.json.journal");
    while !std::fs::read_to_string(&journal).is_ok_and(|text| text.contains("\"assigned\"")) {
        assert!(Instant::now() < until, "nothing was bought");
        std::thread::sleep(Duration::from_millis(20));
    }
    first.kill().expect("killed");
    first.wait().expect("it ends");
    let before = std::fs::read(&journal).expect("the journal");

    place.write("lighthouse.yaml", &manifest("store", "db: { bundle_id: bundle_rs_nmc_lin_med4_01 }"));
    for command in [&apply[..], &["plan", "--sandbox", "--state", "fleet.json"]] {
        let said = place.run(command).expect(1);
        assert!(flat(&said.err).contains("belongs to stack `shop`, and this run is for `store`"), "{said:#?}");
        assert!(flat(&said.err).contains("--state"), "{said:#?}");
    }
    assert_eq!(std::fs::read(&journal).expect("the journal"), before);
    // The stack that it belongs to goes on with it.
    place.write("lighthouse.yaml", &manifest("shop", "web: { count: 3 }"));
    place.run(&["apply", "--sandbox", "--yes", "--boot", "0s", "--state", "fleet.json"]).expect(0);
}

#[test]
fn an_account_that_is_recorded_and_not_reported_is_a_difference() {
    let mut place = Place::with(&manifest("shop", "web: { count: 3 }"));
    place.set("TENCENTCLOUD_SECRET_ID", lhprov::sandbox::verify::SECRET_ID);
    place.set("TENCENTCLOUD_SECRET_KEY", lhprov::sandbox::verify::SECRET_KEY);
    let url = {
        let served = Served::start(&place, "a", &[]);
        place.run(&["apply", "--yes", "--endpoint", &served.url]).expect(0);
        served.url.clone()
    };
    // The same place, another account in it.
    let listen = url.trim_start_matches("http://").to_owned();
    let _served = Served::start(&place, "b", &["--listen", &listen, "--fault", "denied:GetCallerIdentity"]);
    let said = place.run(&["apply", "--yes", "--endpoint", &url]).expect(7);
    assert!(flat(&said.err).contains("belongs to account"), "{said:#?}");
    assert!(
        flat(&said.err).contains("sts:GetCallerIdentity") && flat(&said.err).contains("--assume-account"),
        "{said:#?}"
    );
    let said = place.run(&["apply", "--yes", "--endpoint", &url, "--assume-account", "1"]).expect(7);
    assert!(flat(&said.err).contains("--assume-account says 1"), "{said:#?}");
    // Even with the user's word for the account: all of it is gone at once.
    let account = lhprov::sandbox::account::ACCOUNT_ID;
    let said = place.run(&["apply", "--yes", "--endpoint", &url, "--assume-account", account]).expect(7);
    assert!(flat(&said.err).contains("3 instances are gone from the cloud at once, all of this stack"), "{said:#?}");
    assert!(flat(&said.err).contains("--confirm-gone"), "{said:#?}");
}

#[test]
fn many_that_left_the_manifest_need_a_limit() {
    let place = Place::with(&manifest("shop", "web: { count: 5 }"));
    place.run(&["apply", "--sandbox", "--yes", "--boot", "0s"]).expect(0);
    place.write("lighthouse.yaml", &manifest("shop", "web: { count: 2 }"));
    let said = place.run(&["apply", "--sandbox", "--yes"]).expect(7);
    assert!(flat(&said.err).contains("destroys 3 of 5 instances because they left the manifest"), "{said:#?}");
    assert!(flat(&said.err).contains("lhprov apply --max-destroy 3"), "{said:#?}");
    // A limit of the environment tightens; it is no consent.
    let mut command = place.command(&["apply", "--sandbox", "--yes"]);
    let output = command.env("LHPROV_MAX_DESTROY", "3").output().expect("it starts");
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    place.run(&["plan", "--sandbox", "--out", "p.json", "--max-destroy", "3"]).expect(0);
    place.run(&["apply", "--sandbox", "p.json"]).expect(0);
}

#[test]
fn protection_ends_by_an_apply_that_shows_it() {
    let place = Place::with(&manifest("shop", "db: { protect: true }"));
    place.run(&["apply", "--sandbox", "--yes", "--boot", "0s"]).expect(0);
    let other_image = "db: { protect: false, blueprint_id: lhbp-1cwcl7nx }";
    place.write("lighthouse.yaml", &manifest("shop", other_image));
    let said = place.run(&["plan", "--sandbox", "--no-preflight"]);
    assert!(said.out.contains("is protected") || said.code != Some(0), "{said:#?}");
    place.write("lighthouse.yaml", &manifest("shop", "db: { protect: false }"));
    let said = place.run(&["plan", "--sandbox"]).expect(0);
    assert!(said.out.contains("protect") && !said.out.contains("No changes"), "{said:#?}");
    place.run(&["apply", "--sandbox", "--yes"]).expect(0);
    let said = place.run(&["plan", "--sandbox"]).expect(0);
    assert!(said.out.contains("No changes"), "{said:#?}");
}
