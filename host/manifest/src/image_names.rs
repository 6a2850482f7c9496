//! The parts of an image reference: registry, repository, tag and digest.
//!
//! Owns the characters that each part may have, and the error that names the first character that
//! is not allowed. Must not know which setting or argument holds a part: the caller names it.

use std::net::Ipv6Addr;

use scorebox_text::{NAME_BYTES, Problem, quoted, start};

/// Maximum length of the host and port of a registry, and of the name of a repository, in bytes.
/// According to the OCI distribution specification, many clients limit both together to 255
/// characters.
const LONGEST_REPOSITORY_BYTES: usize = 255;
/// Maximum length of a tag, in bytes: the limit of the OCI distribution specification.
const LONGEST_TAG_BYTES: usize = 128;
/// Number of hexadecimal digits of a SHA-256 digest.
const DIGEST_DIGITS: usize = 64;

/// Text of the fix in an error about the host of a registry.
const HOST: &str = "write the host name and, if it is not the usual one, the port, e.g. \
                    `contoso.azurecr.io` or `localhost:5000`";
/// Text of the fix in an error about the form of a repository's name.
const REPOSITORY: &str = "use lower-case letters and digits, with `.`, `_`, `__` or `-` between \
                          them, in parts with `/` between them, e.g. `scoring/credit-risk`";

/// Checks the host of a registry, with or without a port. `what` names the setting or argument that
/// holds the text, for the error.
///
/// # Errors
/// Fails if the text is not a host name with a dot or a port, `localhost`, or an IPv6 address in
/// brackets. Also fails if the port is not from 1 to 65535, or if a text with a host name has more
/// than 255 bytes.
pub fn registry(what: &str, text: &str) -> Result<(), Problem> {
    let refused = |reason: &str, fix: &str| Err(refused(what, text, reason, fix));
    if let Some((scheme, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        let reason = format!("begins with `{}://`", quoted(scheme, NAME_BYTES));
        return refused(&reason, &alone(host));
    }
    if let Some((host, path)) = text.split_once('/') {
        let reason = format!("has a path, `/{}`", quoted(path, NAME_BYTES));
        let fix = format!(
            "{}; a path belongs to the name of the repository",
            alone(host)
        );
        return refused(&reason, &fix);
    }
    if let Some((_, host)) = text.rsplit_once('@') {
        return refused(
            "has a user name",
            &format!(
                "{}, and log in with --username NAME --password-stdin",
                alone(host)
            ),
        );
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => {
            if address.parse::<Ipv6Addr>().is_err() || !(rest.is_empty() || rest.starts_with(':')) {
                return refused("is not an IPv6 address in brackets", HOST);
            }
            (None, rest.strip_prefix(':'))
        }
        None => match text.split_once(':') {
            Some((_, rest)) if rest.contains(':') => {
                return refused(
                    "has more than one `:`",
                    "write an IPv6 address in brackets, e.g. `[::1]:5000`",
                );
            }
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    if let Some(port) = port
        && !(port.bytes().all(|byte| byte.is_ascii_digit())
            && port.parse::<u16>().is_ok_and(|port| port > 0))
    {
        let reason = format!("has the port `{}`", quoted(port, NAME_BYTES));
        return refused(
            &reason,
            "write a port from 1 to 65535, e.g. `localhost:5000`",
        );
    }
    let Some(host) = host else { return Ok(()) };
    if let Some(reason) = misfit(host, |c| {
        c.is_ascii_alphanumeric() || matches!(c, '.' | '-')
    }) {
        return refused(&reason, HOST);
    }
    // All characters are ASCII from here on, so each has one byte.
    if text.is_empty() || text.len() > LONGEST_REPOSITORY_BYTES {
        return refused(&format!("has {} characters", text.len()), HOST);
    }
    let is_label =
        |label: &str| !(label.is_empty() || label.starts_with('-') || label.ends_with('-'));
    if !host.split('.').all(is_label) {
        return refused("has a part that is empty, or begins or ends with `-`", HOST);
    }
    if port.is_none() && !host.contains('.') && host != "localhost" {
        return refused(
            "has neither a dot nor a port, so it would be read as a part of a repository's name",
            HOST,
        );
    }
    Ok(())
}

/// Checks the name of a repository. `what` names the setting or argument that holds the text, for
/// the error.
///
/// # Errors
/// Fails if the name has more than 255 bytes, or does not have the form that the OCI distribution
/// specification defines.
pub fn repository(what: &str, text: &str) -> Result<(), Problem> {
    let refused = |reason: &str, fix: &str| Err(refused(what, text, reason, fix));
    let is_separator = |c: char| matches!(c, '.' | '_' | '-');
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit();
    let known = |c: char| is_plain(c) || is_separator(c) || c == '/';
    if let Some(reason) = misfit(text, known) {
        let lower = text.to_ascii_lowercase();
        let fix = if misfit(&lower, known).is_none() {
            format!("write `{}`", quoted(&lower, NAME_BYTES))
        } else if text.contains([':', '@']) {
            "write the name alone, without a tag or a digest".to_owned()
        } else {
            REPOSITORY.to_owned()
        };
        return refused(&reason, &fix);
    }
    if text.is_empty() || text.len() > LONGEST_REPOSITORY_BYTES {
        return refused(
            &format!("has {} characters", text.len()),
            &format!("use 1 to {LONGEST_REPOSITORY_BYTES} characters, e.g. `scoring/credit-risk`"),
        );
    }
    for part in text.split('/') {
        if part.is_empty() {
            return refused(
                "has an empty part: `/` is first, last, or twice in a row",
                REPOSITORY,
            );
        }
        if !part.starts_with(is_plain) || !part.ends_with(is_plain) {
            return refused(
                &format!(
                    "has the part `{}`, which does not begin and end with a letter or a digit",
                    quoted(part, NAME_BYTES)
                ),
                REPOSITORY,
            );
        }
        let between = part.split(is_plain);
        let odd = between.into_iter().find(|between| {
            let is_known = matches!(*between, "" | "." | "_" | "__");
            !is_known && between.contains(|c: char| c != '-')
        });
        if let Some(odd) = odd {
            return refused(&format!("has `{}`", quoted(odd, NAME_BYTES)), REPOSITORY);
        }
    }
    Ok(())
}

/// Checks a tag. `what` names the setting or argument that holds the text, for the error.
///
/// # Errors
/// Fails if the tag does not have the form that the OCI distribution specification defines.
pub fn tag(what: &str, text: &str) -> Result<(), Problem> {
    let allowed = format!(
        "use 1 to {LONGEST_TAG_BYTES} letters, digits, `.`, `_` and `-`, with a letter, a digit or \
         `_` first, e.g. `1.4.0`"
    );
    let refused = |reason: &str, fix: &str| Err(refused(what, text, reason, fix));
    if let Some(reason) = misfit(text, is_of_tag) {
        let of_version = tag_of_version(text);
        let fix = if of_version == text {
            allowed
        } else {
            format!("write `{of_version}`: `_` stands for the `+` of a version, as in Helm")
        };
        return refused(&reason, &fix);
    }
    if text.is_empty() || text.len() > LONGEST_TAG_BYTES {
        return refused(&format!("has {} characters", text.len()), &allowed);
    }
    match text.chars().next() {
        Some(first @ ('.' | '-')) => refused(&format!("begins with `{first}`"), &allowed),
        _ => Ok(()),
    }
}

/// Returns the tag for a version, with `_` for the `+` before the build metadata of a semantic
/// version, because no tag can have a `+`. Helm chooses the same tag. The text is returned
/// unchanged if it does not begin with a digit, with or without `v` before it, or if it has other
/// characters that no tag can have.
#[must_use]
pub fn tag_of_version(version: &str) -> String {
    let tag = version.replace('+', "_");
    let begins = tag
        .trim_start_matches('v')
        .starts_with(|c: char| c.is_ascii_digit());
    if begins && misfit(&tag, is_of_tag).is_none() {
        return tag;
    }
    version.to_owned()
}

/// Checks a digest. `what` names the setting or argument that holds the text, for the error.
///
/// # Errors
/// Fails if the text is not `sha256:` and 64 lower-case hexadecimal digits.
pub fn digest(what: &str, text: &str) -> Result<(), Problem> {
    let fix = "write `sha256:` and the 64 hexadecimal digits that `scorebox package` printed";
    let refused = |reason: &str| Err(refused(what, text, reason, fix));
    let Some((algorithm, digits)) = text.split_once(':') else {
        return refused("does not name its algorithm");
    };
    if algorithm != "sha256" {
        let algorithm = quoted(algorithm, NAME_BYTES);
        return refused(&format!(
            "is of the algorithm `{algorithm}`, and only sha256 is known"
        ));
    }
    let is_digit = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    if let Some(reason) = misfit(digits, is_digit) {
        return refused(&format!("{reason} after `sha256:`"));
    }
    if digits.len() != DIGEST_DIGITS {
        return refused(&format!(
            "has {} digits after `sha256:`, and SHA-256 has {DIGEST_DIGITS}",
            digits.len()
        ));
    }
    Ok(())
}

fn is_of_tag(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

/// Returns the end of an error message that names the first character of `text` that is not
/// allowed. Returns `None` if all characters are allowed.
fn misfit(text: &str, is_allowed: impl Fn(char) -> bool) -> Option<String> {
    let (index, found) = text.chars().enumerate().find(|(_, c)| !is_allowed(*c))?;
    let shown = match found {
        ' ' => "a space".to_owned(),
        '`' => "a backtick".to_owned(),
        'A'..='Z' => format!("the capital letter `{found}`"),
        other => format!("`{}`", quoted(&other.to_string(), NAME_BYTES)),
    };
    Some(format!(
        "has {shown} as its character {}",
        index.saturating_add(1)
    ))
}

fn alone(host: &str) -> String {
    match host {
        "" => HOST.to_owned(),
        host => format!("write the host alone: `{}`", quoted(host, NAME_BYTES)),
    }
}

fn refused(what: &str, text: &str, reason: &str, fix: &str) -> Problem {
    let shown = quoted(start(text, NAME_BYTES.saturating_add(1)), NAME_BYTES);
    Problem::new(format!("{what} `{shown}` {reason}"), fix)
}

#[cfg(test)]
mod tests;
