//! Unit tests of `cargo xtask test`: the addition of the numbers of tests, and the choice of areas.
//!
//! Must not know the tests that `cargo xtask test` runs.

use super::*;

#[test]
fn an_unknown_area_is_an_error_that_lists_the_areas() {
    assert_eq!(area("redis"), Ok("redis".to_owned()));
    for unknown in ["reddis", "", "redis/stores", "main"] {
        let error = area(unknown).unwrap_err().to_string();
        assert!(error.contains("packager, redis, serving"), "{error}");
    }
}

#[test]
fn results_are_added_up() {
    let mut sum = Sum::default();
    sum.add("running 5 tests");
    sum.add("test result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.01s");
    sum.add("test result: FAILED. 2 passed; 7 failed; 0 ignored; 0 measured; 0 filtered out; finished in 12.40s");
    assert_eq!(
        sum,
        Sum {
            passed: 7,
            failed: 7,
            skipped: 1
        }
    );
}
