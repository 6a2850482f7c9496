//! Tests of `layers`.

fn lines(file: &str, text: &str) -> Vec<usize> {
    super::check(file, text)
        .into_iter()
        .map(|finding| finding.line)
        .collect()
}

#[test]
fn lower_modules_do_not_look_up() {
    let check = |file: &str, text: &str, expected: &[usize]| {
        assert_eq!(lines(file, text), expected, "{text}")
    };
    check("host/src/model.rs", "use wasmtime::Engine;\n", &[1]);
    check(
        "host/src/model.rs",
        "// wasmtime::Engine\nlet a = \"wasmtime::\";\n",
        &[],
    );
    check(
        "host/src/graph/mod.rs",
        "use redis::Client;\nuse crate::scorer::Scorer;\n",
        &[2],
    );
    check(
        "host/src/graph/mod.rs",
        "use crate::{error::E, scorer::{A, server}};\n",
        &[1],
    );
    check(
        "host/src/graph/mod.rs",
        "use crate::{\n    error,\n    trigger,\n};\n",
        &[3],
    );
    check("host/src/scorer/pool.rs", "use http::StatusCode;\n", &[1]);
    check(
        "host/src/scorer/pool.rs",
        "use scorebox_store::Store;\n",
        &[1],
    );
    check(
        "host/src/scorer/pool.rs",
        "use crate::capability::redis::X;\nlet http = 1;\n",
        &[],
    );
    check(
        "host/src/scorer/pool.rs",
        "fn a() {}\n#[cfg(test)]\nmod tests {\n    use axum::Router;\n}\n",
        &[],
    );
    check(
        "host/src/scorer/pool.rs",
        "mod a;\n#[cfg(test)]\nmod fake;\nuse axum::Router;\n",
        &[4],
    );
    check(
        "host/src/server.rs",
        "use axum::Router;\nuse crate::trigger::http;\n",
        &[],
    );
}

#[test]
fn each_line_is_reported_once_and_in_order() {
    let grouped = "use crate::trigger::A; use crate::{trigger::B, x};\nuse crate::trigger::C;\n";
    assert_eq!(lines("host/src/graph/mod.rs", grouped), [1, 2]);
    let upwards = "use crate::server::A;\nuse crate::engine::B;\nuse wasmtime::C;\n";
    assert_eq!(lines("host/src/graph/mod.rs", upwards), [1, 2, 3]);
}

#[test]
fn single_owners_are_single() {
    let check = |file: &str, text: &str, count: usize| {
        assert_eq!(lines(file, text).len(), count, "{file} {text}")
    };
    check("host/src/server.rs", "let a = \"x-ms-request-id\";\n", 1);
    check(
        "host/src/trigger/http.rs",
        "let a = \"x-ms-request-id\";\n",
        0,
    );
    check("host/src/server.rs", "StatusCode::GATEWAY_TIMEOUT\n", 1);
    check(
        "host/store/src/server.rs",
        "StatusCode::GATEWAY_TIMEOUT\n",
        1,
    );
    check("host/src/error.rs", "StatusCode::GATEWAY_TIMEOUT\n", 0);
    check("host/src/server.rs", "tracing::debug!(\"a\");\n", 1);
    check("host/src/server.rs", "crate::text::debug!(\"a\");\n", 0);
    check("host/src/model/mapping.rs", "unsafe { map() }\n", 0);
    check("host/src/model.rs", "unsafe { map() }\n", 1);
    check("host/src/lib.rs", "#![deny(unsafe_code)]\n", 0);
    check("guest/src/lib.rs", "use reqwest::Client;\n", 1);
    check("xtask/packager/src/image/plan.rs", "std::fs::read(x)\n", 1);
}
