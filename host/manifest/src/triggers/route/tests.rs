//! Tests of the templates of routes.

use scorebox_text::Problem;

use super::*;

fn template(text: &str) -> Template {
    Template::parse(text).unwrap_or_else(|problem| panic!("{text}: {problem:?}"))
}

#[test]
fn templates_are_those_of_asp_net() {
    for text in [
        "score",
        "/score/",
        "risk/{customer}",
        "risk/{customer:alpha:minlength(2)}/{year:range(2000,2100)=2026}",
        "a/{b?}",
        "a/{b=x}/{c?}",
        "{*rest}",
        "a/{**rest}",
        "files/{*path:file}",
        "{name}.{extension?}",
        "v{major}.{minor}/x",
        "a{{b}}/c",
        "{id:regex(^\\d{{3}}$)}",
        "{when:datetime}",
        "",
        "/",
        "{7}",
        "{a b}",
        "{customer-id}/{$value}/{größe:int}",
        "{a.b=x}",
    ] {
        assert_eq!(template(text).text(), text);
    }
    let template = template("Risk/{Customer}-{id:int}/{*Rest}");
    let names: Vec<_> = template.parameters().map(|found| &found.name).collect();
    assert_eq!(names, ["customer", "id", "rest"]);
    assert_eq!(template.segments().len(), 3);
    let root = self::template("/");
    assert!(root.segments().is_empty() && root.is_alike(&self::template("")));
    assert!(root.precedence(&template).is_lt());
}

#[test]
fn what_asp_net_refuses_is_refused_with_the_part_and_the_rule() {
    let long = "x".repeat(2000);
    let deep = "a/".repeat(40);
    for (text, part) in [
        ("//", "an empty segment"),
        ("//a", "an empty segment"),
        ("a//", "an empty segment"),
        ("a//b", "an empty segment"),
        ("a/{b", "a `{` without a `}`"),
        ("a/{b{c}", "a `{` without a `}`"),
        ("a/b}", "a `}` without a `{`"),
        ("a?b=1", "a `?` outside of a parameter"),
        ("{}", "`{}` does not begin with the name of a parameter"),
        ("{a/b}", "`{a/b}` does not begin"),
        ("{a?b}", "`{a?b}` does not begin"),
        ("{a*}", "`{a*}` does not begin"),
        ("{a{{b}", "`{a{b}` does not begin"),
        ("{:int}", "`{:int}` does not begin"),
        ("{=1}", "`{=1}` does not begin"),
        ("{*}", "`{*}` does not begin"),
        ("{Ä}/{ä}", "two parameters with the name `ä`"),
        ("{***a}", "`{***a}` does not begin"),
        ("{a}{b}", "`{b}` follows another parameter"),
        ("{a}/{A}", "two parameters with the name `a`"),
        ("{*a}/b", "`{*a}` is not the last segment"),
        ("x{*a}", "`{*a}` is not the last segment"),
        ("{a?}/b", "follows `{a}`, which may be missing"),
        ("{a=1}/{b}", "follows `{a}`, which may be missing"),
        ("{a}-{b?}", "`{b?}` is a part of a segment"),
        ("{a=1?}", "`{a=1?}` ends with `?`"),
        ("{*a?}", "`{*a?}` ends with `?`"),
        ("{a:integer}", "`integer` is not a constraint"),
        ("{a:int(1)}", "`int(1)` is not a constraint"),
        ("{a:min}", "`min` is not a constraint"),
        ("{a:range(2)}", "`range(2)` is not a constraint"),
        ("{a:range(9,1)}", "`range(9,1)` is not a constraint"),
        ("{a:length(-1)}", "`length(-1)` is not a constraint"),
        (&long, "at most 1024 bytes"),
        (&deep, "at most 28 segments"),
    ] {
        let Problem { problem, fix } = Template::parse(text).unwrap_err();
        assert!(problem.contains(part), "{part}: {problem}");
        assert!(!fix.is_empty() && problem.len() < 300, "{problem}");
    }
}

#[test]
fn the_narrower_template_is_first() {
    let order = [
        "risk",
        "risk/all",
        "risk/v{x}",
        "risk/{id:int}",
        "risk/{a}",
        "risk/{b}",
        "risk/{a}/more",
        "risk/{*rest:file}",
        "risk/{*rest}",
        "{any}/all",
        "{*rest}",
    ];
    for (at, text) in order.iter().enumerate() {
        for (other_at, other) in order.iter().enumerate() {
            let found = template(text).precedence(&template(other));
            assert_eq!(found, at.cmp(&other_at), "{text} {other}");
        }
    }
}

#[test]
fn templates_are_alike_whatever_their_parameters_are_called() {
    let check = |one: &str, other: &str, expected: bool| {
        assert_eq!(
            template(one).is_alike(&template(other)),
            expected,
            "{one} {other}"
        );
    };
    check("Risk/{a}", "risk/{b}", true);
    check("/risk", "risk/", true);
    check("risk/{a:int}", "risk/{b:int}", true);
    check("risk/{a:int}", "risk/{b:long}", false);
    check("risk/{a}", "risk/{a?}", false);
    check("risk/{a?}", "risk/{a=1}", true);
    check("risk/{a}", "risk/{*a}", false);
    check("risk", "risk/{a?}", false);
}

#[test]
fn constraints_accept_what_asp_net_accepts() {
    #[track_caller]
    fn check(constraint: &str, good: &[&str], wrong: &[&str]) {
        let constraint = Constraint::parse(constraint).unwrap();
        for value in good {
            assert!(constraint.accepts(value), "{value}");
        }
        for value in wrong {
            assert!(!constraint.accepts(value), "{value}");
        }
    }
    check(
        "int",
        &["7", "-7", "+7", "2147483647"],
        &["", "7.0", "x", "2147483648"],
    );
    check(
        "long",
        &["9223372036854775807"],
        &["9223372036854775808", "1e3"],
    );
    check("bool", &["true", "False"], &["1", "yes", ""]);
    check("alpha", &["abcXYZ"], &["a1", "é", "a b"]);
    check(
        "decimal",
        &["1", "1,000.5", "-.5", "1."],
        &["1e3", "x", ".", ""],
    );
    check("double", &["1", "1.5e-3", "NaN"], &["1e", "e3", "1.5.2"]);
    check("float", &["+1E3"], &["0x1"]);
    let uuid = "9e1b2c3d-0000-4000-8000-0000000000ab";
    let plain = uuid.replace('-', "");
    check(
        "guid",
        &[uuid, &plain, &format!("{{{uuid}}}")],
        &["9e1b", &format!("{{{plain}}}")],
    );
    check("min(18)", &["18", "99"], &["17", "x"]);
    check("max(9)", &["9", "-1"], &["10"]);
    check("range(1,12)", &["1", "12"], &["0", "13"]);
    check("length(2)", &["ab", "äö"], &["a", "abc"]);
    check("length(1,3)", &["a", "abc"], &["", "abcd"]);
    check("minlength(2)", &["ab"], &["a"]);
    check("maxlength(2)", &["ab"], &["abc"]);
    check("required", &["x"], &[""]);
    check("file", &["a.txt", "a/b.c"], &["a", "a.b/c", "a."]);
    check("nonfile", &["a", "a."], &["a.txt"]);
    check("regex(^x$)", &["x", "y"], &[]);
}
