//! Tests of reading environment variables: the port, the server's keys, and the URLs of stores.

use std::time::Duration;

use super::*;

#[test]
fn a_store_without_a_url_is_kept_in_memory_and_a_bad_url_is_named_not_shown() {
    let section = StoreSection {
        url_variable: "CACHE".into(),
        prefix: "p".into(),
        default_ttl: None,
        timeout: Duration::from_secs(1),
        keepalive: Duration::from_secs(60),
        commands: crate::redis::raw::Allowed::default(),
    };
    let read = |value: &'static str| {
        store(&section, &move |_: &str| Some(value.to_owned()))
            .map(|found| found.map(|found| found.endpoint))
    };
    assert!(store(&section, &|_: &str| None).unwrap().is_none());
    assert!(read(" ").unwrap().is_none());
    let endpoint = read("rediss://:pw@h:6380").unwrap().unwrap();
    assert!(endpoint.tls && endpoint.password().is_some());
    let message = read("hunter2@cache").map(drop).unwrap_err().to_string();
    assert!(
        message.contains("CACHE") && message.contains("redis://") && !message.contains("hunter2"),
        "{message}"
    );
}

#[test]
fn the_functions_host_is_known_by_the_port_or_the_id_that_it_sets() {
    let is_read = |variable: &'static str, value: &'static str| {
        let environment = move |name: &str| (name == variable).then(|| value.to_owned());
        is_read_by_functions_host(&environment)
    };
    assert!(is_read(PORT_VARIABLE, "8080") && is_read(WORKER_ID_VARIABLE, "a"));
    assert!(!is_read(PORT_VARIABLE, " ") && !is_read(PORT_VARIABLE, "many"));
    assert!(!is_read(WORKER_ID_VARIABLE, ""));
    assert!(!is_read("FUNCTIONS_WORKER_RUNTIME", "custom"));
}

#[test]
fn keys_are_read_from_the_variables_that_are_set() {
    let names = ["FIRST", "SECOND"].map(str::to_owned);
    let read = |first: Option<&'static str>, second: Option<&'static str>| {
        let environment = move |name: &str| {
            let value = if name == "FIRST" { first } else { second };
            value.map(str::to_owned)
        };
        keys(&names, &environment).map_err(|error| error.to_string())
    };
    let (key, other) = (
        "0123456789abcdef0123456789abcdef\n",
        "fedcba9876543210fedcba9876543210",
    );
    assert_eq!(format!("{:?}", read(Some(key), None).unwrap()), "1 keys");
    assert_eq!(format!("{:?}", read(None, Some(key)).unwrap()), "1 keys");
    assert_eq!(
        format!("{:?}", read(Some(key), Some(other)).unwrap()),
        "2 keys"
    );
    assert!(keys(&[], &|_: &str| None).unwrap().is_empty());
    let unset = read(None, None).unwrap_err();
    assert!(unset.contains("FIRST, SECOND: is not set"), "{unset}");
    for wrong in [
        "",
        " ",
        "hunter2",
        "hunter2 hunter2 hunter2 hunter2 hunter2",
    ] {
        let error = read(Some(key), Some(wrong)).unwrap_err();
        assert!(
            error.contains("SECOND")
                && error.contains("openssl rand")
                && !error.contains("hunter2"),
            "{error}"
        );
    }
}

#[test]
fn the_operators_page_has_the_environment_variables() {
    let rows = VARIABLES
        .iter()
        .map(|(names, commands, meaning)| format!("| {names} | {commands} | {meaning} |\n"));
    let head = "| variable | read by | meaning |\n|---|---|---|\n";
    let table: String = [head.to_owned()].into_iter().chain(rows).collect();
    scorebox_pages::check_part("host/docs/settings.md", "environment variables", &table);
}
