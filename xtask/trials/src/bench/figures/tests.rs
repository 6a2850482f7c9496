//! Tests of the arithmetic of `cargo xtask bench`: medians, their spread, and ratios.

use super::*;

fn sample(server: Kind, round: u32, cpu: f64, p99: f64) -> Sample {
    let measured = Measured {
        requests_per_second: 1e6 / cpu,
        p50_us: 10.0,
        p99_us: p99,
        cpu_us_per_request: cpu,
    };
    Sample {
        server,
        connections: 8,
        round,
        measured,
    }
}

#[test]
fn medians_have_a_spread() {
    let check = |values: &[f64], expected: Option<(f64, f64, f64)>| {
        let found =
            Spread::of(values.iter().copied()).map(|found| (found.median, found.least, found.most));
        assert_eq!(found, expected, "{values:?}");
    };
    check(&[], None);
    check(&[3.0], Some((3.0, 3.0, 3.0)));
    check(&[4.0, 1.0], Some((2.5, 1.0, 4.0)));
    check(&[9.0, 1.0, 2.0], Some((2.0, 1.0, 9.0)));
}

#[test]
fn ratios_are_of_the_same_round() {
    let samples = [
        sample(Kind::Warm, 0, 20.0, 30.0),
        sample(Kind::Ceiling, 0, 10.0, 20.0),
        // A noisy round slows both servers.
        sample(Kind::Warm, 1, 90.0, 90.0),
        sample(Kind::Ceiling, 1, 30.0, 20.0),
        sample(Kind::Warm, 2, 20.0, 20.0),
        sample(Kind::Ceiling, 2, 10.0, 20.0),
    ];
    let rows = rows(&samples);
    assert_eq!(
        rows.iter().map(|row| row.server).collect::<Vec<_>>(),
        [Kind::Warm, Kind::Ceiling]
    );
    assert_eq!(rows[0].over_ceiling.cpu, 2.0);
    assert_eq!(
        rows[0].measured.cpu_us_per_request,
        Spread {
            median: 20.0,
            least: 20.0,
            most: 90.0
        }
    );
    assert_eq!(rows[1].over_ceiling.cpu, 1.0);
    assert_eq!(quietest_tail(&samples, Kind::Warm, 8), Some(2.0));
    assert_eq!(quietest_tail(&samples, Kind::Warm, 64), None);
}
