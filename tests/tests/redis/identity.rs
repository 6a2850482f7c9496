//! Changing credentials of a host for its Redis: a password in a file, and tokens of Microsoft
//! Entra ID.
//!
//! Owns the cost of a change (none) and the visibility of a credential (none). Must not know how
//! Redis checks a login. The host's code is tested with a clock of the test, and the program with
//! short-lived tokens.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use scorebox_host::redis::{
    Clock, Condition, Credentials, Endpoint, Granted, Login, LoginError, Server, Store, TokenSource,
};
use scorebox_tests::app::App;
use scorebox_tests::cable::Cable;
use scorebox_tests::host::{Host, refused};
use scorebox_tests::http::{block_on, install_crypto};
use scorebox_tests::identity::{ASSERTION, HEADER, Identity, Kind as Service, OBJECT_ID};
use scorebox_tests::redis::{Kind, PASSWORD, Redis};
use scorebox_tests::wait::AtEnd;
use scorebox_tests::{programs, require, wait};
use serde_json::json;

const MANIFEST: &str = "[stores.default]\nprefix = \"p\"\n";

/// Rights of a scorer's user.
const RIGHTS: [&str; 2] = ["~*", "+@all"];

/// Sends requests that need the store until the work is done. None of them may fail. Returns their
/// number.
fn without_a_failure(host: &Host, work: impl FnOnce()) -> usize {
    let done = AtomicBool::new(false);
    let scores = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !done.load(Ordering::Relaxed) {
                    assert_eq!(get(host), json!([{"ok": "1"}]), "{}", host.log.text());
                    scores.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let _done = AtEnd(&done);
        work();
    });
    scores.into_inner()
}

fn get(host: &Host) -> serde_json::Value {
    host.score(&json!({"ops": [{"op": "get", "key": "a"}]}))
        .expect(200)
        .json()
}

/// Waits until these words are in the log this often.
#[track_caller]
fn said(host: &Host, words: &str, times: usize) {
    wait::until(words, || {
        (host.log.text().matches(words).count() >= times).then_some(())
    });
}

/// Returns the id and the user of each client of the host.
fn clients(redis: &Redis) -> Vec<(String, String)> {
    let list: String = redis.command(&["CLIENT", "LIST"]);
    let field = |line: &str, name: &str| {
        let found = line
            .split(' ')
            .find_map(|pair| pair.strip_prefix(name))
            .unwrap_or_default();
        found.to_owned()
    };
    let ours = list
        .lines()
        .filter(|line| line.contains("lib-name=scorebox") || !line.contains("cmd=client"));
    ours.map(|line| (field(line, "id="), field(line, "user=")))
        .collect()
}

#[test]
fn a_password_in_a_file_is_replaced_without_a_failure() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    redis.command::<()>(&["SET", "p:a", "1"]);
    let cable = Cable::to(redis.port());
    let dir = tempfile::tempdir().expect("a folder");
    let file = dir.path().join("password");
    std::fs::write(&file, format!("{PASSWORD}\n")).expect("a file");
    let url = format!(
        "redis://127.0.0.1:{}/3?password_file={}",
        cable.port(),
        file.display()
    );
    let app = App::with(programs::KEYS, MANIFEST);
    let host = Host::start_with(
        &app,
        &[
            ("SCOREBOX_REDIS_URL", url.as_str()),
            ("SCOREBOX_LOG", "trace"),
        ],
    );
    assert_eq!(get(&host), json!([{"ok": "1"}]));
    let scores = without_a_failure(&host, || {
        // This is the order of a rotation: the new password is valid before the old one is removed.
        redis.command::<()>(&["ACL", "SETUSER", "default", ">the-next-secret"]);
        std::fs::write(&file, "the-next-secret").expect("a file");
        said(&host, "Redis accepted the new login", 1);
    });
    assert!(scores > 100, "{scores}");
    redis.command::<()>(&["ACL", "SETUSER", "default", &format!("<{PASSWORD}")]);
    // A new connection uses the new password from the start.
    cable.cut();
    cable.restore();
    wait::until("the store to be back", || {
        (get(&host) == json!([{"ok": "1"}])).then_some(())
    });
    // A file that is missing or empty for a moment changes nothing.
    std::fs::write(&file, "").expect("a file");
    said(&host, "is empty", 1);
    assert_eq!(get(&host), json!([{"ok": "1"}]));
    let text = host.log.text();
    assert!(
        !text.contains(PASSWORD) && !text.contains("the-next-secret"),
        "{text}"
    );
}

#[test]
fn tokens_of_managed_identities_are_renewed_without_a_failure() {
    tokens_are_renewed(Service::AppService);
}

#[test]
fn tokens_of_workload_identities_are_renewed_without_a_failure() {
    tokens_are_renewed(Service::Workload);
}

fn tokens_are_renewed(service: Service) {
    require!("redis-server", "openssl");
    let redis = Redis::start(Kind::Tls);
    redis.command::<()>(&["SET", "p:a", "1"]);
    let identity = Identity::start(service, Duration::from_secs(6));
    // Azure's server checks a token by its signature. This server gets the tokens as passwords.
    let known = |token: &str, is_good: bool| {
        let password = format!("{}{token}", if is_good { '>' } else { '<' });
        redis.command::<()>(&[
            "ACL", "SETUSER", OBJECT_ID, "on", &password, RIGHTS[0], RIGHTS[1],
        ]);
    };
    let url = format!(
        "rediss://127.0.0.1:{}?auth=entra&ca={}",
        redis.tls_port(),
        redis.authority().display()
    );
    let mut variables = identity.variables();
    variables.extend([
        ("SCOREBOX_REDIS_URL".to_owned(), url),
        ("SCOREBOX_LOG".to_owned(), "trace".to_owned()),
    ]);
    let variables: Vec<_> = variables
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect();
    let host = Host::start_with(&App::with(programs::KEYS, MANIFEST), &variables);
    // The first request opens the connection. The server does not know the token yet.
    let first = get(&host);
    assert!(
        first[0]["error"]["other"]
            .as_str()
            .unwrap_or_default()
            .contains("credentials"),
        "{first}"
    );
    let token = |number: usize| wait::until("a token", || identity.tokens().get(number).cloned());
    known(&token(0), true);
    wait::until("the login", || {
        (get(&host) == json!([{"ok": "1"}])).then_some(())
    });
    let client = |user: &str| {
        clients(&redis)
            .into_iter()
            .find(|(_, found)| found == user)
            .expect("a client")
            .0
    };
    let id = client(OBJECT_ID);
    let scores = without_a_failure(&host, || {
        for number in 1..3 {
            known(&token(number), true);
            said(&host, "Redis accepted the new login", number);
            known(&token(number - 1), false);
        }
        // If the token service fails for a while, its last token stays in use.
        identity.fail(true);
        said(&host, "no new login for Redis", 1);
        identity.fail(false);
    });
    assert!(scores > 100, "{scores}");
    assert_eq!(client(OBJECT_ID), id, "the connection is another one");
    assert_eq!(identity.refused(), Vec::<String>::new());
    let text = host.log.text();
    let secrets = identity.tokens().into_iter().chain([
        HEADER.to_owned(),
        ASSERTION.to_owned(),
        PASSWORD.to_owned(),
    ]);
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is in the log");
        let signature = secret.rsplit('.').next().unwrap_or(&secret);
        assert!(!text.contains(signature), "{signature} is in the log");
    }
}

#[test]
fn a_token_is_never_sent_without_tls() {
    let app = App::with(programs::KEYS, MANIFEST);
    refused(
        &app,
        &[("SCOREBOX_REDIS_URL", "redis://127.0.0.1:1?auth=entra")],
    )
    .said(&["SCOREBOX_REDIS_URL", "rediss://"]);
}

/// A clock that the test moves forward.
#[derive(Default)]
struct Moved {
    now: Mutex<Duration>,
    moved: tokio::sync::Notify,
}

impl Moved {
    fn by(&self, time: Duration) {
        *self.now.lock().expect("no thread panics") += time;
        self.moved.notify_waiters();
    }
}

#[async_trait]
impl Clock for Moved {
    fn unix_time(&self) -> Duration {
        *self.now.lock().expect("no thread panics")
    }

    async fn sleep(&self, time: Duration) {
        let until = self.unix_time() + time;
        loop {
            let moved = self.moved.notified();
            tokio::pin!(moved);
            moved.as_mut().enable();
            if self.unix_time() >= until {
                return;
            }
            moved.await;
        }
    }
}

/// A source of one user after another, each for an hour.
struct Users(Arc<AtomicUsize>);

const HOUR: Duration = Duration::from_secs(3600);

#[async_trait]
impl TokenSource for Users {
    async fn login(&self, clock: &dyn Clock) -> Result<Granted, LoginError> {
        let asked = self.0.fetch_add(1, Ordering::SeqCst);
        let hour = clock.unix_time().as_secs() / HOUR.as_secs();
        let login = Login {
            user: Some(format!("user-{hour}")),
            password: Some(PASSWORD.to_owned().into()),
        };
        // The second request fails, because services fail now and then.
        if asked == 1 {
            Err(LoginError::NoToken("it rains".to_owned()))
        } else {
            Ok(Granted {
                login,
                ask_again: Some(HOUR),
            })
        }
    }
}

#[test]
fn a_login_changes_on_the_living_connection() {
    require!("redis-server");
    install_crypto();
    let redis = Redis::start(Kind::Plain);
    let password = format!(">{PASSWORD}");
    for hour in [0, 1, 3] {
        let user = format!("user-{hour}");
        redis.command::<()>(&[
            "ACL", "SETUSER", &user, "on", &password, RIGHTS[0], RIGHTS[1],
        ]);
    }
    let (clock, asked) = (Arc::new(Moved::default()), Arc::new(AtomicUsize::new(0)));
    let store = block_on(async {
        let for_source: Arc<dyn Clock> = clock.clone();
        let credentials = Credentials::by_clock(Box::new(Users(Arc::clone(&asked))), for_source);
        let endpoint = Endpoint::parse(&redis.url()).expect("a URL");
        let server = Server::new(&endpoint, credentials, Duration::from_secs(2)).expect("no TLS");
        let store = Store::new(Arc::new(server), "p", None);
        assert_eq!(
            store.set("a", b"1", None, Condition::Always).await,
            Ok(true)
        );
        store
    });
    let id = clients(&redis)
        .into_iter()
        .find(|(_, user)| user == "user-0")
        .expect("a client")
        .0;
    let is_user = |user: &str| clients(&redis).contains(&(id.clone(), user.to_owned()));
    // The source fails at first and is asked again after a second of its clock.
    clock.by(HOUR);
    wait::until("the source to fail", || {
        (asked.load(Ordering::SeqCst) == 2).then_some(())
    });
    assert!(is_user("user-0"));
    wait::until("the next user", || {
        clock.by(Duration::from_millis(100));
        is_user("user-1").then_some(())
    });
    // The server does not know the next user yet. The old login stays in use, and the new one is
    // tried again.
    clock.by(HOUR);
    wait::until("the source to be asked", || {
        (asked.load(Ordering::SeqCst) >= 4).then_some(())
    });
    assert_eq!(block_on(store.get("a")), Ok(Some(b"1".to_vec())));
    assert!(is_user("user-1"));
    redis.command::<()>(&[
        "ACL", "SETUSER", "user-2", "on", &password, RIGHTS[0], RIGHTS[1],
    ]);
    wait::until("the server to take it", || is_user("user-2").then_some(()));
    assert_eq!(block_on(store.get("a")), Ok(Some(b"1".to_vec())));
}
