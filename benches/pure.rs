//! The pure parts, each by itself, for 1,000 and 10,000 instances: text to desired, plan, tokens, state to bytes and back.
//!
//!     cargo bench --bench pure
//!
//! What the whole process costs, `benches/measure.py` measures.
#![allow(missing_docs, reason = "a benchmark has no users")]

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use lhprov::desired::{self, DesiredState};
use lhprov::diag::Diagnostics;
use lhprov::manifest::{self, Given, Sources};
use lhprov::model::{Attributes, InstanceId, Lineage, Predecessor, Site};
use lhprov::observe::state::ObservedState;
use lhprov::plan::batch::{batch, cut};
use lhprov::plan::{Inputs, Options, Planned, plan};
use lhprov::state::{AppliedSpec, Binding, OpenIntents, PriorState, RecordedInstance, codec};
use std::fmt::Write as _;
use std::hint::black_box;

const SIZES: [usize; 2] = [1_000, 10_000];

const HEAD: &str = "version: 1
stack: bench
region: ap-guangzhou
defaults:
  blueprint_id: lhbp-f1lkcd41
  charge: { period: 1, renew_flag: NOTIFY_AND_MANUAL_RENEW }
instances:
";

/// One block with `count`.
fn counted(number: usize) -> String {
    format!(
        "{HEAD}  web:\n    count: {number}\n    instance_name: \"web-${{count.index}}\"\n    bundle_id: bundle_starter_nmc_lin_med2_01\n    tags: {{ tier: front }}\n"
    )
}

/// One block with `for_each`.
fn keyed(number: usize) -> String {
    let mut text = format!("{HEAD}  web:\n    bundle_id: bundle_starter_nmc_lin_med2_01\n    for_each:\n");
    for index in 0..number {
        let _ = writeln!(text, "      k{index:05}: {{ rack: r{} }}", index % 40);
    }
    text
}

/// A block for each instance.
fn blocks(number: usize) -> String {
    let mut text = HEAD.to_owned();
    for index in 0..number {
        let _ = write!(
            text,
            "  web-{index}:
    bundle_id: bundle_starter_nmc_lin_med2_01
    charge:
      period: 1
    zones:
      - ap-guangzhou-3
      - ap-guangzhou-6
    tags:
      tier: front
      owner: platform
    login:
      key_ids: [lhkp-abc12345]
"
        );
    }
    text
}

/// Makes a manifest of so many instances.
type Shape = fn(usize) -> String;

const SHAPES: [(&str, Shape); 3] = [("count", counted), ("for_each", keyed), ("blocks", blocks)];

fn wanted(text: &str) -> DesiredState {
    let sources = Sources::from_texts([("lighthouse.yaml", text.to_owned())]);
    let (desired, _, diagnostics) = desired::load_sources(sources, &Given::default(), &|_| None);
    desired.unwrap_or_else(|| panic!("{diagnostics:?}"))
}

fn nothing_recorded() -> PriorState {
    let binding = Binding {
        stack: "bench".into(),
        site: Site::China,
        region: "ap-guangzhou".into(),
        endpoint: "sandbox".into(),
        account: None,
    };
    PriorState::new(Lineage("bench".into()), binding)
}

/// A state in which everything stands as wanted.
fn recorded(desired: &DesiredState) -> PriorState {
    let mut state = nothing_recorded();
    for (number, (address, wanted)) in desired.instances.iter().enumerate() {
        let recorded = RecordedInstance {
            instance_id: InstanceId(format!("lhins-{number:08}")),
            predecessor: Predecessor::None,
            seen: true,
            protect: false,
            unconfirmed: false,
            spec: AppliedSpec::from(wanted.spec.to_json("")),
            replacing: false,
            attributes: Attributes { state: "RUNNING".to_owned(), ..Attributes::default() },
        };
        state.instances.insert(address.clone(), recorded);
    }
    state
}

fn planned(desired: &DesiredState, prior: &PriorState) -> Planned {
    let (open, observed) = (OpenIntents::new(), ObservedState::default());
    plan(
        Inputs { desired, manifest: desired, prior, open: &open, observed: &observed, selection: None },
        Options::default(),
    )
}

fn text_to_desired(criterion: &mut Criterion) {
    for (name, shape) in SHAPES {
        let mut group = criterion.benchmark_group(name);
        for number in SIZES {
            let text = shape(number);
            let sources = || Sources::from_texts([("lighthouse.yaml", text.clone())]);
            group.throughput(Throughput::Elements(number as u64));
            group.bench_function(BenchmarkId::new("parse", number), |bencher| {
                bencher.iter_batched(
                    sources,
                    |mut sources| manifest::load(&mut sources, &Given::default(), true, &mut Diagnostics::default()),
                    criterion::BatchSize::LargeInput,
                );
            });
            let mut read = sources();
            let parsed = manifest::load(&mut read, &Given::default(), true, &mut Diagnostics::default());
            let parsed = parsed.expect("it holds");
            let no_file = |_, _: &str| Err("there are no files".to_owned());
            let inputs = desired::Inputs { environment: &|_| None, read_file: &no_file, read_secret: &no_file };
            group.bench_function(BenchmarkId::new("expand", number), |bencher| {
                bencher.iter_with_large_drop(|| desired::expand(&parsed, &inputs, &mut Diagnostics::default()));
            });
        }
        group.finish();
    }
}

fn planning(criterion: &mut Criterion) {
    for (name, shape) in SHAPES {
        let mut group = criterion.benchmark_group(name);
        for number in SIZES {
            let desired = wanted(&shape(number));
            let (empty, full) = (nothing_recorded(), recorded(&desired));
            group.throughput(Throughput::Elements(number as u64));
            group.bench_function(BenchmarkId::new("plan new", number), |bencher| {
                bencher.iter_with_large_drop(|| planned(&desired, &empty));
            });
            group.bench_function(BenchmarkId::new("plan no-op", number), |bencher| {
                bencher.iter_with_large_drop(|| planned(&desired, &full));
            });
        }
        group.finish();
    }
}

fn tokens(criterion: &mut Criterion) {
    let desired = wanted(&counted(30));
    let members: Vec<_> = cut(&desired).into_iter().flatten().map(|address| (address, Predecessor::NOTHING)).collect();
    criterion.bench_function("batch of 30 and its token", |bencher| {
        bencher.iter(|| batch(black_box(&desired), black_box(&members)));
    });
}

fn state(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("state");
    for number in SIZES {
        let full = recorded(&wanted(&counted(number)));
        let bytes = codec::encode(&full);
        group.throughput(Throughput::Bytes(bytes.len() as u64));
        group.bench_function(BenchmarkId::new("encode", number), |bencher| {
            bencher.iter_with_large_drop(|| codec::encode(&full));
        });
        group.bench_function(BenchmarkId::new("decode", number), |bencher| {
            bencher.iter_with_large_drop(|| codec::decode(&bytes));
        });
    }
    group.finish();
}

criterion_group! {
    name = pure;
    config = Criterion::default().sample_size(20);
    targets = text_to_desired, planning, tokens, state
}
criterion_main!(pure);
