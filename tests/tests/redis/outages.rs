//! Reasons why a store cannot be reached: each cause is made for real, the text names it, and the
//! fix that the text names makes the check succeed.
//!
//! Owns the causes. Must not know how a reason is found.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::time::Duration;

use scorebox_host::redis::{REPLICA, Reached, Unreached};
use scorebox_tests::app::App;
use scorebox_tests::host::scorebox;
use scorebox_tests::http::{block_on, install_crypto};
use scorebox_tests::redis::{Kind, PASSWORD, Redis, USER, free_port};
use scorebox_tests::redis_cluster::Cluster;
use scorebox_tests::redis_sentinel::{MASTER, Watched};
use scorebox_tests::store_ops::server;
use scorebox_tests::{programs, require, run, skip};

const TIMEOUT: Duration = Duration::from_secs(2);

/// First year of a valid certificate, and the year after its last one.
const VALID: (u32, u32) = (2020, 2049);

/// Checks a store as `scorebox check --connect` does.
fn reach(url: &str) -> Result<Reached, Unreached> {
    install_crypto();
    block_on(async { server(url, TIMEOUT).reach().await })
}

/// Asserts that the store at a URL is not reached, and that the text and the fix contain the given
/// words.
#[track_caller]
fn fails(url: &str, problem: &str, fix: &str) {
    let found = reach(url).expect_err(url);
    let words = [PASSWORD, "hunter2"];
    assert!(
        found.problem.contains(problem) && found.fix.contains(fix),
        "{url}: {found:?}"
    );
    for word in words {
        assert!(!format!("{found:?}").contains(word), "{found:?}");
    }
}

#[track_caller]
fn works(url: &str) {
    let found = reach(url);
    assert!(found.is_ok(), "{url}: {found:?}");
}

#[test]
fn names_and_ports() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let url = redis.url();
    // Without a DNS server the name is not looked up at all.
    fails("redis://no-such-host.invalid", "DNS", "");
    fails(
        "redis://user:hunter2@no-such-host.invalid:6380/3",
        "DNS",
        "",
    );
    works(&url);
    redis.stop();
    fails(&url, "the connection was refused", "start the server");
    redis.restart();
    works(&url);
    redis.pause(true);
    fails(
        &url,
        "the server did not answer the login",
        "does not answer",
    );
    redis.pause(false);
    works(&url);
}

#[test]
fn another_service() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("it is bound").port();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            std::thread::spawn(move || {
                let mut request = [0; 64];
                if stream.read(&mut request).is_ok_and(|count| count > 0) {
                    drop(stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n"));
                }
            });
        }
    });
    fails(
        &format!("redis://127.0.0.1:{port}"),
        "does not speak the protocol of Redis",
        "another service",
    );
}

#[test]
fn tls_against_plain_and_the_reverse() {
    require!("redis-server", "openssl");
    let redis = Redis::start(Kind::Tls);
    let right = format!("{}?ca={}", redis.url(), redis.authority().display());
    works(&right);
    let plain = redis.url().replace("rediss://", "redis://");
    fails(&plain, "speaks TLS", "write rediss://");
    let to_plain_port = right.replace(&redis.tls_port().to_string(), &redis.port().to_string());
    fails(&to_plain_port, "does not speak TLS", "write redis://");
    // The fix is followed: another scheme, and nothing that only TLS has.
    works(&format!(
        "redis://{USER}:{PASSWORD}@127.0.0.1:{}",
        redis.port()
    ));
}

#[test]
fn certificates_by_their_reasons() {
    require!("redis-server", "openssl");
    let redis = Redis::start(Kind::Tls);
    let right = format!("{}?ca={}", redis.url(), redis.authority().display());
    let good = "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n";
    let other = Redis::start(Kind::Tls);
    let untrusted = format!("{}?ca={}", redis.url(), other.authority().display());
    fails(&untrusted, "issuer that is not trusted", "?ca=PATH");
    works(&right);
    redis.certify(good, (2020, 2021));
    fails(&right, "has expired", "renew the certificate");
    redis.certify(good, (2048, 2049));
    fails(&right, "not valid yet", "correct the clock");
    redis.certify(good, VALID);
    works(&right);
    redis.certify(
        "subjectAltName=DNS:other.example\nbasicConstraints=CA:FALSE\n",
        VALID,
    );
    fails(&right, "for another name", "as the certificate names it");
    redis.certify(good, VALID);
    works(&right);
    redis.certify(
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:TRUE\n",
        VALID,
    );
    fails(&right, "of an authority", "CA:FALSE");
    redis.certify(good, VALID);
    works(&right);
    redis.command::<()>(&["CONFIG", "SET", "tls-auth-clients", "yes"]);
    fails(
        &right,
        "certificate from its clients",
        "tls-auth-clients no",
    );
    redis.command::<()>(&["CONFIG", "SET", "tls-auth-clients", "no"]);
    works(&right);
}

#[test]
fn logins_and_databases() {
    require!("redis-server");
    let redis = Redis::start(Kind::Password);
    let place = format!("127.0.0.1:{}", redis.port());
    fails(
        &format!("redis://{place}"),
        "it wants a password",
        "write :PASSWORD@",
    );
    fails(
        &format!("redis://:hunter2@{place}"),
        "the password is wrong",
        "write USER:PASSWORD@",
    );
    fails(
        &format!("redis://nobody:{PASSWORD}@{place}"),
        "the password is wrong",
        "write USER:PASSWORD@",
    );
    works(&format!("redis://:{PASSWORD}@{place}"));
    let file = "redis://127.0.0.1:1?password_file=/no/such/file";
    fails(file, "cannot be read", "that this user may read");
    fails(
        &format!("redis://:{PASSWORD}@{place}/99"),
        "does not have the database",
        "lower database",
    );
    works(&format!("redis://:{PASSWORD}@{place}/15"));
}

#[test]
fn commands_that_an_access_list_refuses() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let password = format!(">{PASSWORD}");
    redis.command::<()>(&[
        "ACL", "SETUSER", "ada", "on", &password, "~*", "+get", "+set",
    ]);
    let url = format!("redis://ada:{PASSWORD}@127.0.0.1:{}", redis.port());
    fails(&url, "may not run `ping`", "ACL SETUSER NAME +ping");
    redis.command::<()>(&["ACL", "SETUSER", "ada", "+ping"]);
    works(&url);
    let url = format!("{url}/3");
    fails(&url, "may not run `select`", "ACL SETUSER NAME +select");
    redis.command::<()>(&["ACL", "SETUSER", "ada", "+select"]);
    works(&url);
}

#[test]
fn too_many_clients() {
    require!("redis-server");
    let redis = Redis::start(Kind::Plain);
    let mut admin = redis.connection();
    let mut set = |count: &str| {
        redis::cmd("CONFIG")
            .arg(&["SET", "maxclients", count])
            .query::<()>(&mut admin)
            .expect("a number");
    };
    set("1");
    fails(&redis.url(), "maxclients", "raise `maxclients`");
    set("100");
    works(&redis.url());
}

#[test]
fn protected_mode() {
    require!("redis-server");
    // A packet to any address shows the address of this machine, and none is sent.
    let outside = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
        socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
        socket.local_addr()
    });
    let Ok(outside) = outside.map(|address| address.ip()) else {
        return skip::skip("protected mode takes an address other than 127.0.0.1");
    };
    if outside.is_loopback() {
        return skip::skip("protected mode takes an address other than 127.0.0.1");
    }
    let redis = Redis::start(Kind::Plain);
    redis.command::<()>(&["CONFIG", "SET", "bind", "0.0.0.0"]);
    let url = format!("redis://{outside}:{}", redis.port());
    fails(&url, "protected mode", "requirepass");
    redis.command::<()>(&["CONFIG", "SET", "protected-mode", "no"]);
    works(&url);
}

#[test]
fn clusters() {
    require!("redis-server");
    let cluster = Cluster::start();
    let one = |database: &str| {
        let url = cluster.url();
        let first = url.split(',').next().unwrap_or_default();
        format!("{first}{database}")
    };
    fails(&one("/3"), "part of a cluster", "write no database");
    works(&one("/0"));
    // The first node announces a port on which nothing listens.
    let nobody = free_port().to_string();
    cluster.command::<()>(0, &["CONFIG", "SET", "cluster-announce-port", &nobody]);
    let found = reach(&one("")).expect_err("a node is away");
    let address = format!("127.0.0.1:{nobody}");
    assert!(
        found
            .problem
            .contains(&format!("announces the node {address}"))
            && found.problem.contains("refused"),
        "{found:?}"
    );
    assert!(found.fix.contains("cluster-announce-port"), "{found:?}");
    cluster.command::<()>(0, &["CONFIG", "SET", "cluster-announce-port", "0"]);
    works(&one(""));
}

#[test]
fn sentinels() {
    require!("redis-server");
    let watched = Watched::start();
    let url = watched.url();
    // The first URL names a sentinel that is away, with all that holds for the others.
    let sentinel = url.rsplit(',').next().unwrap_or_default().to_owned();
    fails(&sentinel, "is a sentinel", "?sentinel=NAME");
    let asked = format!(
        "redis://:{PASSWORD}@{}",
        sentinel.trim_start_matches("redis://")
    );
    works(&format!("{asked}?sentinel={MASTER}"));
    fails(
        &format!("{asked}?sentinel=other"),
        "does not know the name",
        "sentinel monitor NAME",
    );
    let redis = Redis::start(Kind::Plain);
    fails(
        &format!("{}?sentinel={MASTER}", redis.url()),
        "not a sentinel",
        "leave sentinel=",
    );
}

#[test]
fn check_prints_the_problem_and_its_fix() {
    require!("redis-server");
    let mut redis = Redis::start(Kind::Plain);
    let app = App::with(programs::KEYS, "[stores.default]\ntimeout = \"2s\"\n");
    let url = redis.url();
    let check = |arguments: &[&str], code: i32| {
        let mut check = scorebox("check", &app);
        check
            .arg("--connect")
            .args(arguments)
            .env("SCOREBOX_REDIS_URL", &url);
        run::finish(&mut check, b"").ended(code)
    };
    let nobody = free_port().to_string();
    redis.command::<()>(&["REPLICAOF", "127.0.0.1", &nobody]);
    let replica = check(&["--output", "json"], 0).json()["stores"][0].clone();
    assert_eq!(replica["reached"]["role"], REPLICA, "{replica}");
    let fix = replica["fix"].as_str().unwrap_or_default();
    assert!(fix.contains("name the master"), "{replica}");
    redis.command::<()>(&["REPLICAOF", "NO", "ONE"]);
    let text = check(&[], 0).stdout;
    assert!(text.contains("standalone, master, 1 server"), "{text}");
    assert!(!text.contains("fix:"), "{text}");
    redis.stop();
    let text = check(&[], 10).stdout;
    assert!(
        text.contains("does not answer: the store cannot be reached now"),
        "{text}"
    );
    assert!(text.contains("fix: start the server"), "{text}");
}
