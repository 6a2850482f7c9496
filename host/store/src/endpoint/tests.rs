//! Tests of the forms of a Redis URL, and of the addresses that a cluster announces.

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
    check("REDISS://h/", &[("h", 6379)], true, None, None, 0);
    check(" redis://h\n", &[("h", 6379)], false, None, None, 0);
    check(
        "redis://:pw@a:1,redis://b:2",
        &[("a", 1), ("b", 2)],
        false,
        None,
        Some("pw"),
        0,
    );
    check(
        "Rediss://:p,w@a:1,REDISS://b:2,rediss://c:3",
        &[("a", 1), ("b", 2), ("c", 3)],
        true,
        None,
        Some("p,w"),
        0,
    );
}

#[test]
fn a_login_ends_at_the_last_at_sign_before_the_host() {
    let keys = [
        "ab/c+d==",
        "/",
        "//",
        "a@b",
        "@",
        "a@b/c@d",
        "a#b",
        "#",
        "a?b",
        "?",
        "a?ca=b",
        "a:b",
        ":",
        "12/34",
        "6380/0",
        "1?",
        "p@h:1/2?x=y#z",
        "100%",
        "%",
        "a%zz",
        "ü&=+",
        "a,b",
        "a b",
        "[::1]",
    ];
    for key in keys {
        for place in [
            "h",
            "h:6380",
            "h:6380/3",
            "[::1]:1/3",
            "h?sentinel=a@b",
            "h.example/?sentinel=a/b",
        ] {
            for user in ["", "ada"] {
                let text = format!("redis://{user}:{key}@{place}");
                let read = Endpoint::parse(&text)
                    .map_err(|problem| format!("{text}: {problem}"))
                    .unwrap();
                let password = read.password().map(|password| password.expose_secret());
                assert_eq!(password, Some(key), "{text}");
                let Who::Written(login) = &read.who else {
                    panic!("{text}")
                };
                assert_eq!(login.user.as_deref().unwrap_or_default(), user, "{text}");
                let host = &read.seeds[0].host;
                assert!(place.contains(host.as_str()), "{text}: {host}");
            }
        }
    }
}

#[test]
fn escapes_are_read_and_a_raw_percent_sign_stays() {
    for (written, password) in [
        ("%2F%40%23%3F%25%26%3A", "/@#?%&:"),
        ("ab%2fc%3D", "ab/c="),
        ("100%", "100%"),
        ("%zz%2", "%zz%2"),
        ("%2541", "%41"),
    ] {
        let read = Endpoint::parse(&format!("redis://:{written}@h"))
            .map_err(|problem| problem.to_string())
            .unwrap();
        let found = read.password().map(|password| password.expose_secret());
        assert_eq!(found, Some(password), "{written}");
    }
    let problem = Endpoint::parse("redis://:hunter2%FF@h")
        .map(drop)
        .unwrap_err();
    assert!(problem.to_string().contains("%25"), "{problem}");
}

#[test]
fn connection_strings_of_stack_exchange_are_read() {
    #[track_caller]
    fn check(text: &str, place: &str, password: Option<&str>, database: u32) -> Endpoint {
        let read = Endpoint::parse(text)
            .map_err(|problem| format!("{text}: {problem}"))
            .unwrap();
        let seeds: Vec<_> = read
            .seeds
            .iter()
            .map(|seed| format!("{}:{}", seed.host, seed.port))
            .collect();
        let scheme = if read.tls { "rediss" } else { "redis" };
        assert_eq!(format!("{scheme} {}", seeds.join(" ")), place, "{text}");
        let found = read.password().map(|password| password.expose_secret());
        assert_eq!((found, read.database), (password, database), "{text}");
        read
    }
    let portal =
        "contoso.redis.cache.windows.net:6380,password=a/b+c%41=,ssl=True,abortConnect=False";
    check(
        portal,
        "rediss contoso.redis.cache.windows.net:6380",
        Some("a/b+c%41="),
        0,
    );
    check(
        &format!(" {portal}\n"),
        "rediss contoso.redis.cache.windows.net:6380",
        Some("a/b+c%41="),
        0,
    );
    check(
        "h:1, PASSWORD = p@ss:w#?d== , SSL=false,user=ada,defaultDatabase=3,name=x,syncTimeout=5",
        "redis h:1",
        Some("p@ss:w#?d=="),
        3,
    );
    check("h,password=x", "redis h:6379", Some("x"), 0);
    check("h,ssl=true,password=x", "rediss h:6380", Some("x"), 0);
    check("h:6380,password=x", "rediss h:6380", Some("x"), 0);
    check(
        "c.westeurope.redis.azure.net:10000,password=x",
        "rediss c.westeurope.redis.azure.net:10000",
        Some("x"),
        0,
    );
    check("a:1,b:2,[::1]:3,ssl=False", "redis a:1 b:2 ::1:3", None, 0);
    let watched = check(
        "a,b,serviceName=main,password=x",
        "redis a:26379 b:26379",
        Some("x"),
        0,
    );
    assert_eq!(watched.sentinel.as_deref(), Some("main"));
    let named = check(
        "10.0.0.4:6380,ssl=True,sslHost=c.example,password=x",
        "rediss 10.0.0.4:6380",
        Some("x"),
        0,
    );
    assert_eq!(named.certificate_name.as_deref(), Some("c.example"));
    for text in [
        "h:6380,pasword=hunter2",
        "h:6380,password=hunter2,ssl=maybe",
        "h:6380,password=hunter2,defaultDatabase=x",
        "password=hunter2,ssl=True",
        "h:x,password=hunter2",
        "h:6380,password=hunter2,tunnel=http:p",
    ] {
        let problem = Endpoint::parse(text).map(drop).unwrap_err().to_string();
        assert!(!problem.contains("hunter2"), "{text}: {problem}");
    }
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
        "rediss://hunter2/x=@h",
        "\"redis://:hunter2@h\"",
        "redis://:hunter2\n@h",
        "hunter2@h:6379",
        "redis://:hunter2@ho st",
        "redis://:hunter2@[::1",
        "redis://:hunter2@[x]",
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
