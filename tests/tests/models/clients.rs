//! Real clients of the Open Inference Protocol: NVIDIA's `tritonclient`, and the types and codecs
//! of KServe and MLServer.
//!
//! Owns the hosts that the scripts in `tests/data/clients` call. Must not know the wire formats:
//! the clients write and read them, and the scripts compare values.

use std::sync::LazyLock;

use scorebox_tests::app::App;
use scorebox_tests::host::Host;
use scorebox_tests::libraries;
use scorebox_tests::libraries::Libraries;
use scorebox_tests::onnx::{self, element};

static CLIENTS: LazyLock<Result<Libraries, String>> = LazyLock::new(|| Libraries::of("clients"));

const MISSING: &str = "[inputs.x]\nmissing = true\n";

/// Starts a host that returns its input `x`, of N × 2, as `y`.
fn identity(element: u64, manifest: &str) -> Host {
    Host::start(&App::graph("m.onnx", &onnx::identity(element), manifest))
}

fn columns() -> Host {
    let manifest = "[inputs.age]\nmissing = true\n[inputs.city]\nmissing = true\n";
    Host::start(&App::graph("m.onnx", &onnx::columns(), manifest))
}

/// Runs a case of a script, which gets the address of each host by the name of its argument.
#[track_caller]
fn check(libraries: &Libraries, script: &str, case: &str, hosts: &[(&str, Host)]) {
    let mut arguments = vec![case.to_owned()];
    arguments.extend(
        hosts
            .iter()
            .map(|(name, host)| format!("{name}={}", host.address)),
    );
    let ran = libraries.run(script, &arguments);
    for (name, host) in hosts {
        // A script that fails shows an id, whose reason is in the log.
        if !ran.status.success() {
            println!("log of {name}: {}", host.log.text());
        }
        assert_eq!(host.stderr.text(), "", "{name}");
    }
    ran.ended(0);
}

/// Starts a host for each type of elements that a client may send to a model of the same type.
fn every_type() -> Vec<(&'static str, Host)> {
    vec![
        ("floats", identity(element::FLOAT, "")),
        ("doubles", identity(element::DOUBLE, "")),
        ("wholes", identity(element::INT64, "")),
        ("texts", identity(element::STRING, "")),
        ("flags", identity(element::BOOL, "")),
    ]
}

#[test]
fn triton_gets_back_every_type_as_it_went() {
    let clients = libraries!(CLIENTS);
    let mut hosts = every_type();
    hosts.push(("halves", identity(element::HALF, "")));
    check(clients, "triton.py", "values", &hosts);
}

#[test]
fn triton_may_send_numbers_in_other_types() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("floats", identity(element::FLOAT, "")),
        ("wholes", identity(element::INT64, "")),
        (
            "flagged",
            identity(element::FLOAT, "[inputs.x]\nboolean = true\n"),
        ),
    ];
    check(clients, "triton.py", "other_types", &hosts);
}

#[test]
fn triton_sends_missing_values() {
    let clients = libraries!(CLIENTS);
    let literal = format!("{MISSING}[requests]\nnan_literals = true\n");
    let hosts = [
        ("plain", identity(element::FLOAT, "")),
        ("missing", identity(element::FLOAT, MISSING)),
        ("literal", identity(element::FLOAT, &literal)),
    ];
    check(clients, "triton.py", "missing", &hosts);
}

#[test]
fn triton_compresses_both_ways() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("floats", identity(element::FLOAT, "")),
        ("texts", identity(element::STRING, "")),
    ];
    check(clients, "triton.py", "compressed", &hosts);
}

#[test]
fn triton_mixes_forms_and_sends_many_calls_at_a_time() {
    let clients = libraries!(CLIENTS);
    check(clients, "triton.py", "several", &[("columns", columns())]);
}

#[test]
fn triton_shows_why_a_call_is_refused() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("floats", identity(element::FLOAT, "")),
        ("texts", identity(element::STRING, "")),
    ];
    check(clients, "triton.py", "refusals", &hosts);
}

#[test]
fn triton_reads_probes_and_documents() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("floats", identity(element::FLOAT, "")),
        ("versioned", identity(element::FLOAT, "version = \"3\"\n")),
    ];
    check(clients, "triton.py", "documents", &hosts);
}

#[test]
fn kserve_gets_back_every_type_as_it_went() {
    let clients = libraries!(CLIENTS);
    check(clients, "kserve_types.py", "values", &every_type());
}

#[test]
fn kserve_sends_and_reads_missing_values() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("plain", identity(element::FLOAT, "")),
        ("missing", identity(element::FLOAT, MISSING)),
        ("whole", identity(element::INT64, "")),
    ];
    check(clients, "kserve_types.py", "missing", &hosts);
}

#[test]
fn kserve_reads_documents() {
    let clients = libraries!(CLIENTS);
    let hosts = [("columns", columns())];
    check(clients, "kserve_types.py", "documents", &hosts);
}

#[test]
fn mlserver_sends_arrays_in_types_of_its_own() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("floats", identity(element::FLOAT, "")),
        ("wholes", identity(element::INT64, "")),
        ("texts", identity(element::STRING, "")),
        ("flags", identity(element::BOOL, "")),
    ];
    check(clients, "mlserver_types.py", "arrays", &hosts);
}

#[test]
fn mlserver_sends_and_reads_missing_values() {
    let clients = libraries!(CLIENTS);
    let hosts = [
        ("plain", identity(element::FLOAT, "")),
        ("missing", identity(element::FLOAT, MISSING)),
    ];
    check(clients, "mlserver_types.py", "missing", &hosts);
}

#[test]
fn mlserver_sends_data_frames() {
    let clients = libraries!(CLIENTS);
    let hosts = [("columns", columns())];
    check(clients, "mlserver_types.py", "frames", &hosts);
}

#[test]
fn mlserver_reads_documents_and_errors() {
    let clients = libraries!(CLIENTS);
    let hosts = [("columns", columns())];
    check(clients, "mlserver_types.py", "documents", &hosts);
}
