//! Names in triggers: of functions, app settings, queues and blobs.
//!
//! Owns the form that each name may have, and how the name of a function is made. Must not know
//! triggers.

use std::borrow::Cow;

use scorebox_text::{NAME_BYTES, Problem, printable, quoted};

use crate::azure_names::BLOB_CONTAINER;
use crate::settings::default_of;

/// Maximum length of the name of a function, in characters.
pub(super) const FUNCTION_NAME_CHARACTERS: usize = 128;

/// Maximum length of the name of an app setting, in bytes.
const LONGEST_CONNECTION_BYTES: usize = 128;

/// Maximum length of a path that consists of the names of a container and a blob, in bytes. It is
/// the sum of Azure's limits for both names. A placeholder such as `%SETTING%` or `{name}` counts
/// with the length of its own text.
const LONGEST_PATH_BYTES: usize = 1024 + 63;

/// Names of the blob containers that only Azure creates. These names do not follow the rules for
/// the names of other containers.
const SYSTEM_CONTAINERS: [&str; 3] = ["$root", "$web", "$logs"];

/// Folders of an app: those of the model, of a script, and of a script's packages.
const APP_FOLDERS: [&str; 3] = ["model", "script", "packages"];

/// Returns `name` itself if it can be the name of a function, or else a similar name that can.
///
/// The Functions host wants a letter, followed by letters, digits, `_` and `-`, at most 128
/// characters in all, and refuses the name `host`. The names in `APP_FOLDERS` are not used either,
/// because the app has folders of these names.
pub(super) fn function_name(name: &str) -> String {
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') {
            c
        } else {
            '-'
        }
    };
    let mut name: String = name.chars().map(plain).collect();
    // The Functions host does not accept the name `host`, or a name that does not begin with a
    // letter.
    if name.eq_ignore_ascii_case("host")
        || !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || APP_FOLDERS
            .iter()
            .any(|folder| name.eq_ignore_ascii_case(folder))
    {
        name.insert_str(0, "fn-");
    }
    name.truncate(FUNCTION_NAME_CHARACTERS);
    name
}

pub(super) fn connection(name: Option<String>) -> Result<String, Problem> {
    let name = name.unwrap_or_else(|| default_of("trigger.connection").to_owned());
    let fits = name.len() <= LONGEST_CONNECTION_BYTES
        && name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits {
        return Ok(name);
    }
    // The value stays out of the message: it may be the connection string itself.
    Err(Problem::new(
        "`trigger.connection` is not the name of an app setting",
        "write a name of letters, digits and `_`, and give the function app a setting of this name: a connection string in \
         the manifest would travel in the image",
    ))
}

/// Returns the error for an output of a trigger that would start the trigger again. `key` is the
/// name of the setting.
pub(super) fn endless_loop(key: &str) -> Problem {
    Problem::new(
        format!("`{key}` is the queue that the trigger takes from: messages would loop forever"),
        "name another queue",
    )
}

/// Returns the text of a route without the braces, asterisks, constraints and defaults of its
/// parameters, e.g. `risk/id` for `risk/{id:int}`.
pub(super) fn route_name(route: &str) -> String {
    let (mut name, mut is_marked) = (String::new(), false);
    for c in route.chars() {
        match c {
            '{' | '}' => is_marked = false,
            ':' | '=' => is_marked = true,
            '*' | '?' => {}
            c if !is_marked => name.push(c),
            _ => {}
        }
    }
    name
}

/// Checks the path that a blob trigger watches. The path must be a [`blob_path`] whose container
/// does not have a placeholder such as `{name}`. `key` is the name of the setting, for the error.
pub(super) fn watched_path(key: &str, path: &str) -> Result<(), Problem> {
    blob_path(key, path)?;
    if !container(path).contains('{') {
        return Ok(());
    }
    Err(Problem::new(
        format!(
            "`{key}`: the container in `{}` is a pattern, and a trigger watches one container",
            shown(path)
        ),
        "write the container's name, e.g. `incoming/{name}.json`; %SETTING% stands for an app setting",
    ))
}

pub(super) fn blob_path(key: &str, path: &str) -> Result<(), Problem> {
    let name = container(path);
    if !SYSTEM_CONTAINERS.contains(&name) {
        BLOB_CONTAINER.check_pattern(key, name, true)?;
    }
    if path.len() > LONGEST_PATH_BYTES || matches!(printable(path), Cow::Owned(_)) {
        return Err(Problem::new(
            format!(
                "`{key}`: `{}` is too long, or holds a control character",
                shown(path)
            ),
            format!(
                "use at most {LONGEST_PATH_BYTES} bytes, without line feeds and other control characters"
            ),
        ));
    }
    let braces_match = path
        .bytes()
        .try_fold(false, |open, byte| match (open, byte) {
            (false, b'{') => Some(true),
            (true, b'}') => Some(false),
            (true, b'{') | (false, b'}') => None,
            (open, _) => Some(open),
        });
    let fits = path
        .split_once('/')
        .is_some_and(|(container, name)| !container.is_empty() && !name.is_empty());
    if fits && braces_match == Some(false) && !path.contains("{}") && !path.starts_with('{') {
        return Ok(());
    }
    Err(Problem::new(
        format!("`{key}`: `{}` is not a container and a name", shown(path)),
        "write e.g. `incoming/{name}.json`; {name} stands for any text",
    ))
}

fn shown(text: &str) -> String {
    quoted(text, NAME_BYTES)
}

pub(super) fn container(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// Returns the names of the placeholders in a path, e.g. `name` for `incoming/{name}.json`.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{')
        .skip(1)
        .filter_map(|part| part.split('}').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_begins_with_a_container_and_ends_on_its_line() {
        let paths = [
            "incoming/{name}.json",
            "$root/x",
            "%IN%/{name}",
            "v1-score/a/b",
            "incoming/Grüße {name}.json",
        ];
        for path in paths {
            assert_eq!(watched_path("trigger.path", path), Ok(()), "{path}");
        }
        assert_eq!(blob_path("trigger.output", "out-{name}/x.json"), Ok(()));
        assert!(watched_path("trigger.path", "in-{name}/x.json").is_err());
        let long = format!("incoming/{}", "x".repeat(LONGEST_PATH_BYTES));
        let paths = [
            "in$(id)/x",
            "in`id`/x",
            "in;id/x",
            "in x/x",
            "in'/x",
            "-in/x",
            "in\n/x",
            "in/x",
            "Incoming/x",
            "in--x/x",
            "%IN/x",
            "incoming/x\ny",
            "incoming/x\u{2028}",
            "incoming/\0",
        ];
        for path in paths.into_iter().chain([long.as_str()]) {
            let Problem { problem, fix } = blob_path("trigger.path", path).unwrap_err();
            assert!(
                problem.len() < 300 && !problem.contains('\n') && !fix.is_empty(),
                "{problem}"
            );
        }
    }

    #[test]
    fn names_of_routes_have_no_marks() {
        for (route, name) in [
            ("score", "score"),
            ("risk/{customer}", "risk/customer"),
            ("risk/{id:int:min(1)=7}/{x?}", "risk/id/x"),
            ("{*rest}", "rest"),
        ] {
            assert_eq!(route_name(route), name);
        }
    }

    #[test]
    fn names_fit_the_functions_host() {
        let check = |route: &str, name: &str| assert_eq!(function_name(route), name);
        check("score", "score");
        check("v1/digits.score", "v1-digits-score");
        check("host", "fn-host");
        check("model", "fn-model");
        check("Packages", "fn-Packages");
        check("2/score", "fn-2-score");
        check("_score", "fn-_score");
        check("%QUEUE%", "fn--QUEUE-");
        assert_eq!(function_name(&"x".repeat(200)).len(), 128);
    }
}
