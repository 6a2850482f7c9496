//! Load beyond the host's capacity: bodies that never end, floods of large bodies, exhausted
//! memory.
//!
//! Owns which requests are refused, when, and at which cost. Must not know single bad requests,
//! which are in `bad_input.rs`, nor bad scorers, which are in `misbehaviour.rs`.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, TcpStream};
use std::time::{Duration, Instant};

use scorebox_tests::app::App;
use scorebox_tests::digits;
use scorebox_tests::host::Host;
use scorebox_tests::http::{self, Answer};
use scorebox_tests::programs;
use scorebox_tests::wait;
use serde_json::{Value, json};

const MIB: u64 = 1 << 20;

/// Asserts that small requests and probes are answered.
#[track_caller]
fn is_well(host: &Host) {
    let digit = &digits::sample()[..1];
    digits::check(
        digit,
        &host.score(&digits::request(digit)).expect(200).json(),
    );
    host.get("/").expect(200);
    host.get("/readyz").expect(200);
}

/// Returns a request for all digits several times over, of about `bytes` bytes of JSON.
fn large_body(bytes: usize) -> Vec<u8> {
    let rows = digits::request(digits::sample())["data"].to_string();
    let rows = rows.trim_matches(['[', ']']);
    let count = (bytes / rows.len()).max(1);
    format!("{{\"data\": [[{}]]}}", vec![rows; count].join("],[")).into_bytes()
}

/// Sends one body `count` times at once, each on a connection of its own.
fn flood(host: &Host, body: &[u8], count: usize) -> Vec<(Answer, Duration)> {
    let url = host.url("/score");
    let body = bytes(body);
    http::block_on(async {
        let client = http::client();
        let send = |body: reqwest::Body| {
            let request = client
                .post(&url)
                .header("content-type", "application/json")
                .body(body);
            async move {
                let start = Instant::now();
                let response = request
                    .send()
                    .await
                    .unwrap_or_else(|error| panic!("{error:?}"));
                let (status, headers) = (response.status().as_u16(), response.headers().clone());
                let body = response
                    .bytes()
                    .await
                    .unwrap_or_else(|error| panic!("{error:?}"))
                    .to_vec();
                (
                    Answer {
                        status,
                        headers,
                        body,
                    },
                    start.elapsed(),
                )
            }
        };
        futures_util::future::join_all((0..count).map(|_| send(body.into()))).await
    })
}

fn bytes(body: &[u8]) -> &'static [u8] {
    Box::leak(body.to_vec().into_boxed_slice())
}

/// Opens connections that have sent all of a body except its last hundred kilobytes.
fn half_read(host: &Host, count: usize) -> Vec<TcpStream> {
    let head = format!(
        "POST /score HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n",
        8 * MIB
    );
    let body = vec![b' '; (7.9 * MIB as f64) as usize];
    let open = |_| {
        let mut stream = TcpStream::connect(&host.address).expect("the host listens");
        stream
            .set_nonblocking(true)
            .expect("a socket can be set up");
        let sent = [head.as_bytes(), &body].concat();
        let mut rest = sent.as_slice();
        let end = Instant::now() + Duration::from_millis(20);
        // The host reads a body only if it has memory for it. Bytes that do not fit into the
        // sockets are not sent.
        while !rest.is_empty() && Instant::now() < end {
            match stream.write(rest) {
                Ok(count) => rest = &rest[count..],
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    std::thread::yield_now()
                }
                Err(_) => break,
            }
        }
        stream
    };
    (0..count).map(open).collect()
}

#[test]
fn half_read_bodies_hold_no_more_memory_than_their_budget() {
    let host = Host::start(&App::example("digits", "[limits]\nbodies = \"32MiB\"\n"));
    is_well(&host);
    let before = host.resident_bytes();
    let open = half_read(&host, 150);
    let held = host.resident_bytes() - before;
    assert!(
        held < 64 * MIB,
        "{} MiB for 150 half-read bodies",
        held / MIB
    );
    is_well(&host);
    drop(open);
    wait::until("memory to go back", || {
        let held = host.resident_bytes().saturating_sub(before);
        (held < 24 * MIB).then_some(())
    });
    assert_eq!(flood(&host, &large_body(4 << 20), 1)[0].0.status, 200);
}

#[test]
fn a_body_that_stands_still_makes_room_for_others() {
    let host = Host::start(&App::example("digits", "[limits]\nbodies = \"8MiB\"\n"));
    let mut open = half_read(&host, 1);
    let (answer, _) = flood(&host, &large_body(4 << 20), 1).remove(0);
    assert_eq!(answer.status, 200, "{}", answer.text());
    let mut text = String::new();
    let stream = &mut open[0];
    stream
        .set_nonblocking(false)
        .expect("a socket can be set up");
    stream
        .set_read_timeout(Some(wait::LIMIT))
        .expect("a socket can be set up");
    // Unread bytes of the body may end the connection early, so the result is ignored.
    drop(stream.read_to_string(&mut text));
    assert!(
        text.starts_with("HTTP/1.1 408") && text.contains("body-too-slow"),
        "{text}"
    );
}

#[test]
fn a_body_for_which_there_is_no_memory_is_refused_when_its_deadline_passes() {
    let host = Host::start(&App::example(
        "digits",
        "[limits]\nbodies = \"8MiB\"\ndeadline = \"1s\"\n",
    ));
    let open = half_read(&host, 1);
    let start = Instant::now();
    let (answer, _) = flood(&host, &large_body(4 << 20), 1).remove(0);
    answer.expect_error(503, "bodies-full", &["limits.bodies", "Try again"]);
    assert!(start.elapsed() >= Duration::from_secs(1));
    drop(open);
}

#[test]
fn a_body_of_unknown_length_is_counted_too() {
    let host = Host::start(&App::example(
        "digits",
        "[limits]\nbodies = \"8MiB\"\ndeadline = \"1s\"\n",
    ));
    let open = half_read(&host, 1);
    let pieces = large_body(4 << 20)
        .chunks(100_000)
        .map(<[u8]>::to_vec)
        .collect();
    let json = [("content-type", "application/json")];
    let answer = http::try_send(
        "POST",
        &host.url("/score"),
        &json,
        http::Body::Chunked(pieces),
    )
    .expect("an answer");
    answer.expect_error(503, "bodies-full", &["limits.bodies"]);
    open.iter()
        .for_each(|stream| drop(stream.shutdown(Shutdown::Both)));
    drop(open);
    let pieces = large_body(4 << 20)
        .chunks(100_000)
        .map(<[u8]>::to_vec)
        .collect();
    let answer = http::try_send(
        "POST",
        &host.url("/score"),
        &json,
        http::Body::Chunked(pieces),
    )
    .expect("an answer");
    answer.expect(200);
}

/// Number of fresh hosts that are flooded until no request is late.
const FLOODS: usize = 4;

/// Starts a host, floods it with 72 large bodies, and returns the host and the answers.
///
/// A host does not know yet how long such a body takes. If other work takes its cores meanwhile,
/// requests that it admitted in time are late. So another host is flooded if one was late, but not
/// more than [`FLOODS`] in all.
fn flooded_fresh_host(manifest: &str, body: &[u8]) -> (Host, Vec<(Answer, Duration)>) {
    for _ in 1..FLOODS {
        let host = Host::start(&App::example("digits", manifest));
        let answers = flood(&host, body, 72);
        let late = answers.iter().filter(|(answer, _)| answer.status == 504);
        match late.count() {
            0 => return (host, answers),
            late => println!("another host is flooded, because {late} of 72 requests were late"),
        }
    }
    let host = Host::start(&App::example("digits", manifest));
    let answers = flood(&host, body, 72);
    (host, answers)
}

#[test]
fn a_flood_of_large_bodies_is_answered_as_far_as_there_is_time_and_refused_beyond() {
    for manifest in ["", "[prediction_cache]\nmemory = \"0\"\n[stores.default]\n"] {
        let body = large_body(8_000_000);
        let (host, answers) = flooded_fresh_host(manifest, &body);
        let count = |status: u16| {
            answers
                .iter()
                .filter(|(answer, _)| answer.status == status)
                .count()
        };
        let statuses: Vec<_> = answers
            .iter()
            .map(|(answer, time)| (answer.status, time.as_millis()))
            .collect();
        assert!(count(200) >= 2, "{statuses:?}");
        // A request is either answered or refused. None is computed in vain until its deadline.
        assert_eq!(count(200) + count(503), 72, "{statuses:?}");
        for (answer, _) in answers {
            match answer.status {
                200 => assert_eq!(
                    answer.json()["label"].as_array().map_or(0, Vec::len) % digits::sample().len(),
                    0
                ),
                _ => drop(answer.expect_error(503, "saturated", &["Try again later"])),
            }
        }
        is_well(&host);
        // The rate is known now, so requests that would be late are refused before they are read.
        let (answer, _) = flood(&host, &body, 1).remove(0);
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
}

#[test]
fn small_calls_are_answered_while_large_ones_are_scored() {
    let host = Host::start(&App::example("digits", ""));
    let body = large_body(8_000_000);
    std::thread::scope(|scope| {
        let flood = scope.spawn(|| flood(&host, &body, 24));
        while !flood.is_finished() {
            is_well(&host);
        }
        flood.join().expect("the flood is answered");
    });
}

#[test]
fn a_kept_answer_waits_for_no_instance() {
    let limits = "[limits]\ninstances = 1\nqueue = 0\ndeadline = \"20s\"\n";
    let host = Host::start(&App::with(
        programs::REPEATER,
        &format!("{limits}[prediction_cache]\n[stores.default]\n"),
    ));
    let call = |number: i64, ms: u64| host.score(&json!({"number": number, "ms": ms}));
    call(3, 0).expect(200);
    std::thread::scope(|scope| {
        let long = scope.spawn(|| call(4, 3000));
        let mut number = 5;
        wait::until("the instance to be taken", || {
            number += 1;
            (call(number, 0).status == 503).then_some(())
        });
        assert_eq!(
            call(3, 0).expect(200).header("cache-status"),
            Some("scorebox; hit")
        );
        long.join().expect("it is answered").expect(200);
    });
}

#[test]
fn a_scorer_that_takes_all_memory_leaves_the_others_theirs() {
    let limits = "[limits]\nmemory = \"256MiB\"\ntotal_memory = \"256MiB\"\ninstances = 4\n";
    let host = Host::start(&App::with(programs::WAYWARD, limits));
    let grown = |answer: Answer| answer.json()["granted_bytes"].as_u64().expect("a number");
    // Half of the memory is divided equally, and half is for instances that need more: 32 MiB and
    // 128 MiB.
    let one = grown(
        host.score(&json!({"do": "grow", "gently": true}))
            .expect(200),
    );
    assert!((100 * MIB..160 * MIB).contains(&one), "{} MiB", one / MIB);
    // If an instance ends because of the shared limit, its request can be retried later.
    let deaths = flood(&host, json!({"do": "grow"}).to_string().as_bytes(), 2);
    for (answer, _) in deaths {
        answer.expect_error(503, "saturated", &[]);
    }
    let count: Value = host.score(&json!({"do": "count"})).expect(200).json();
    assert!(count["count"].is_u64(), "{count}");
}
