//! A process that dies at every effect of `state mv`, `state rebuild`, `import` and `drift --accept`, which change state and
//! manifest without a plan: whatever is on disk afterwards, the same command goes on, and nothing is bought or returned.

use super::stage::{EFFECTS_MAX, Stage, weather};
use crate::desired::{DesiredState, load_sources};
use crate::manifest::{Given, Sources};
use crate::model::Address;
use crate::ops::{self, ImportWhat, OpsError, Texts};
use serde_json::json;
use std::path::Path;

const MANIFEST: &str = "lighthouse.yaml";

const TEXT: &str = "\
version: 1
stack: sim
region: ap-guangzhou
instances:
  # the data
  db:
    bundle_id: bundle_rs_nmc_lin_med2_01
    blueprint_id: lhbp-f1lkcd41
    charge: { period: 1 }
    zones: [ap-guangzhou-3]
  web: # what people see
    bundle_id: bundle_rs_nmc_lin_med2_01
    blueprint_id: lhbp-f1lkcd41
    charge: { period: 1 }
    zones: [ap-guangzhou-3]
";

fn nothing(_: &str) -> Option<String> {
    None
}

fn read(text: &str) -> (DesiredState, Sources) {
    let sources = Sources::from_texts([(MANIFEST, text)]);
    let (desired, sources, diagnostics) = load_sources(sources, &Given::default(), &nothing);
    (desired.unwrap_or_else(|| panic!("{diagnostics:?}\n{text}")), sources)
}

/// A manifest on disk, and what it wants.
struct Written {
    text: String,
    desired: DesiredState,
    sources: Sources,
}

impl Written {
    fn on(stage: &Stage) -> Self {
        let kept = stage.writer.disk.keep();
        let bytes = kept.get(Path::new(MANIFEST)).unwrap_or_else(|| panic!("the manifest is gone\n{}", stage.log()));
        let text = String::from_utf8(bytes.clone()).unwrap_or_else(|_| panic!("the manifest is torn\n{}", stage.log()));
        let (desired, sources) = read(&text);
        Self { text, desired, sources }
    }

    fn texts<'a>(&'a self, given: &'a Given) -> Texts<'a> {
        Texts { sources: &self.sources, given, environment: &nothing, on_disk: crate::ops::OnDisk::Same }
    }
}

/// Writes the manifest as its user does.
fn write(stage: &Stage, text: &str) {
    let mut kept = stage.writer.disk.keep();
    kept.insert(MANIFEST.into(), text.as_bytes().to_vec());
    stage.writer.disk.restore(&kept);
}

/// Sets the stage, lets `command` die at every effect under a good and a bad sky, applies what is there or does not, gives the
/// command again and looks at the end. `before` is what somebody does to account and files first.
fn at_every_effect(
    before: impl Fn(&mut Stage),
    command: impl Fn(&mut Stage, Option<u64>) -> Option<Result<(), OpsError>>,
    check: impl Fn(&Stage, &str),
) {
    let mut deaths = 0;
    for sky in [0, 3] {
        for dies in 0..EFFECTS_MAX {
            let mut stage = Stage::set(dies * 4 + sky, &read(TEXT).0);
            write(&stage, TEXT);
            before(&mut stage);
            let live = stage.live();
            let all = stage.world.instances().len();
            stage.world.set_faults(weather(sky));
            let ended = command(&mut stage, Some(dies));
            let is_over = ended.is_some();
            deaths += usize::from(!is_over);
            stage.world.set_faults(weather(0));
            let about = format!("dies at {dies} under sky {sky}: {ended:?}");
            if dies % 2 == 0 {
                // Somebody who knows of nothing applies: that may be refused, and costs nothing.
                let desired = Written::on(&stage).desired;
                drop(stage.try_apply(&desired));
                assert_eq!(stage.live(), live, "{about}\n{}", stage.log());
            }
            if !matches!(ended, Some(Ok(()))) {
                let again = command(&mut stage, None);
                // What is done already is refused, with what it is.
                let done = matches!(&again, Some(Ok(()) | Err(OpsError::Mistake { .. })));
                assert!(done, "{about}, then {again:?}\n{}", stage.log());
            }
            let desired = Written::on(&stage).desired;
            stage.settle(&desired);
            assert_eq!(stage.live(), live, "{about}\n{}", stage.log());
            assert_eq!(stage.world.instances().len(), all, "{about}: something was bought\n{}", stage.log());
            check(&stage, &about);
            if is_over && sky == 0 {
                break;
            }
        }
    }
    assert!(deaths > 5, "only {deaths} processes died");
}

fn id_of(stage: &Stage, name: &str) -> String {
    let all = stage.world.instances();
    let named = all.iter().find(|one| one["InstanceName"] == name);
    let id = named.and_then(|one| one["InstanceId"].as_str());
    id.unwrap_or_else(|| panic!("no `{name}`\n{}", stage.log())).to_owned()
}

#[test]
fn another_address() {
    at_every_effect(
        |stage| {
            let period = "charge: { period: 1 }\n";
            let named =
                TEXT.replace("  web:", "  front:").replace(period, &format!("{period}    instance_name: web\n"));
            write(stage, &named.replacen("    instance_name: web\n", "", 1));
        },
        |stage, dies| {
            let desired = Written::on(stage).desired;
            let (from, to) = (Address::single("web"), Address::single("front"));
            let work = async |context: &ops::Context| ops::move_address(context, &desired, &from, &to).await;
            Some(stage.perform(&desired, dies, work)?.map(drop))
        },
        |_, _| (),
    );
}

#[test]
fn a_state_that_is_made_again() {
    at_every_effect(
        |stage| {
            stage.writer.disk.lose(&stage.writer.state_path());
            stage.writer.disk.lose(&stage.writer.journal_path());
        },
        |stage, dies| {
            let desired = Written::on(stage).desired;
            let work = async |context: &ops::Context| ops::rebuild(context, &desired).await;
            Some(stage.perform(&desired, dies, work)?.map(drop))
        },
        |_, _| (),
    );
}

#[test]
fn an_instance_that_somebody_else_bought() {
    let buy = |stage: &mut Stage| {
        let body = json!({
            "BundleId": super::stage::SMALL,
            "BlueprintId": "lhbp-f1lkcd41",
            "InstanceChargePrepaid": {"Period": 1},
            "InstanceName": "extra",
            "Zones": ["ap-guangzhou-3"],
        });
        stage.world.ask("CreateInstances", body).unwrap_or_else(|error| panic!("{error:?}"));
        stage.world.clock.advance(std::time::Duration::from_secs(60));
    };
    at_every_effect(
        buy,
        |stage, dies| {
            let written = Written::on(stage);
            let given = Given::default();
            let what = ImportWhat::Many { tags: Vec::new(), zones: Vec::new(), names: Vec::new() };
            let work = async |context: &ops::Context| {
                ops::import(context, &written.desired, &written.texts(&given), &what, false).await
            };
            Some(stage.perform(&written.desired, dies, work)?.map(drop))
        },
        |stage, about| {
            let written = Written::on(stage);
            assert!(written.text.starts_with(TEXT), "{about}: {}", written.text);
            assert_eq!(written.desired.instances.len(), 3, "{about}: {}", written.text);
            let extra = id_of(stage, "extra");
            assert!(stage.writer.disk.durable_text(&stage.writer.state_path()).contains(&extra), "{about}");
        },
    );
}

#[test]
fn what_is_live_and_is_to_stay() {
    at_every_effect(
        |stage| {
            let id = id_of(stage, "web");
            let body = json!({"InstanceIds": [id], "InstanceName": "renamed"});
            stage.world.ask("ModifyInstancesAttribute", body).unwrap_or_else(|error| panic!("{error:?}"));
        },
        |stage, dies| {
            let written = Written::on(stage);
            let given = Given::default();
            let work = async |context: &ops::Context| {
                ops::accept(context, &written.desired, &written.texts(&given), &[]).await
            };
            Some(stage.perform(&written.desired, dies, work)?.map(drop))
        },
        |stage, about| {
            let written = Written::on(stage);
            // Whoever applies in between before the manifest follows puts the old name back.
            let web = &written.desired.instances[&Address::single("web")].spec.instance_name;
            assert!(["web", "renamed"].contains(&web.as_str()), "{about}");
            id_of(stage, web);
            assert!(written.text.contains("# the data") && written.text.contains("# what people see"), "{about}");
        },
    );
}
