//! Several files to one manifest, and `defaults` under every block.

use super::blocks::blocks;
use super::bounds::Bounds;
use super::decode::FileManifest;
use super::schema::{Manifest, Text};
use super::variable::Variables;
use crate::diag::{Diagnostic, Diagnostics, Span, Spanned};
use std::collections::BTreeMap;

/// Merges what the files say.
pub(super) fn merge(
    files: Vec<FileManifest<'_>>,
    variables: Variables,
    diagnostics: &mut Diagnostics,
) -> Option<Manifest> {
    let start = files.first()?.start;
    let written = |key: &str| files.iter().any(|file| file.written.contains(&key));
    for (key, example) in [("version", "version: 1"), ("stack", "stack: shop"), ("region", "region: ap-guangzhou")] {
        if !written(key) {
            diagnostics.push(
                Diagnostic::error("missing-key", format!("the manifest has no `{key}`"))
                    .at(start)
                    .help(format!("write it at the top: `{example}`")),
            );
        }
    }
    if !written("instances") {
        diagnostics.push(
            Diagnostic::error("missing-instances", "the manifest has no `instances`")
                .at(start)
                .detail("A missing key may be a slip, so it never means to destroy everything.")
                .help("write `instances: {}` if the stack is to be empty"),
        );
    }

    let mut once = Once { diagnostics };
    let stack = once.scalar("stack", files.iter().filter_map(|file| file.stack.clone()), |a, b| a.value == b.value);
    let region = once.scalar("region", files.iter().filter_map(|file| file.region.clone()), |a, b| a.value == b.value);
    let site = once.scalar("site", files.iter().filter_map(|file| file.site.clone()), equal);
    let ownership = once.scalar("ownership", files.iter().filter_map(|file| file.ownership.clone()), equal);
    let token_ttl = once.scalar("token_ttl", files.iter().filter_map(|file| file.token_ttl.clone()), equal);
    let visibility_grace =
        once.scalar("visibility_grace", files.iter().filter_map(|file| file.visibility_grace.clone()), equal);
    // Maps are not compared: which of two files wins would be as good a guess as any.
    let rate_limits =
        once.scalar("rate_limits", files.iter().filter_map(|file| file.rate_limits.clone()), |_, _| false);
    let allowed_accounts =
        once.scalar("allowed_accounts", files.iter().filter_map(|file| file.allowed_accounts.clone()), |_, _| false);
    let limits = once.scalar("limits", files.iter().filter_map(|file| file.limits.clone()), |_, _| false);
    let policy = once.scalar("policy", files.iter().filter_map(|file| file.policy.clone()), |_, _| false);
    let defaults = once.scalar("defaults", files.iter().filter_map(|file| file.defaults.clone()), |_, _| false);
    let (mut written, mut outputs, mut moved, mut forget) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for file in files {
        written.extend(file.instances.unwrap_or_default());
        outputs.extend(file.outputs);
        moved.extend(file.moved);
        forget.extend(file.forget);
    }
    refuse_twice(outputs.iter().map(|(name, _)| name), diagnostics);
    let instances = blocks(written.into_iter(), defaults, diagnostics);
    let bounds = Bounds {
        limits: limits.map(|limits| limits.value).unwrap_or_default(),
        policy: policy.map(|policy| policy.value).unwrap_or_default(),
        region: region.as_ref().map(|region| region.span),
    };
    Some(Manifest {
        bounds,
        stack,
        region,
        site,
        ownership,
        allowed_accounts: allowed_accounts.map(|accounts| accounts.value).unwrap_or_default(),
        rate_limits: rate_limits.map(|limits| limits.value).unwrap_or_default(),
        token_ttl,
        visibility_grace,
        variables,
        instances,
        outputs,
        moved,
        forget,
    })
}

/// Outputs of several files may not have one name.
fn refuse_twice<'t>(names: impl Iterator<Item = &'t Text>, diagnostics: &mut Diagnostics) {
    let mut seen: BTreeMap<&str, Span> = BTreeMap::new();
    for name in names {
        match seen.get(name.value.as_str()) {
            Some(first) => diagnostics.push(
                Diagnostic::error("duplicate-output", format!("the output `{}` is written twice", name.value))
                    .at(name.span)
                    .label("again here")
                    .related(*first, "first here"),
            ),
            None => drop(seen.insert(&name.value, name.span)),
        }
    }
}

fn equal<T: PartialEq>(a: &Spanned<T>, b: &Spanned<T>) -> bool {
    a.value == b.value
}

/// Values that have a place.
trait Placed {
    fn place(&self) -> Span;
}

impl Placed for Text {
    fn place(&self) -> Span {
        self.span
    }
}

impl<T> Placed for Spanned<T> {
    fn place(&self) -> Span {
        self.span
    }
}

struct Once<'d> {
    diagnostics: &'d mut Diagnostics,
}

impl Once<'_> {
    /// The one value of a key; a second that is not the same is an error.
    fn scalar<T: Placed>(&mut self, key: &str, values: impl Iterator<Item = T>, same: fn(&T, &T) -> bool) -> Option<T> {
        let mut first: Option<T> = None;
        for value in values {
            match &first {
                None => first = Some(value),
                Some(known) if same(known, &value) => {}
                Some(known) => self.diagnostics.push(
                    Diagnostic::error("conflict", format!("two files of this manifest have a `{key}`"))
                        .at(value.place())
                        .label("here")
                        .related(known.place(), "and here")
                        .help(format!("keep `{key}` in one file")),
                ),
            }
        }
        first
    }
}
