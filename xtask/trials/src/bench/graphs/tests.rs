//! Tests of `cargo xtask bench graphs`: the ratio of two clients to one, and request bodies of
//! zeros.

use super::super::figures::Measured;
use super::*;

#[test]
fn rounds_are_compared_with_themselves() {
    let sample = |round, connections, requests_per_second| Sample {
        server: Kind::Warm,
        connections,
        round,
        measured: Measured {
            requests_per_second,
            p50_us: 1.0,
            p99_us: 1.0,
            cpu_us_per_request: 1.0,
        },
    };
    let samples = [
        sample(0, 1, 10.0),
        sample(0, 2, 20.0),
        sample(1, 1, 1.0),
        sample(1, 2, 1.8),
        sample(2, 2, 9.0),
    ];
    assert_eq!(two_clients(&samples), Some(1.9));
    assert_eq!(two_clients(&samples[..1]), None);
}

#[test]
fn zeros_fit_their_port() {
    let port = |dtype: &str, shape: &[Option<u64>]| Port {
        name: "x".into(),
        dtype: dtype.into(),
        shape: shape.to_vec(),
    };
    let check = |port: Port, expected: Value| assert_eq!(port.zeros(&port.shape), expected);
    check(port("f32", &[None, Some(2)]), json!([[0, 0]]));
    check(port("text", &[None]), json!([""]));
    check(port("bool", &[]), json!(false));
}
