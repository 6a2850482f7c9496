//! Secrets in texts that are shown: passwords and tokens in the URLs of package indexes.
//!
//! Owns what counts as a secret in a URL. Must not know where a text comes from.

/// Text that is shown in place of a secret.
const HIDDEN: &str = "****";

/// Returns a text without the secrets of the URLs in it: what is before an `@` in the name of the
/// server, and what follows a `?`.
pub fn redacted(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + 3);
        shown.push_str(before);
        let end = after.find(is_end).unwrap_or(after.len());
        let (url, after) = after.split_at(end);
        push(&mut shown, url);
        rest = after;
    }
    shown.push_str(rest);
    shown
}

/// Returns true if a character cannot be part of a URL in a text.
fn is_end(one: char) -> bool {
    one.is_whitespace() || matches!(one, '"' | '\'' | '<' | '>' | '`')
}

/// Appends the part of a URL after `://` to `shown`, without its secrets.
fn push(shown: &mut String, url: &str) {
    let path = url.find(['/', '?', '#']).unwrap_or(url.len());
    let (server, path) = url.split_at(path);
    match server.rsplit_once('@') {
        Some((_, server)) => shown.extend([HIDDEN, "@", server]),
        None => shown.push_str(server),
    }
    match path.split_once('?') {
        Some((path, _)) => shown.extend([path, "?", HIDDEN]),
        None => shown.push_str(path),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn users_passwords_and_queries_are_hidden() {
        let check = |text: &str, expected: &str| assert_eq!(redacted(text), expected, "{text}");
        check("redis>=5 # a@b", "redis>=5 # a@b");
        check("https://i.example/simple", "https://i.example/simple");
        check(
            "see https://u:p@i.example/simple and http://t0ken@j.example",
            "see https://****@i.example/simple and http://****@j.example",
        );
        check(
            "x @ https://a.example/x-1-py3-none-any.whl?sv=1&sig=abc#sha256=00 'y'",
            "x @ https://a.example/x-1-py3-none-any.whl?**** 'y'",
        );
        check("git+https://h.example/y@v1", "git+https://h.example/y@v1");
        check("://", "://");
        check("https://u:p@h", "https://****@h");
        check("ä://ü@ö/?ß", "ä://****@ö/?****");
    }
}
