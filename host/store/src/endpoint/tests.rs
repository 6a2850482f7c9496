//! Tests of `endpoint`.

use secrecy::ExposeSecret as _;

use super::*;

#[test]
fn urls_are_read() {
    #[track_caller]
    fn check(
        text: &str,
        seeds: &[(&str, u16)],
        tls: bool,
        user: Option<&str>,
        password: Option<&str>,
        db: u32,
    ) {
        let read = Endpoint::parse(text)
            .map_err(|problem| format!("{text}: {problem}"))
            .unwrap();
        let found: Vec<_> = read
            .seeds
            .iter()
            .map(|seed| (seed.host.as_str(), seed.port))
            .collect();
        assert_eq!(found, seeds, "{text}");
        let found_user = match &read.who {
            Who::Written(login) => login.user.as_deref(),
            Who::File { .. } | Who::Entra { .. } => panic!("{text}"),
        };
        let found_password = read.password().map(|password| password.expose_secret());
        assert_eq!(
            (read.tls, found_user, found_password, read.database),
            (tls, user, password, db),
            "{text}"
        );
    }
    check("redis://cache", &[("cache", 6379)], false, None, None, 0);
    check(
        "rediss://:p%40ss,w@c.example:10000/",
        &[("c.example", 10000)],
        true,
        None,
        Some("p@ss,w"),
        0,
    );
    check(
        "redis://ada:pw@[::1]:7000/3",
        &[("::1", 7000)],
        false,
        Some("ada"),
        Some("pw"),
        3,
    );
    check(
        "redis://:pw@a:1,redis://b:2",
        &[("a", 1), ("b", 2)],
        false,
        None,
        Some("pw"),
        0,
    );
}

#[test]
fn parameters_are_read() {
    let read = |text: &str| {
        Endpoint::parse(text)
            .map_err(|problem| format!("{text}: {problem}"))
            .unwrap()
    };
    let file = read("redis://ada@h?password_file=%2Fmnt/a%20b&sentinel=main");
    assert!(
        matches!(&file.who, Who::File { user: Some(user), path } if user == "ada" && path.ends_with("mnt/a b"))
    );
    assert_eq!((file.sentinel.as_deref(), file.ca), (Some("main"), None));
    let entra = read("rediss://h:10000?auth=entra&client_id=11-22&ca=/ca.pem");
    assert!(matches!(&entra.who, Who::Entra { user: None, client_id: Some(id) } if id == "11-22"));
    assert_eq!(entra.ca, Some(PathBuf::from("/ca.pem")));
}

#[test]
fn what_is_no_url_is_refused_without_being_shown() {
    for text in [
        "hunter2",
        "http://:hunter2@h",
        "redis://:hunter2@h/x",
        "rediss://:hunter2@h#insecure",
        "redis://:hunter2@",
    ]
    .into_iter()
    .chain([
        "redis://:hunter2@h?protocol=resp3",
        "redis://a,rediss://b",
        "redis://:hunter2@h:99999",
    ])
    .chain([
        "redis://h?auth=entra",
        "rediss://:hunter2@h?auth=entra",
        "rediss://h?auth=hunter2",
    ])
    .chain([
        "redis://:hunter2@h?password_file=/x",
        "redis://h?client_id=hunter2",
        "redis://h?ca=hunter2",
    ])
    .chain([
        "redis://h?password_file=",
        "redis://h?password_file",
        "redis://h?hunter2=1",
    ]) {
        let problem = Endpoint::parse(text)
            .map(|_| "read")
            .unwrap_err()
            .to_string();
        assert!(!problem.contains("hunter2"), "{problem}");
    }
}

#[test]
fn announced_addresses_are_read() {
    let by = Address {
        host: "seed".into(),
        port: 1,
    };
    let read = |text| Address::announced(text, &by).map(|address| (address.host, address.port));
    assert_eq!(read("10.0.0.7:6379"), Some(("10.0.0.7".into(), 6379)));
    assert_eq!(read(":7001"), Some(("seed".into(), 7001)));
    assert_eq!(read("::1:7001"), Some(("::1".into(), 7001)));
    assert_eq!(read("10.0.0.7:6379@16379"), Some(("10.0.0.7".into(), 6379)));
    assert_eq!(read("?:7001"), None);
    assert_eq!(read("nonsense"), None);
}
