//! The order of the places, and what each says when something is wrong with it.

use super::*;
use crate::cloud::credential::types::Login;
use crate::model::Timestamp;
use std::collections::BTreeMap;

struct Case {
    variables: BTreeMap<&'static str, &'static str>,
    home: tempfile::TempDir,
    profile: Option<&'static str>,
}

impl Case {
    fn new(variables: &[(&'static str, &'static str)]) -> Self {
        let home = tempfile::tempdir().expect("a folder");
        std::fs::create_dir(home.path().join(".tccli")).expect("a folder");
        Self { variables: variables.iter().copied().collect(), home, profile: None }
    }

    fn with_profile(self, name: &str, text: &str) -> Self {
        std::fs::write(self.home.path().join(format!(".tccli/{name}.credential")), text).expect("a file");
        self
    }

    fn named(mut self, name: &'static str) -> Self {
        self.profile = Some(name);
        self
    }

    fn find(&self) -> Result<Found, CredentialError> {
        find(&Surroundings {
            variable: &|name| self.variables.get(name).map(|value| (*value).to_owned()),
            home: Some(self.home.path()),
            profile: self.profile,
        })
    }

    fn keys(&self) -> Credential {
        match self.find().expect("found").origin {
            Origin::Keys(keys) | Origin::Role { keys, .. } => keys,
            other => panic!("{other:?}"),
        }
    }

    fn role(&self) -> (String, String) {
        match self.find().expect("found").origin {
            Origin::Role { keys, role } => (keys.secret_id, format!("{} {}", role.arn, role.session)),
            other => panic!("{other:?}"),
        }
    }

    fn told(&self) -> String {
        let error = self.find().expect_err("an error").to_string();
        error.replace(&self.home.path().display().to_string(), "~")
    }
}

const PROFILE: &str = r#"{"secretId": "AKIDfile", "secretKey": "keyfile", "token": null}"#;
const ROLE: &str = r#"{"secretId": "AKIDfile", "secretKey": "keyfile", "role-arn": "qcs::cam::uin/1:roleName/a",
    "role-session-name": "ci"}"#;
const ENV_KEYS: [(&str, &str); 2] = [(ENV_SECRET_ID, "AKIDenv"), (ENV_SECRET_KEY, "keyenv")];
const ENV_ROLE: [(&str, &str); 2] = [(ENV_ROLE_ARN, "qcs::cam::uin/1:roleName/b"), (ENV_ROLE_SESSION, "env")];

#[test]
fn environment_first() {
    let case = Case::new(&[(ENV_SECRET_ID, "AKIDenv"), (ENV_SECRET_KEY, " keyenv\n"), ("TENCENTCLOUD_TOKEN", "")])
        .with_profile("default", PROFILE);
    assert_eq!(case.find().expect("found").source, Source::Environment);
    assert_eq!(case.keys().secret_id, "AKIDenv");
    assert_eq!(case.keys().secret_key.expose(), "keyenv");
    assert_eq!(case.keys().token, None);
}

#[test]
fn either_name_of_the_token() {
    for name in ENV_TOKENS {
        let case = Case::new(&[(ENV_SECRET_ID, "a"), (ENV_SECRET_KEY, "b"), (name, "session")]);
        assert_eq!(case.keys().token, Some(Secret::new("session")));
    }
}

#[test]
fn profile_when_the_environment_is_empty() {
    let case = Case::new(&[(ENV_SECRET_ID, ""), (ENV_SECRET_KEY, "")]).with_profile("default", PROFILE);
    let found = case.find().expect("found");
    assert!(matches!(&found.source, Source::Profile { name, .. } if name == "default"));
    assert_eq!(found.looked_at.len(), 1, "{found:?}");
    assert_eq!(case.keys().secret_id, "AKIDfile");
    let other = Case::new(&[(ENV_PROFILE, "work")]).with_profile("work", PROFILE).find().expect("found");
    assert!(matches!(&other.source, Source::Profile { name, .. } if name == "work"));
    let gone = Case::new(&[(ENV_PROFILE, "work")]).with_profile("default", PROFILE).told();
    assert!(gone.starts_with("profile `work` does not exist"), "{gone}");
}

#[test]
fn named_profile_goes_before_the_environment() {
    let case = Case::new(&ENV_KEYS).with_profile("prod", &PROFILE.replace("null", "\"session\"")).named("prod");
    assert_eq!(case.keys().secret_id, "AKIDfile");
    assert_eq!(case.keys().token, Some(Secret::new("session")));
}

#[test]
fn the_machine_is_the_last() {
    let found = Case::new(&[]).find().expect("found");
    assert_eq!(found.origin, Origin::Machine(MetadataAddress::default()));
    assert_eq!(found.source, Source::Machine);
    let shown = found.looked_at.join(", then ");
    assert!(shown.contains("TENCENTCLOUD_SECRET_ID and TENCENTCLOUD_SECRET_KEY are not set"), "{shown}");
    assert!(shown.contains("default.credential does not exist"), "{shown}");
    let found = find(&Surroundings { variable: &|_| None, home: None, profile: None }).expect("found");
    assert!(found.looked_at[1].contains("HOME is not set"));
    // A rehearsal names another address, and no address but one of this machine.
    let found = Case::new(&[(ENV_METADATA_URL, "http://127.0.0.1:9")]).find().expect("found");
    assert_eq!(found.to_string(), "role of this machine (http://127.0.0.1:9)");
    let told = Case::new(&[(ENV_METADATA_URL, "http://example.com")]).told();
    assert!(told.starts_with("`http://example.com` cannot be the metadata address"), "{told}");
}

#[test]
fn roles() {
    let case = Case::new(&[]).with_profile("default", ROLE);
    assert_eq!(case.role(), ("AKIDfile".to_owned(), "qcs::cam::uin/1:roleName/a ci".to_owned()));
    let shown = case.find().expect("found").to_string();
    assert!(shown.ends_with("default.credential), role qcs::cam::uin/1:roleName/a as `ci`"), "{shown}");
    // The environment's role goes with its keys, or with the default profile's.
    let all: Vec<_> = ENV_KEYS.into_iter().chain(ENV_ROLE).collect();
    assert_eq!(Case::new(&all).role(), ("AKIDenv".to_owned(), "qcs::cam::uin/1:roleName/b env".to_owned()));
    let overlaid = Case::new(&ENV_ROLE).with_profile("default", ROLE);
    assert_eq!(overlaid.role(), ("AKIDfile".to_owned(), "qcs::cam::uin/1:roleName/b env".to_owned()));
    // A profile that is named means all of it.
    let named = Case::new(&ENV_ROLE).with_profile("prod", PROFILE).named("prod");
    assert!(matches!(named.find().expect("found").origin, Origin::Keys(_)));
    assert_eq!(
        Case::new(&ENV_ROLE).told(),
        "TENCENTCLOUD_ROLE_ARN is set but TENCENTCLOUD_SECRET_ID is not; \
         set both, or neither to use another source of credentials"
    );
}

#[test]
fn half_a_role_is_an_error() {
    // The official CLI would act as the user, who may do other things than the role.
    for (field, missing) in [("role-arn", "role-session-name"), ("role-session-name", "role-arn")] {
        let profile = PROFILE.replace("\"token\": null", &format!("\"{field}\": \"x\""));
        let told = Case::new(&[]).with_profile("default", &profile).told();
        assert_eq!(
            told,
            format!(
                "~/.tccli/default.credential names a role but not its session: {missing} is missing; set both or neither"
            )
        );
    }
    let half: Vec<_> = ENV_KEYS.into_iter().chain([ENV_ROLE[0]]).collect();
    assert!(Case::new(&half).told().contains("TENCENTCLOUD_ROLE_SESSION_NAME is missing"));
}

#[test]
fn a_profile_can_stand_for_the_machine_or_for_a_login() {
    let machine = Case::new(&[]).with_profile("cvm", r#"{"type": "cvm-role"}"#).named("cvm").find().expect("found");
    assert_eq!(machine.origin, Origin::Machine(MetadataAddress::default()));
    assert!(machine.to_string().starts_with("profile `cvm` ("), "{machine}");
    let login =
        r#"{"type": "oauth", "secretId": "AKIDlogin", "secretKey": "k", "token": "t", "expiresAt": 1700000000.5}"#;
    match Case::new(&[]).with_profile("default", login).find().expect("found").origin {
        Origin::Login(Login { expires, credential, .. }) => {
            assert_eq!(expires, Timestamp::from_secs(1_700_000_000));
            assert_eq!(credential.secret_id, "AKIDlogin");
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn half_set_environment_is_an_error() {
    let text = Case::new(&[(ENV_SECRET_ID, "AKID")]).with_profile("default", PROFILE).told();
    assert_eq!(
        text,
        "TENCENTCLOUD_SECRET_ID is set but TENCENTCLOUD_SECRET_KEY is not; \
         set both, or neither to use another source of credentials"
    );
    assert!(Case::new(&[(ENV_SECRET_KEY, "k")]).told().starts_with("TENCENTCLOUD_SECRET_KEY is set but"));
    assert!(Case::new(&[("TENCENTCLOUD_SECURITY_TOKEN", "t")]).told().contains("TENCENTCLOUD_SECURITY_TOKEN is set"));
}

#[test]
fn broken_profiles_say_what_is_wrong_and_quote_nothing() {
    for (text, problem) in [
        ("", "no valid JSON at line 1, column 0"),
        (r#"{"secretId": "AKID", "secretKey": SECRET}"#, "no valid JSON at line 1"),
        (r#"{"secretId": "AKID"}"#, "`secretKey` is missing"),
        (r#"{"secretKey": "SECRET"}"#, "`secretId` is missing"),
        (r#"{"role-arn": "qcs::cam", "role-session-name": "ci"}"#, "`secretId` and `secretKey` are missing"),
        (r#"{"secretId": 7, "secretKey": "SECRET"}"#, "`secretId` is not a text"),
        (r#"{"secretId": "AK\nID", "secretKey": "SECRET"}"#, "`secretId` in ~/.tccli/default.credential holds"),
        ("[]", "are missing"),
    ] {
        let told = Case::new(&[]).with_profile("default", text).told();
        assert!(told.contains(problem), "{text}: {told}");
        assert!(!told.contains("SECRET"), "{told}");
    }
}

#[test]
fn names_of_profiles() {
    assert!(
        Case::new(&[]).named("prod").told().starts_with("profile `prod` does not exist: there is no ~/.tccli/prod")
    );
    assert!(Case::new(&[]).named("../../etc/passwd").told().contains("is not valid"));
}

#[test]
fn debug_shows_no_secret() {
    let all: Vec<_> = [(ENV_SECRET_ID, "AKID"), (ENV_SECRET_KEY, "hush"), (ENV_TOKENS[0], "nobody")]
        .into_iter()
        .chain(ENV_ROLE)
        .collect();
    let shown = format!("{:?}", Case::new(&all).find());
    assert!(shown.contains("AKID") && !shown.contains("hush") && !shown.contains("nobody"), "{shown}");
}
