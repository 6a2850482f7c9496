//! Names in triggers: of functions, app settings, queues and blobs.
//!
//! Owns what each may look like, and how a function's name is made. Must not know triggers.

use crate::manifest::Misfit;
use crate::manifest::settings::default_of;

/// Longest name of a function, in characters.
pub(super) const FUNCTION_NAME_CHARACTERS: usize = 128;

/// A name as the Functions host takes it: a letter, then letters, digits, `_` and `-`, at most 128, and not `host`.
pub(super) fn function_name(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
    let mut name: String = name.chars().map(plain).collect();
    // The Functions host does not take the first two; `model` is the model's folder.
    if name.eq_ignore_ascii_case("host")
        || !name.starts_with(|c: char| c.is_ascii_alphabetic())
        || name.eq_ignore_ascii_case("model")
    {
        name.insert_str(0, "fn-");
    }
    name.truncate(FUNCTION_NAME_CHARACTERS);
    name
}

pub(super) fn connection(name: Option<String>) -> Result<String, Misfit> {
    let name = name.unwrap_or_else(|| default_of("trigger.connection").to_owned());
    let fits = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if fits {
        return Ok(name);
    }
    // The value stays out of the message: it may be the connection string itself.
    Err((
        "`trigger.connection` is not the name of an app setting".to_owned(),
        "write a name of letters, digits and `_`, and give the function app a setting of this name: a connection string in \
         the manifest would travel in the image"
            .to_owned(),
    ))
}

pub(super) fn entity_name(key: &str, name: String) -> Result<String, Misfit> {
    let fits = (1..=260).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.' | b'/' | b'%' | b'~'));
    if fits {
        return Ok(name);
    }
    Err((
        format!("`{key}`: `{}` is not the name of a queue, topic or subscription", name.escape_debug()),
        "use letters, digits, `.`, `-`, `_` and `/`; %SETTING% stands for an app setting".to_owned(),
    ))
}

pub(super) fn blob_path(key: &str, path: &str) -> Result<(), Misfit> {
    let braces_match = path.bytes().try_fold(false, |open, byte| match (open, byte) {
        (false, b'{') => Some(true),
        (true, b'}') => Some(false),
        (true, b'{') | (false, b'}') => None,
        (open, _) => Some(open),
    });
    let fits = path.split_once('/').is_some_and(|(container, name)| !container.is_empty() && !name.is_empty());
    if fits && braces_match == Some(false) && !path.contains("{}") && !path.starts_with('{') {
        return Ok(());
    }
    Err((
        format!("`{key}`: `{}` is not a container and a name", path.escape_debug()),
        "write e.g. `incoming/{name}.json`; {name} stands for any text".to_owned(),
    ))
}

pub(super) fn container(path: &str) -> &str {
    path.split('/').next().unwrap_or_default()
}

/// The `{names}` in a path.
pub(super) fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('{').skip(1).filter_map(|part| part.split('}').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_the_functions_host() {
        let check = |route: &str, name: &str| assert_eq!(function_name(route), name);
        check("score", "score");
        check("v1/digits.score", "v1-digits-score");
        check("host", "fn-host");
        check("model", "fn-model");
        check("2/score", "fn-2-score");
        check("_score", "fn-_score");
        check("%QUEUE%", "fn--QUEUE-");
        assert_eq!(function_name(&"x".repeat(200)).len(), 128);
    }
}
