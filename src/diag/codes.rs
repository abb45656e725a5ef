//! What each code of a diagnostic means: the table behind `lhprov explain`. A test finds a code that has no line here, and a
//! line that no diagnostic has.

/// A code explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CodeText {
    /// The code.
    pub code: &'static str,
    /// What is wrong, and why that matters; full sentences.
    pub meaning: &'static str,
    /// What to do; full sentences.
    pub way_out: &'static str,
}

/// The line of a code.
pub fn explained(code: &str) -> Option<&'static CodeText> {
    CODES.iter().find(|line| line.code == code)
}

const fn line(code: &'static str, meaning: &'static str, way_out: &'static str) -> CodeText {
    CodeText { code, meaning, way_out }
}

/// Every code, sorted.
#[rustfmt::skip]
pub const CODES: &[CodeText] = &[
    line("account", "An entry of `allowed_accounts` is not a number, or the list is empty, which would allow nobody.",
        "Write account numbers (UIN); `lhprov auth whoami` shows the present one. Leave the key out to allow any."),
    line("address", "A text is not the address of an instance.",
        "An address is `db`, `web[0]` or `edge[\"a\"]`; `lhprov render` prints all of them."),
    line("alias", "A YAML alias stands inside of the value that it names, so the value would never end.",
        "Write the value out where the alias is."),
    line("alias-bomb", "Aliases of this file stand for so much that reading it would take all memory.",
        "Use fewer aliases inside of what other aliases name."),
    line("conflict", "Two files of one manifest have the same top-level key. Which one holds would depend on their order.",
        "Keep the key in one file."),
    line("count", "`count` is negative, or the stack would have more instances than lhprov takes on.",
        "Write a smaller number, or split the stack."),
    line("dependency-cycle", "Instances wait for one another in a circle, so none of them could be bought.",
        "Remove one entry of `depends_on`; the message shows the circle."),
    line("depends-on", "`depends_on` names something that the manifest does not have.",
        "Name a block, or an address such as `web[0]`."),
    line("depends-on-self", "An instance depends on itself.", "Remove that entry of `depends_on`."),
    line("domain-count", "A domain belongs to one instance, and `count` makes several.",
        "Write the instance with the domain as a block of its own."),
    line("domain-twice", "Two instances would have one domain.", "Give each a domain of its own."),
    line("duplicate-instance", "Two blocks have one name. One of them would be bought and the other forgotten.",
        "Rename one of them."),
    line("duplicate-key", "A key stands twice in one map. YAML readers differ in which of them holds.",
        "Remove one of them."),
    line("duplicate-output", "Two outputs have one name.", "Rename one of them."),
    line("duplicate-value", "A list has one value twice.", "Remove one of them."),
    line("duplicate-variable", "A variable is declared twice.", "Remove one of the declarations."),
    line("duration", "A value is not a duration.", "Write a number and a unit: `90s`, `10m`, `1h`."),
    line("each-value", "`${each.value…}` names something that the value of this key does not have.",
        "Give every key of `for_each` what the block names."),
    line("empty-manifest", "The file has nothing in it, or only comments. Nothing wanted would mean: return everything.",
        "Write a manifest, or name another file with -f. To return everything there is `lhprov destroy`."),
    line("environment", "A password comes from a variable of the environment that is not set.",
        "Set the variable before running lhprov."),
    line("file", "A file that the manifest names cannot be read.",
        "Check the path; a relative one starts at the folder of the manifest that names it."),
    line("for-each", "`for_each` stands where it cannot: beside `count`, or under `defaults`.",
        "Write it in the block itself, without `count`."),
    line("for-each-key", "A key of `for_each` cannot be part of an address.",
        "Use 1 to 60 characters in one line."),
    line("forget", "`forget` names an address that the manifest still has; it would be bought again.",
        "Remove the block, or the entry of `forget`."),
    line("id", "An id is empty or has white space in it.", "Write it as the API does."),
    line("include", "A file or folder of `include` cannot be read, or its path has an expression in it.",
        "Write plain paths, relative to the file that includes."),
    line("include-cycle", "Files include one another in a circle.", "Remove one entry of `include`."),
    line("init-command", "The init command is empty, or larger than the API takes (64 KB in base64).",
        "Let a short command fetch the rest."),
    line("init-command-source", "`init_command` has two scripts.", "Keep `content` or `file`."),
    line("init-command-timeout", "The time that an init command may take is outside of what the API takes.",
        "Write 1 to 86400 seconds."),
    line("instance-key", "The name of a block cannot be part of an address.",
        "Use 1 to 60 letters, digits, `_` and `-`; what the cloud shows is `instance_name`."),
    line("instance-name", "The display name is empty or too long.", "Use 1 to 60 characters."),
    line("internal", "lhprov contradicts itself. Nothing was done.", "Report it with the manifest, secrets removed."),
    line("interpolation", "An expression `${…}` is not closed, not known, or not possible at this place.",
        "There are `${var.x}`, `${each.key}`, `${each.value.x}`, `${count.index}`, `${stack}`, and `${env:NAME}` for \
         passwords. A literal `${` is written `$${`."),
    line("isolated", "The instance is isolated: out of service, and released after seven days. Nothing else can be done to it.",
        "Bring it back with `lhprov renew ADDRESS`, or remove the block and add it again to buy a new one."),
    line("key-ids", "An instance takes at most five key pairs.", "Name fewer of them."),
    line("key-type", "A key of a map is itself a list or a map.", "Write a text; put it into quotes where it has brackets."),
    line("left-out", "The run is limited by --only or --skip; this says what is left out of it.",
        "Nothing to do; without the flags all of it is planned."),
    line("left-over", "An instance that was replaced or failed is kept for now: the service does not take it back, or its \
         successor does not run yet.",
        "Nothing to do; a later apply returns it where that is possible."),
    line("literal-password", "A password stands in the manifest, where everybody reads it who reads the repository.",
        "Write `password: \"${env:NAME}\"` or `password: {file: PATH}`, and change the password."),
    line("login", "Two ways of logging in exclude one another.", "Keep one of `key_ids`, `password` and \
         `auto_generate_password`."),
    line("manifest-not-found", "There is no manifest where one was looked for.",
        "Run in the folder of lighthouse.yaml, or name it with -f or --chdir."),
    line("manifest-unreadable", "A manifest cannot be read.", "Check its permissions, and that it is a text in UTF-8."),
    line("merge-key", "Merge keys (`<<`) are not part of YAML 1.2, and readers differ in them.",
        "Use `defaults`, or write the keys out."),
    line("missing-blueprint-id", "An instance has no image.", "Write `blueprint_id` in the block or under `defaults`."),
    line("missing-bundle-id", "An instance has no package.", "Write `bundle_id` in the block or under `defaults`."),
    line("missing-instances", "No file of the manifest has the key `instances`. Nothing wanted would mean: return everything.",
        "Write `instances:` with what is wanted. To return everything there is `lhprov destroy`."),
    line("missing-key", "A required key is missing.", "Write it where the message points to."),
    line("missing-period", "An instance says not for how many months it is bought.",
        "Write `charge: {period: …}` in the block or under `defaults`."),
    line("missing-variable", "A variable has neither a value nor a default.",
        "Give it with --var, --var-file or LHPROV_VAR_name, or write a default."),
    line("moved", "An entry of `moved` cannot be carried out: an address moves to itself, from a block to an address, or to \
         nothing.",
        "Write a block, or an address, on both sides; `to` has to be in the manifest."),
    line("moved-cycle", "Entries of `moved` lead in a circle.", "Remove one of them."),
    line("moved-twice", "Two entries of `moved` have one address on the same side.", "Keep one of them."),
    line("needed", "Something was added to the run because what --only names depends on it.",
        "Nothing to do; the plan shows what happens to it."),
    line("no-such-blueprint", "The service does not have this image in this region.",
        "`lhprov catalog blueprints` lists them."),
    line("no-such-bundle", "The service does not sell this package in this region.",
        "`lhprov catalog bundles` lists them."),
    line("no-upgrade", "The service does not upgrade this instance to this bundle.",
        "Write another bundle, or ask for another instance with `--replace ADDRESS`, which loses the data."),
    line("not-acceptable", "What is live cannot be written into a manifest: lhprov would refuse it there.",
        "Put the old value back with an apply, or correct it in the console."),
    line("not-editable", "A value cannot be changed where it stands, since others share it: it comes from `defaults`, an \
         expression or an anchor, or belongs to several instances.",
        "Change it by hand, or put the old value back with an apply."),
    line("not-in-state", "The cloud has instances that seem to be this stack's, and no state knows them. They cost money.",
        "Return them in the console, take them over with `lhprov import`, or restore the state that knows them."),
    line("not-running", "An instance is not in service: stopped, expired, frozen, restricted or in rescue mode.",
        "Bring it back in the console or with `lhprov renew`; lhprov changes what it can."),
    line("not-supported", "The key is planned and this version of lhprov does not know it. Leaving it out would not do what \
         the manifest says.",
        "Remove it, or take a newer version."),
    line("nothing-to-renew", "Nothing stands at the address that could get more time.",
        "`lhprov state list` prints the addresses that have an instance."),
    line("output", "An output names something that the manifest does not have, or that nothing tells of an instance.",
        "Outputs know `${instances.NAME}`, `[i]`, `[\"key\"]`, `[*]` and what `lhprov show --json` tells."),
    line("output-name", "The name of an output cannot be one for a shell.",
        "Use letters, digits and `_`, the first a letter."),
    line("password", "The service would not take this password.",
        "8 to 30 characters (Windows 12 to 30), of at least three kinds, without spaces, not beginning with `/`."),
    line("period", "So many months cannot be bought at once.",
        "Write 1 to 12, 24, 36, 48 or 60; a renewal takes 1 to 12, 24 or 36."),
    line("port", "A number is not a port.", "Write 1 to 65535."),
    line("rate-limit", "A rate limit is outside of what makes sense.", "Write 1 to 1000 requests a second."),
    line("recoverable", "An instance would be bought anew although the one before can still be brought back.",
        "`lhprov renew ADDRESS` buys time for it instead, with its disk and addresses."),
    line("region", "The region is not one, is a zone, or is not the same in all places.",
        "A region looks like `ap-guangzhou`; `lhprov catalog regions` lists them."),
    line("renamed", "A block seems to have been renamed: its instance would be returned and an equal one bought.",
        "Paste the `moved:` entry that the message shows; or return the old one first if that is what you want."),
    line("several-documents", "The file has several YAML documents.", "Keep one; `include` and several -f read several files."),
    line("site", "The other site's API does not know this key; what it does with it is undocumented.",
        "Remove the key, or check `site`."),
    line("stack-name", "The stack's name cannot be part of file names, tags and tokens.",
        "Use 1 to 63 characters: a-z, 0-9, `.`, `_` and `-`, the first a letter or a digit."),
    line("state", "The state of the instance in the cloud does not admit the change.",
        "Bring it back into service first, or name the attribute in `ignore_changes`."),
    line("tab", "A tab indents a line, which YAML does not allow.", "Use spaces."),
    line("tag", "The key of a tag is empty, or one that lhprov sets itself.", "Choose another key."),
    line("tags", "There are more tags than the service takes: ten, two of which are lhprov's.",
        "Use fewer, or `ownership: name`."),
    line("too-deep", "Maps and lists are nested deeper than any manifest needs.", "Check the indentation."),
    line("too-large", "The file has more values than lhprov reads.", "Use `count`, `for_each` or several stacks."),
    line("unknown-action", "lhprov calls no such action, so a limit for it would do nothing.",
        "Write the action as the API does: `CreateInstances`."),
    line("unknown-key", "There is no such key at this place. Passed over, it would not do what was meant.",
        "Take the key that the message names; `lhprov schema manifest` lists all of them, also for editors."),
    line("unknown-value", "The value is none of those that are possible here.", "Take one of those that the message lists."),
    line("unknown-variable", "The manifest declares no such variable.", "Declare it under `variables`, or correct the name."),
    line("var-file", "A file of --var-file cannot be read.", "Check the path; it holds a YAML map of values."),
    line("variable-allowed", "A variable's value is none of those that its declaration allows.",
        "Give one of them, or add it to `allowed`."),
    line("variable-name", "The name of a variable cannot be used in `${var.x}`.",
        "Use letters, digits and `_`, the first a letter."),
    line("variable-path", "`${var.x.y}` names something that the variable's value does not have.",
        "Check the value and the path."),
    line("variable-type", "A variable's value is of another type than its declaration says.",
        "Give a value of the type; lists and maps are given as YAML."),
    line("version", "The manifest is of a version that this lhprov does not read.",
        "Write `version: 1`, or take a newer lhprov."),
    line("windows-keys", "A Windows instance takes no key pairs.", "Use `login: {password: …}`."),
    line("wrong-type", "A value is of another type than the key takes.",
        "The message says which; a number that is meant as a text stands in quotes."),
    line("yaml-ambiguous", "Two YAML readers understand this text in two ways.", "Put the value into quotes."),
    line("yaml-syntax", "The file is not YAML.", "Correct the place that the message names; often a quote or a bracket is missing."),
    line("yaml-tag", "YAML tags such as `!!str` are not supported.", "Write the value so that it has its type by itself."),
    line("zone", "A zone is not in the stack's region.", "`lhprov catalog zones` lists those of the region."),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sorted_and_in_full_sentences() {
        assert!(CODES.is_sorted_by(|a, b| a.code < b.code));
        for CodeText { code, meaning, way_out } in CODES {
            assert!(meaning.ends_with('.') && way_out.ends_with('.'), "{code}");
            assert!(explained(code).is_some());
        }
    }
}
