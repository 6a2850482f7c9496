//! Reading of the template of a route.
//!
//! Owns the grammar, and the rules of ASP.NET on which parts may follow each other. Must not know
//! how a path is matched.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::{Constraint, Parameter, Part, Template};

/// Maximum length of a template, in bytes. Longer addresses are cut or refused by browsers and
/// proxies.
const LONGEST_BYTES: usize = 1024;

/// Maximum number of segments of a template, which is ASP.NET's limit.
const MOST_SEGMENTS: usize = 28;

/// Characters that the name of a parameter may not have in ASP.NET. `:` and `=` end a name.
const NOT_IN_NAMES: [char; 5] = ['/', '{', '}', '?', '*'];

/// Returns the template of a route without the slash at its start and the one at its end. ASP.NET
/// refuses two slashes in a row, so a second slash stays.
#[must_use]
pub fn trimmed(template: &str) -> &str {
    let inner = template.strip_prefix('/').unwrap_or(template);
    match inner.strip_suffix('/') {
        Some(rest) if !rest.is_empty() => rest,
        _ => inner,
    }
}

impl Template {
    /// Parses the template of a route, which may begin and end with a slash. An empty template and
    /// `/` match only the path without segments.
    ///
    /// # Errors
    /// Fails if the template has more than 1024 bytes or more than 28 segments, or if ASP.NET, and
    /// so the Functions host, would refuse it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let fail = |Problem { problem, fix }| {
            Problem::new(format!("`{}`: {problem}", quoted(text, NAME_BYTES)), fix)
        };
        if text.len() > LONGEST_BYTES {
            return Err(fail(Problem::new(
                format!("a route has at most {LONGEST_BYTES} bytes"),
                "shorten it",
            )));
        }
        let segments = segments(trimmed(text)).map_err(fail)?;
        let template = Self {
            text: text.to_owned(),
            segments,
        };
        template.is_consistent().map_err(fail)?;
        Ok(template)
    }

    /// Checks the number of segments, and that ASP.NET accepts the names of the parameters and the
    /// order of the parts.
    fn is_consistent(&self) -> Result<(), Problem> {
        if self.segments.len() > MOST_SEGMENTS {
            return Err(Problem::new(
                format!("a route has at most {MOST_SEGMENTS} segments"),
                "shorten it",
            ));
        }
        let mut names: Vec<&str> = Vec::new();
        let mut may_end: Option<&Parameter> = None;
        for (index, segment) in self.segments.iter().enumerate() {
            let is_last = index + 1 == self.segments.len();
            let mut previous: Option<&Part> = None;
            for (at, part) in segment.iter().enumerate() {
                if let Part::Parameter(parameter) = part {
                    let shown = quoted(&parameter.name, NAME_BYTES);
                    if matches!(previous, Some(Part::Parameter(_))) {
                        return Err(Problem::new(
                            format!("`{{{shown}}}` follows another parameter directly"),
                            "write a text between the two parameters, e.g. `{a}-{b}`",
                        ));
                    }
                    if names.contains(&parameter.name.as_str()) {
                        return Err(Problem::new(
                            format!("there are two parameters with the name `{shown}`"),
                            "give one of them another name; case does not count",
                        ));
                    }
                    if parameter.is_catch_all && (!is_last || segment.len() > 1) {
                        return Err(Problem::new(
                            format!("`{{*{shown}}}` is not the last segment"),
                            "let a parameter with `*` be the whole last segment",
                        ));
                    }
                    let follows_dot = matches!(previous, Some(Part::Literal(text)) if text == ".");
                    if parameter.is_optional
                        && segment.len() > 1
                        && !(follows_dot && at + 1 == segment.len() && is_last)
                    {
                        return Err(Problem::new(
                            format!("`{{{shown}?}}` is a part of a segment"),
                            "let an optional parameter be a whole segment, or the end of the last \
                             segment after a dot, e.g. `{name}.{extension?}`",
                        ));
                    }
                    names.push(&parameter.name);
                }
                previous = Some(part);
            }
            let optional = match segment.as_slice() {
                [Part::Parameter(parameter)] if parameter.may_be_missing() => Some(parameter),
                _ => None,
            };
            if let (Some(earlier), None) = (may_end, optional) {
                return Err(Problem::new(
                    format!(
                        "a segment that is required follows `{{{}}}`, which may be missing",
                        quoted(&earlier.name, NAME_BYTES)
                    ),
                    "put the segments that may be missing last",
                ));
            }
            may_end = optional;
        }
        Ok(())
    }
}

/// Splits a template into segments, and the segments into parts. A slash and the braces of a
/// parameter end a part. `{{` and `}}` stand for a brace in a literal text. Fails if braces do not
/// match, if a segment is empty, if a `?` is outside of a parameter, or if a parameter is not
/// valid.
fn segments(text: &str) -> Result<Vec<Vec<Part>>, Problem> {
    let (mut segments, mut segment, mut literal) = (Vec::new(), Vec::new(), String::new());
    let mut rest = text.chars().peekable();
    let empty = || {
        Problem::new(
            "the route has an empty segment",
            "write one slash between segments, e.g. `risk/{customer}`",
        )
    };
    if text.is_empty() {
        return Ok(segments);
    }
    while let Some(c) = rest.next() {
        match c {
            '{' if rest.next_if_eq(&'{').is_none() => {
                let mut inner = String::new();
                loop {
                    match rest.next() {
                        Some('{') if rest.next_if_eq(&'{').is_some() => inner.push('{'),
                        Some('}') if rest.next_if_eq(&'}').is_some() => inner.push('}'),
                        Some('}') => break,
                        Some('{') | None => {
                            return Err(Problem::new(
                                "the route has a `{` without a `}`",
                                "close each parameter, e.g. `{customer}`",
                            ));
                        }
                        Some(c) => inner.push(c),
                    }
                }
                end_literal(&mut literal, &mut segment);
                segment.push(Part::Parameter(parameter(&inner)?));
            }
            '}' if rest.next_if_eq(&'}').is_none() => {
                return Err(Problem::new(
                    "the route has a `}` without a `{`",
                    "open each parameter, e.g. `{customer}`",
                ));
            }
            '?' => {
                return Err(Problem::new(
                    "the route has a `?` outside of a parameter",
                    "leave out the query: every route takes any query",
                ));
            }
            '/' => {
                end_literal(&mut literal, &mut segment);
                if segment.is_empty() {
                    return Err(empty());
                }
                segments.push(std::mem::take(&mut segment));
            }
            c => literal.push(c),
        }
    }
    end_literal(&mut literal, &mut segment);
    if segment.is_empty() {
        return Err(empty());
    }
    segments.push(segment);
    Ok(segments)
}

fn end_literal(literal: &mut String, segment: &mut Vec<Part>) {
    if !literal.is_empty() {
        segment.push(Part::Literal(std::mem::take(literal)));
    }
}

/// Parses the inner text of a parameter: `*name:constraint(arguments)=default` or `name?`. Fails if
/// ASP.NET would refuse the parameter.
fn parameter(text: &str) -> Result<Parameter, Problem> {
    let shown = quoted(text, NAME_BYTES);
    let stars = text.len() - text.trim_start_matches('*').len();
    let inner = text.get(stars..).unwrap_or_default();
    let (inner, is_optional) = match inner.strip_suffix('?') {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    let end = inner.find([':', '=']).unwrap_or(inner.len());
    let (name, mut rest) = inner.split_at_checked(end).unwrap_or_default();
    let is_name = !name.is_empty() && !name.contains(NOT_IN_NAMES);
    if !is_name || stars > 2 {
        return Err(Problem::new(
            format!("`{{{shown}}}` does not begin with the name of a parameter"),
            "write a name without `/`, `{`, `}`, `?` and `*`, e.g. `{customer}`, `{id:int}` or `{*rest}`",
        ));
    }
    let mut constraints = Vec::new();
    while let Some(after) = rest.strip_prefix(':') {
        let end = constraint_end(after);
        let (constraint, after) = after.split_at_checked(end).unwrap_or_default();
        constraints.push(Constraint::parse(constraint)?);
        rest = after;
    }
    let default = rest.strip_prefix('=').map(str::to_owned);
    if is_optional && (default.is_some() || stars > 0) {
        return Err(Problem::new(
            format!("`{{{shown}}}` ends with `?`, and may be missing without it"),
            "leave out the `?`",
        ));
    }
    Ok(Parameter {
        name: name.to_lowercase(),
        constraints,
        is_optional,
        default,
        is_catch_all: stars > 0,
    })
}

/// Returns the number of bytes before the `:` or `=` that ends a constraint. Within parentheses,
/// these characters belong to the arguments of the constraint.
fn constraint_end(text: &str) -> usize {
    let mut depth = 0_usize;
    for (at, c) in text.char_indices() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            ':' | '=' if depth == 0 => return at,
            _ => {}
        }
    }
    text.len()
}
