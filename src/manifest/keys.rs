//! Which keys each map of the manifest has, and which a later version will have.

/// The keys of one kind of map.
#[derive(Debug)]
pub(super) struct Keys {
    /// The kind of map, for people: `in an instance`.
    pub place: &'static str,
    /// Keys that are understood.
    pub known: &'static [&'static str],
    /// Keys that are part of the manifest's design, and that this version cannot honour. Passing over one in silence
    /// would buy something else than what was written.
    pub later: &'static [&'static str],
}

pub(super) const MANIFEST: Keys = Keys {
    place: "at the top of a manifest",
    known: &[
        "version",
        "stack",
        "site",
        "region",
        "ownership",
        "allowed_accounts",
        "defaults",
        "instances",
        "rate_limits",
        "token_ttl",
        "visibility_grace",
        "variables",
        "outputs",
        "include",
        "moved",
        "forget",
        "limits",
        "policy",
    ],
    later: &["key_pairs", "disks"],
};

pub(super) const LIMITS: Keys =
    Keys { place: "in `limits`", known: &["max_instances", "max_per_month", "max_destroy"], later: &[] };

pub(super) const POLICY: Keys = Keys {
    place: "in `policy`",
    known: &["allowed_bundles", "allowed_blueprints", "allowed_regions", "allowed_zones", "required_tags", "freeze"],
    later: &[],
};

pub(super) const FREEZE: Keys = Keys { place: "in `freeze`", known: &["reason", "until"], later: &[] };

pub(super) const INSTANCE: Keys = Keys {
    place: "in an instance",
    known: &[
        "bundle_id",
        "blueprint_id",
        "charge",
        "instance_name",
        "zones",
        "count",
        "for_each",
        "depends_on",
        "tags",
        "login",
        "containers",
        "init_command",
        "firewall_template_id",
        "auto_voucher",
        "domain_name",
        "subdomain",
        "protect",
        "ignore_changes",
        "replace",
        "power",
        "timeouts",
    ],
    later: &["firewall"],
};

pub(super) const CHARGE: Keys = Keys { place: "in `charge`", known: &["period", "renew_flag"], later: &[] };

pub(super) const LOGIN: Keys =
    Keys { place: "in `login`", known: &["key_ids", "password", "auto_generate_password"], later: &[] };

pub(super) const CONTAINER: Keys = Keys {
    place: "in a container",
    known: &["container_image", "container_name", "envs", "publish_ports", "volumes", "command", "restart_policy"],
    later: &[],
};

pub(super) const ENVIRONMENT: Keys = Keys { place: "in an entry of `envs`", known: &["key", "value"], later: &[] };

pub(super) const PUBLISH_PORT: Keys = Keys {
    place: "in an entry of `publish_ports`",
    known: &["host_port", "container_port", "ip", "protocol"],
    later: &[],
};

pub(super) const VOLUME: Keys =
    Keys { place: "in an entry of `volumes`", known: &["container_path", "host_path"], later: &[] };

pub(super) const INIT_COMMAND: Keys = Keys {
    place: "in `init_command`",
    known: &["content", "file", "timeout", "working_directory", "username"],
    later: &[],
};

pub(super) const FILE: Keys = Keys { place: "beside `file`", known: &["file"], later: &[] };

pub(super) const TIMEOUTS: Keys = Keys { place: "in `timeouts`", known: &["create", "update", "delete"], later: &[] };

pub(super) const VARIABLE: Keys = Keys {
    place: "in a variable",
    known: &["default", "type", "allowed", "description"],
    // What is sensitive comes from the environment or a file, where it is used: `${env:NAME}`.
    later: &["sensitive"],
};

pub(super) const MOVED: Keys = Keys { place: "in an entry of `moved`", known: &["from", "to"], later: &[] };
