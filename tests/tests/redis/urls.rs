//! Passwords and forms of addresses, as people paste them, on a real server.
//!
//! Owns the list of passwords. Must not know how a URL is read.

use std::time::Duration;

use scorebox_tests::http::block_on;
use scorebox_tests::redis::{Kind, Redis};
use scorebox_tests::store_ops::server;
use scorebox_tests::{require, run};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Passwords with characters that mean something in a URL. The first ones have the form of the keys
/// that Azure generates.
const PASSWORDS: &[&str] = &[
    "p3J/9wq+Zk8vXyN0t/1bQeRr2sUuVvAzCaBcDdEeFf0=",
    "aB/c+d==",
    "/",
    "a@b",
    "@h:1/2",
    "a#b",
    "a?b=c&d",
    "a?ca=b",
    "a:b:c",
    "a%b",
    "100%",
    "a[::1]b",
    "a,b",
    "\"quoted\"",
];

#[track_caller]
fn connects(url: &str) {
    let reached = block_on(async { server(url, TIMEOUT).reach().await });
    assert!(reached.is_ok(), "{url}: {reached:?}");
}

#[test]
fn passwords_work_as_they_are_pasted_and_as_they_are_escaped() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let mut connection = redis.connection();
    let mut set = |password: &str| {
        redis::cmd("CONFIG")
            .arg(&["SET", "requirepass", password])
            .query::<()>(&mut connection)
            .expect("a password");
    };
    for password in PASSWORDS {
        set(password);
        let port = redis.port();
        connects(&format!("redis://:{password}@127.0.0.1:{port}"));
        connects(&format!("redis://default:{password}@127.0.0.1:{port}/0"));
        let escaped: String = password
            .bytes()
            .map(|byte| format!("%{byte:02x}"))
            .collect();
        connects(&format!(" redis://:{escaped}@127.0.0.1:{port}\n"));
        if !password.contains(',') {
            connects(&format!(
                "127.0.0.1:{port},password={password},ssl=False,abortConnect=False"
            ));
            connects(&format!(
                "127.0.0.1:{port},PASSWORD={password},user=default,defaultDatabase=1"
            ));
        }
    }
    set("");
}

#[test]
fn the_recipe_of_the_page_escapes_every_key() {
    require!("redis-server", "sed");
    let redis = Redis::start(Kind::Plain);
    let page = include_str!("../../../xtask/docs/azure.md");
    let filter = page
        .lines()
        .find_map(|line| line.split_once("| sed ")?.1.split_once(')'))
        .expect("the page has the filter")
        .0;
    let mut connection = redis.connection();
    for password in PASSWORDS {
        let sed = run::finish(
            run::tool("sh").args(["-c", &format!("sed {filter}")]),
            password.as_bytes(),
        );
        let escaped = sed.ended(0).stdout;
        redis::cmd("CONFIG")
            .arg(&["SET", "requirepass", password])
            .query::<()>(&mut connection)
            .expect("a password");
        connects(&format!("redis://:{escaped}@127.0.0.1:{}", redis.port()));
        assert!(!escaped.contains(['/', '@', '#', '?', '+']), "{escaped}");
    }
}

#[test]
fn the_form_of_stack_exchange_uses_tls_and_the_name_of_the_certificate() {
    require!("redis-server", "openssl");
    scorebox_tests::http::install_crypto();
    let redis = Redis::start(Kind::Tls);
    let (port, authority) = (redis.tls_port(), redis.authority());
    let url = format!(
        "127.0.0.1:{port},password={},user={},ssl=True,sslHost=127.0.0.1",
        scorebox_tests::redis::PASSWORD,
        scorebox_tests::redis::USER
    );
    // The string has no place for a file of certificates, so the machine's are trusted.
    let reached = block_on(async { server(&url, TIMEOUT).reach().await });
    let problem = reached.unwrap_err().problem;
    assert!(problem.contains("issuer"), "{problem}");
    let app = scorebox_tests::app::App::with(scorebox_tests::programs::KEYS, "[stores.default]\n");
    let mut check = scorebox_tests::host::scorebox("check", &app);
    check
        .args(["--connect"])
        .env("SCOREBOX_REDIS_URL", &url)
        .env("SSL_CERT_FILE", authority);
    run::finish(&mut check, b"").ended(0);
}
