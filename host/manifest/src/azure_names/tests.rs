//! Tests of Azure's rules for the names of resources.

use super::*;

#[test]
fn names_are_judged_by_the_rules_of_azure() {
    #[track_caller]
    fn check(rule: &Rule, good: &[&str], wrong: &[(&str, &str)]) {
        for name in good {
            assert_eq!(rule.check("key", name), Ok(()), "{name}");
        }
        for (name, fault) in wrong {
            let Problem { problem, fix } = rule.check("key", name).unwrap_err();
            assert!(problem.starts_with("`key`: `"), "{problem}");
            assert!(problem.contains(rule.what), "{problem}");
            assert!(problem.ends_with(fault), "{problem}");
            assert!(fix.starts_with("use "), "{fix}");
        }
    }
    let long = |count: usize| "a".repeat(count);
    check(
        &FUNCTION_APP,
        &["contoso-risk", "a1", "A--b", &long(60)],
        &[
            ("-a", "begins with `-`"),
            ("a-", "ends with `-`"),
            ("a_b", "the character `_`"),
            ("a.b", "the character `.`"),
            ("a", "has 1 character"),
            (&long(61), "has 61 characters"),
            ("", "has 0 characters"),
            ("a\nb", "the character `\\n`"),
        ],
    );
    check(
        &RESOURCE_GROUP,
        &["scoring", "rg_1.(test)", "größe", "群٣", "-", &long(90)],
        &[
            ("a.", "ends with `.`"),
            ("a b", "the character ` `"),
            ("a/b", "the character `/`"),
            (&long(91), "has 91 characters"),
        ],
    );
    check(
        &STORAGE_ACCOUNT,
        &["abc", "a1b2c3"],
        &[
            ("ab", "has 2 characters"),
            ("Contoso", "the character `C`"),
            ("a-b", "the character `-`"),
        ],
    );
    check(&PLAN, &["a", "plan-1"], &[("a_b", "the character `_`")]);
    let (app, environment) = (&CONTAINER_APP, &CONTAINER_APP_ENVIRONMENT);
    for rule in [app, environment] {
        check(
            rule,
            &["risk", "a-1"],
            &[
                ("1a", "begins with `1`"),
                ("a-", "ends with `-`"),
                ("a--b", "two hyphens in a row"),
                ("Risk", "the character `R`"),
            ],
        );
    }
    check(app, &[&long(32)], &[(&long(33), "has 33 characters")]);
    for rule in [&BLOB_CONTAINER, &STORAGE_QUEUE] {
        check(
            rule,
            &["abc", "1-a", &long(63)],
            &[
                ("in", "has 2 characters"),
                ("In-coming", "the character `I`"),
                ("a_b", "the character `_`"),
                ("-ab", "begins with `-`"),
                ("ab-", "ends with `-`"),
                ("a--b", "two hyphens in a row"),
                (&long(64), "has 64 characters"),
            ],
        );
    }
    check(
        &TRIGGER_QUEUE,
        &[&long(56)],
        &[(&long(57), "has 57 characters")],
    );
    for rule in [&SERVICE_BUS_QUEUE, &SERVICE_BUS_TOPIC] {
        check(
            rule,
            &["q", "a/b.c_d-e", "A", &long(260)],
            &[
                ("/a", "begins with `/`"),
                ("a/", "ends with `/`"),
                ("a~b", "the character `~`"),
                (&long(261), "has 261 characters"),
            ],
        );
    }
    check(
        &SERVICE_BUS_SUBSCRIPTION,
        &["s", &long(50)],
        &[
            ("a/b", "the character `/`"),
            (&long(51), "has 51 characters"),
        ],
    );
    check(
        &REGISTRY,
        &["contoso", "Contoso1"],
        &[
            ("cont", "has 4 characters"),
            ("con-toso", "the character `-`"),
        ],
    );
    check(
        &IDENTITY,
        &["a-b_c"],
        &[("-ab", "begins with `-`"), ("ab", "has 2 characters")],
    );
    check(
        &REGION,
        &["westeurope"],
        &[("west europe", "the character ` `")],
    );
}

#[test]
fn a_rule_is_a_sentence() {
    assert_eq!(
        STORAGE_QUEUE.to_string(),
        "use 3 to 63 lower-case letters, digits and `-`, with a letter or digit at both ends, \
         without two hyphens in a row"
    );
    assert_eq!(
        STORAGE_ACCOUNT.to_string(),
        "use 3 to 24 lower-case letters and digits"
    );
}

#[test]
fn placeholders_stand_for_any_text() {
    let check = |name: &str| BLOB_CONTAINER.check_pattern("key", name, true);
    for name in [
        "%IN%",
        "a%IN%",
        "{name}",
        "out-{day}",
        "%A%-%B%",
        "x{DateTime:yyyy-MM}",
    ] {
        assert_eq!(check(name), Ok(()), "{name}");
    }
    for name in [
        "%IN", "a%", "{", "}", "{}", "%%", "{a b}", "-%IN%", "A{x}", "a--{x}", "{x}-",
    ] {
        assert!(check(name).is_err(), "{name}");
    }
    let long = format!("{}%A%", "a".repeat(64));
    assert!(check(&long).is_err());
    assert!(STORAGE_QUEUE.check_pattern("key", "{name}", false).is_err());
}

#[test]
fn registries_in_azure_have_the_names_of_resources() {
    for host in [
        "contoso.azurecr.io",
        "contoso-a1b2c3.azurecr.io",
        "Contoso.AzureCR.io:443",
        "contoso.azurecr.cn",
        "contoso-a1b2c3.azurecr.us:443",
        "ghcr.io",
        "a_b.example.com:5000",
        "azurecr.io",
    ] {
        assert_eq!(check_registry("key", host), Ok(()), "{host}");
    }
    for host in [
        "abc.azurecr.io",
        "con_toso.azurecr.io",
        ".azurecr.io",
        "con_toso.azurecr.cn",
        "abc.AzureCR.us:443",
    ] {
        assert!(check_registry("key", host).is_err(), "{host}");
    }
}
