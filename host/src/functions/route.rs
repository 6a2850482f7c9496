//! Routes of HTTP functions: `score`, `score/{model}`, `{id:int}`, `{id?}`, `{*rest}`.
//!
//! Owns whether a path belongs to a route, and the values in the path, as ASP.NET decides in the
//! Functions host. The form of templates is in `manifest::triggers::route`. Must not know HTTP
//! methods or functions.

use std::borrow::Cow;

use crate::manifest::triggers::route::{Parameter, Part, Template, trimmed};
use crate::text::Problem;

/// Route of an HTTP function, including the prefix of all HTTP routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Template as it was written, with the prefix and a leading slash.
    shown: String,
    template: Template,
}

/// Values of the parameters of a route, each with the name of its parameter in lower case.
pub type Values = Vec<(String, String)>;

impl Route {
    /// Creates a route from its template, such as `items/{id}`, and from the prefix of all HTTP
    /// routes. The prefix may be empty.
    ///
    /// # Errors
    /// Fails if the Functions host would refuse the template, or if the template with its prefix
    /// has more than 1024 bytes.
    pub fn new(prefix: &str, template: &str) -> Result<Self, Problem> {
        let mut shown = String::new();
        for part in [prefix, template] {
            let part = trimmed(part);
            if !part.is_empty() {
                shown.push('/');
                shown.push_str(part);
            }
        }
        let template = Template::parse(&shown)?;
        Ok(Self { shown, template })
    }

    /// Returns the template of the route as it was written, with the prefix and a leading slash.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.shown
    }

    /// Returns true if the Functions host tries this route before the route `other`: it tries the
    /// narrower route first.
    #[must_use]
    pub fn is_before(&self, other: &Self) -> bool {
        self.template.precedence(&other.template).is_lt()
    }

    /// Returns the names of the route's parameters in lower case, each with its decoded value in
    /// `path`. An optional parameter that the path does not have is left out. Returns `None` if the
    /// path does not match this route. The case of letters in literal texts is ignored, as the
    /// Functions host ignores it.
    #[must_use]
    pub fn values(&self, path: &str) -> Option<Values> {
        // One slash at the end is ignored, except in the value of a catch-all parameter.
        let path = path.strip_prefix('/').unwrap_or(path);
        let mut rest = Some(path).filter(|path| !path.is_empty());
        let mut values = Vec::new();
        for segment in self.template.segments() {
            if let [Part::Parameter(parameter)] = segment.as_slice() {
                if parameter.is_catch_all {
                    let text = rest.take().map(decoded);
                    keep(parameter, text.as_deref(), &mut values)?;
                    break;
                }
                let text = next(&mut rest).map(decoded);
                if text.is_none() && !parameter.may_be_missing() {
                    return None;
                }
                keep(parameter, text.as_deref(), &mut values)?;
            } else {
                let text = decoded(next(&mut rest)?);
                match segment.as_slice() {
                    [Part::Literal(literal)] if literal.eq_ignore_ascii_case(&text) => {}
                    [Part::Literal(_)] => return None,
                    parts => within(parts, &text, &mut values)?,
                }
            }
        }
        rest.is_none().then_some(values)
    }
}

/// Takes the next segment of a path. `rest` is the part of the path that was not taken so far, and
/// becomes `None` at the end of the path. Returns `None` at the end of the path, and for an empty
/// segment, which ASP.NET does not match.
fn next<'a>(rest: &mut Option<&'a str>) -> Option<&'a str> {
    let text = rest.take()?;
    let segment = match text.split_once('/') {
        Some((segment, after)) => {
            *rest = Some(after).filter(|after| !after.is_empty());
            segment
        }
        None => text,
    };
    // ASP.NET matches no empty segment. The path is then not at its end, so no route matches.
    if segment.is_empty() {
        *rest = Some(segment);
        return None;
    }
    Some(segment)
}

/// Adds the value of a parameter to `values`. `text` is the text of the parameter in the path, or
/// `None` if the path ends before the parameter. Returns `None` if the text does not satisfy the
/// constraints of the parameter.
fn keep(parameter: &Parameter, text: Option<&str>, values: &mut Values) -> Option<()> {
    let Some(text) = text.or(parameter.default.as_deref()) else {
        return Some(());
    };
    let is_accepted = parameter.constraints.iter().all(|one| one.accepts(text));
    is_accepted.then(|| values.push((parameter.name.clone(), text.to_owned())))
}

/// Matches a segment that has several parts, such as `{name}.{extension}`, and adds its values to
/// `values` from left to right. As in ASP.NET, the literal texts are searched from the end of the
/// segment, so that the first parameter takes as many characters as it can. Returns `None` if the
/// segment does not match.
fn within(parts: &[Part], segment: &str, values: &mut Values) -> Option<()> {
    let count = values.len();
    if placed(parts, segment, values).is_some() {
        return Some(());
    }
    values.truncate(count);
    // A dot and an optional parameter after it may be missing together.
    match parts {
        [first @ .., Part::Literal(_), Part::Parameter(last)] if last.is_optional => {
            placed(first, segment, values)
        }
        _ => None,
    }
}

fn placed(parts: &[Part], segment: &str, values: &mut Values) -> Option<()> {
    let count = values.len();
    // The text in small letters has the same positions, because only ASCII letters change.
    let lower = segment.to_ascii_lowercase();
    let mut end = segment.len();
    let mut waiting: Option<&Parameter> = None;
    for (index, part) in parts.iter().enumerate().rev() {
        let literal = match part {
            Part::Parameter(parameter) => {
                waiting = Some(parameter);
                continue;
            }
            Part::Literal(literal) => literal.to_ascii_lowercase(),
        };
        let open = lower.get(..end)?;
        let start = match waiting {
            // A parameter takes at least one character.
            Some(_) => {
                let last = open.char_indices().next_back()?.0;
                open.get(..last)?.rfind(&literal)?
            }
            None => open.len() - open.strip_suffix(&literal).map(|_| literal.len())?,
        };
        if let Some(parameter) = waiting.take() {
            let text = segment.get(start + literal.len()..end)?;
            keep(parameter, Some(text), values)?;
        }
        if index == 0 && start != 0 {
            return None;
        }
        end = start;
    }
    match waiting {
        Some(_) if end == 0 => return None,
        Some(parameter) => keep(parameter, segment.get(..end), values)?,
        None if end == 0 => {}
        None => return None,
    }
    values.get_mut(count..)?.reverse();
    Some(())
}

/// Length of a percent escape, such as `%2F`, in bytes.
const ESCAPE_BYTES: usize = 3;

/// Decodes the percent escapes in a part of a path as ASP.NET's server does. An escaped slash or
/// NUL stays as it is, and so do escapes of bytes that are not UTF-8.
fn decoded(text: &str) -> Cow<'_, str> {
    if !text.contains('%') {
        return Cow::Borrowed(text);
    }
    let mut bytes = Vec::with_capacity(text.len());
    // Position in `text` from which each of the bytes comes.
    let mut starts = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        starts.push(text.len() - rest.len());
        match (first, escaped(after)) {
            (b'%', Some((byte, after))) if byte != b'/' && byte != 0 => {
                bytes.push(byte);
                rest = after;
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    let mut decoded = String::with_capacity(text.len());
    let mut starts = starts.into_iter();
    for chunk in bytes.utf8_chunks() {
        decoded.push_str(chunk.valid());
        let invalid = starts
            .by_ref()
            .skip(chunk.valid().len())
            .take(chunk.invalid().len());
        for start in invalid {
            // `text` itself is UTF-8, so an invalid byte comes from an escape.
            decoded.push_str(text.get(start..start + ESCAPE_BYTES).unwrap_or_default());
        }
    }
    Cow::Owned(decoded)
}

/// Returns the byte that two hexadecimal digits at the start of `text` stand for, and the text
/// after them. Returns `None` if `text` does not begin with two such digits.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let [high, low, after @ ..] = text else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = digit(*high)? << 4 | digit(*low)?;
    Some((u8::try_from(byte).ok()?, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(template: &str, path: &str, expected: Option<&[(&str, &str)]>) {
        let expected = expected.map(|pairs| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect::<Vec<_>>()
        });
        let route = Route::new("api", template).unwrap();
        assert_eq!(route.values(path), expected, "{template} {path}");
    }

    #[test]
    fn paths_are_told_by_their_templates() {
        check("score", "/api/score", Some(&[]));
        check("score", "/API/Score/", Some(&[]));
        check("score", "/score", None);
        check("score", "/api/score/more", None);
        check("score", "/api//score", None);
        check("score", "/api/score//", None);
        check("score/{Model}", "/api/score/a", Some(&[("model", "a")]));
        check("score/{id:int}", "/api/score/7", Some(&[("id", "7")]));
        check("score/{id:int}", "/api/score/x", None);
        check("score/{id?}", "/api/score", Some(&[]));
        check("score/{id?}", "/api/score/", Some(&[]));
        check("score/{id?}", "/api/score//", None);
        check("score/{id=7}", "/api/score", Some(&[("id", "7")]));
        check("score/{a=1}/{b?}", "/api/score/2", Some(&[("a", "2")]));
        check("score/{id}", "/api/score", None);
        check("{*rest}", "/api/a/b", Some(&[("rest", "a/b")]));
        check("{*rest}", "/api/a//b/", Some(&[("rest", "a//b/")]));
        check("{*rest}", "/api", Some(&[]));
        check("x/{*rest:file}", "/api/x/a/b.c", Some(&[("rest", "a/b.c")]));
        check("x/{*rest:file}", "/api/x/a/b", None);
        let root = Route::new("", "/").unwrap();
        assert_eq!(root.values("/"), Some(Vec::new()));
        assert_eq!(root.values("/score"), None);
        check("/", "/api", Some(&[]));
        check("/", "/api/score", None);
        check("{customer-id}", "/api/7", Some(&[("customer-id", "7")]));
        let shown = |prefix: &str| Route::new(prefix, "score").unwrap();
        assert_eq!(shown("").template(), "/score");
        assert_eq!(shown("/v1/").values("/v1/score"), Some(Vec::new()));
        assert!(Route::new("api", "{a}{b}").is_err());
    }

    #[test]
    fn values_are_decoded_as_by_asp_net() {
        let value = |path: &str, value: &str| {
            check(
                "risk/{c}",
                &format!("/api/risk/{path}"),
                Some(&[("c", value)]),
            );
        };
        value("J%C3%BCrgen%20K%2F7", "Jürgen K%2F7");
        value("a+b%2Bc", "a+b+c");
        value("%ff%41%c3", "%ffA%c3");
        value("%FF%41%c3", "%FFA%c3");
        value("ü%E2%82%Ac%fF%e2%82é", "ü€%fF%e2%82é");
        value("100%", "100%");
        value("%4", "%4");
        value("%zz", "%zz");
        value("%00%2f", "%00%2f");
        check("{*rest}", "/api/a%20b/%2F", Some(&[("rest", "a b/%2F")]));
        check("risk", "/api/r%69sk", Some(&[]));
        check("r/{id:length(1)}", "/api/r/%C3%BC", Some(&[("id", "ü")]));
    }

    #[test]
    fn a_segment_may_have_several_parts() {
        check("{a}.{b}", "/api/x.y.z", Some(&[("a", "x.y"), ("b", "z")]));
        check("{a}.{b}", "/api/x.", None);
        check("{a}.{b}", "/api/.x", None);
        check("V{a}", "/api/v12", Some(&[("a", "12")]));
        check("v{a}", "/api/12", None);
        check("v{a}-x", "/api/v-X", None);
        check("v{a}-x", "/api/vv-x", Some(&[("a", "v")]));
        check("{a}.{b?}", "/api/x", Some(&[("a", "x")]));
        check("{a}.{b?}", "/api/x.y", Some(&[("a", "x"), ("b", "y")]));
        check("{a:int}-{b}", "/api/x-y", None);
    }

    #[test]
    fn the_narrower_route_is_tried_first() {
        let route = |template: &str| Route::new("api", template).unwrap();
        let order = [
            "risk/all",
            "risk/{id:int}",
            "risk/{id}",
            "risk/{*rest}",
            "{*rest}",
        ];
        for pair in order.windows(2) {
            assert!(route(pair[0]).is_before(&route(pair[1])));
            assert!(!route(pair[1]).is_before(&route(pair[0])));
        }
    }
}
