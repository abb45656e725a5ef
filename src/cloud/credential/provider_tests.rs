//! When credentials are renewed, how often, and what a failure comes to. Time stands still but for what the test adds.

use super::*;
use crate::cloud::error::ErrorClass;
use crate::model::Secret;
use futures_util::future::{join, join_all};
use serde_json::json;
use std::path::PathBuf;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

const START: i64 = 1_700_000_000;

struct Standing(AtomicI64);

impl Standing {
    fn pass(&self, secs: i64) {
        self.0.fetch_add(secs * 1000, Ordering::SeqCst);
    }
}

impl Clock for Standing {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        Box::pin(std::future::pending())
    }
}

/// Gives a role for `lasts` seconds, or fails with a class while there is one.
struct Service {
    clock: Arc<Standing>,
    lasts: AtomicI64,
    fails: Mutex<Option<ErrorClass>>,
    calls: AtomicUsize,
}

impl Sts for Service {
    fn call<'a>(
        &'a self,
        keys: &'a Credential,
        action: &'static str,
        body: String,
    ) -> BoxFuture<'a, Result<Reply, CloudError>> {
        Box::pin(async move {
            // Somebody else gets a turn, as on a network.
            tokio::task::yield_now().await;
            let number = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
            assert_eq!((keys.secret_id.as_str(), action), ("AKIDkeys", "AssumeRole"));
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&body).unwrap(),
                json!({"RoleArn": "qcs::cam::uin/1:roleName/a", "RoleSessionName": "ci", "DurationSeconds": 7200})
            );
            if let Some(class) = *self.fails.lock().unwrap() {
                let code = (class == ErrorClass::Auth).then(|| "AuthFailure.UnauthorizedOperation".to_owned());
                return Err(CloudError { code, ..CloudError::transport(class, action, "scripted") });
            }
            let until = self.clock.now().as_secs() + self.lasts.load(Ordering::SeqCst);
            let given = json!({"Token": format!("session-{number}"), "TmpSecretId": "AKIDtmp", "TmpSecretKey": "hush"});
            Ok(Reply::from_value(json!({"Credentials": given, "ExpiredTime": until}), "r".to_owned()))
        })
    }
}

struct Scene {
    clock: Arc<Standing>,
    service: Arc<Service>,
    provider: Provider,
}

impl Scene {
    fn of(origin: Origin, lasts: i64) -> Self {
        let clock = Arc::new(Standing(AtomicI64::new(START * 1000)));
        let (lasts, fails) = (AtomicI64::new(lasts), Mutex::default());
        let service = Arc::new(Service { clock: Arc::clone(&clock), lasts, fails, calls: AtomicUsize::new(0) });
        let source = Source::Profile { name: "ci".to_owned(), path: PathBuf::from("ci.credential") };
        let found = Found { origin, source, looked_at: Vec::new() };
        let provider = Provider::new(found, Arc::clone(&service) as Arc<dyn Sts>, Arc::clone(&clock) as Arc<dyn Clock>);
        Self { clock, service, provider }
    }

    fn with_role(lasts: i64) -> Self {
        let keys = Credential { secret_id: "AKIDkeys".to_owned(), secret_key: Secret::new("key"), token: None };
        let role = AssumedRole { arn: "qcs::cam::uin/1:roleName/a".to_owned(), session: "ci".to_owned() };
        Self::of(Origin::Role { keys, role }, lasts)
    }

    async fn token(&self) -> Result<String, Arc<CredentialError>> {
        let issued = self.provider.current().await?;
        Ok(issued.credential.token.as_ref().map_or_else(String::new, |token| token.expose().to_owned()))
    }

    fn fail(&self, class: Option<ErrorClass>) {
        *self.service.fails.lock().unwrap() = class;
    }

    fn calls(&self) -> usize {
        self.service.calls.load(Ordering::SeqCst)
    }
}

#[tokio::test]
async fn keys_are_given_as_they_are() {
    let keys = Credential { secret_id: "AKID".to_owned(), secret_key: Secret::new("key"), token: None };
    let scene = Scene::of(Origin::Keys(keys.clone()), 1);
    scene.clock.pass(1_000_000);
    assert_eq!(scene.provider.current().await.unwrap().credential, keys);
    assert_eq!(scene.calls(), 0);
}

#[tokio::test]
async fn renewed_before_the_end_and_not_sooner() {
    let scene = Scene::with_role(7200);
    assert_eq!(scene.token().await.unwrap(), "session-1");
    scene.clock.pass(7200 - 301);
    assert_eq!(scene.token().await.unwrap(), "session-1");
    // A request that is signed now may be under way for five minutes.
    scene.clock.pass(1);
    assert_eq!(scene.token().await.unwrap(), "session-2");
    assert_eq!(scene.calls(), 2);
    // Of short ones the second half is the reserve.
    let scene = Scene::with_role(60);
    scene.token().await.unwrap();
    scene.clock.pass(29);
    assert_eq!(scene.token().await.unwrap(), "session-1");
    scene.clock.pass(1);
    assert_eq!(scene.token().await.unwrap(), "session-2");
}

#[tokio::test]
async fn one_renewal_at_a_time() {
    let scene = Scene::with_role(7200);
    let tokens = join_all((0..50).map(|_| scene.token())).await;
    assert!(tokens.iter().all(|token| token.as_ref().unwrap() == "session-1"));
    assert_eq!(scene.calls(), 1);
    // Whoever waits for one that fails does not try again.
    let scene = Scene::with_role(7200);
    scene.fail(Some(ErrorClass::NotSent));
    let (a, b) = join(scene.token(), scene.token()).await;
    assert!(a.is_err() && b.is_err());
    assert_eq!(scene.calls(), 1);
    // One that is given up in the middle leaves the way free.
    let scene = Scene::with_role(7200);
    let mut given_up = Box::pin(scene.token());
    assert!(futures_util::FutureExt::now_or_never(given_up.as_mut()).is_none());
    drop(given_up);
    assert_eq!(scene.token().await.unwrap(), "session-1");
}

#[tokio::test]
async fn a_failed_renewal_costs_nothing_while_the_old_ones_hold() {
    let scene = Scene::with_role(7200);
    scene.token().await.unwrap();
    scene.fail(Some(ErrorClass::Ambiguous));
    scene.clock.pass(7000);
    for _ in 0..3 {
        assert_eq!(scene.token().await.unwrap(), "session-1");
    }
    assert_eq!(scene.calls(), 2, "not at every request");
    scene.clock.pass(10);
    assert_eq!(scene.token().await.unwrap(), "session-1");
    assert_eq!(scene.calls(), 3);
    // They are not used a moment beyond their end, however lately the renewal was tried.
    scene.clock.pass(189);
    assert_eq!(scene.token().await.unwrap(), "session-1");
    assert_eq!(scene.calls(), 4);
    scene.clock.pass(1);
    let error = scene.token().await.unwrap_err().of_call("CreateInstances");
    // The renewal may have done something, the purchase not.
    assert_eq!(error.class, ErrorClass::NotSent);
    assert!(error.class.proves_no_effect());
    assert_eq!(
        error.to_string(),
        "CreateInstances: not sent, for want of credentials: the role qcs::cam::uin/1:roleName/a cannot be assumed: \
         AssumeRole: scripted"
    );
    scene.fail(None);
    scene.clock.pass(1);
    assert_eq!(scene.token().await.unwrap(), "session-6");
}

#[tokio::test]
async fn what_sts_refuses_is_no_answer_to_the_call() {
    let scene = Scene::with_role(7200);
    scene.fail(Some(ErrorClass::Auth));
    let error = scene.token().await.unwrap_err().of_call("DescribeInstances");
    assert_eq!((error.class, error.code.as_deref(), error.request_id.as_deref()), (ErrorClass::Auth, None, None));
    assert!(error.message.contains("AuthFailure.UnauthorizedOperation"), "{error}");
}

#[tokio::test]
async fn what_is_over_when_it_comes_is_refused() {
    let scene = Scene::with_role(0);
    let error = scene.token().await.unwrap_err();
    assert!(error.to_string().contains("check this machine's clock"), "{error}");
}

#[tokio::test]
async fn a_login_is_read_again_when_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("default.credential");
    let write = |token: &str, until: i64| {
        let text = json!({"type": "oauth", "secretId": "AKID", "secretKey": "k", "token": token, "expiresAt": until});
        std::fs::write(&path, text.to_string()).unwrap();
    };
    write("first", START + 7200);
    let origin = profile::read("default", &path, None).unwrap().unwrap();
    let scene = Scene::of(origin, 1);
    assert_eq!(scene.token().await.unwrap(), "first");
    scene.clock.pass(7000);
    // The official CLI was used meanwhile.
    write("second", START + 14_400);
    assert_eq!(scene.token().await.unwrap(), "second");
    scene.clock.pass(7400);
    let error = scene.token().await.unwrap_err();
    assert!(error.to_string().contains("is over since 2023-11-15T02:13:20Z; log in again"), "{error}");
    assert_eq!(error.of_call("x").class, ErrorClass::Auth);
}
