//! Routes of HTTP functions: `score`, `score/{model}`, `{id:int}`, `{id?}`, `{*rest}`.
//!
//! Owns whether a path belongs to a route, and the values in the path. Constraints such as `:int`
//! are checked by the Functions host before a request comes here. Must not know HTTP methods or
//! functions.

/// Route of an HTTP function, including the prefix of all HTTP routes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    template: String,
    segments: Vec<Segment>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Segment {
    Literal(String),
    Value { name: String, optional: bool },
    Rest(String),
}

impl Route {
    /// Creates a route from its template, such as `items/{id}`, and from the prefix of all HTTP
    /// routes. The prefix may be empty.
    #[must_use]
    pub fn new(prefix: &str, template: &str) -> Self {
        let whole = [prefix.trim_matches('/'), template.trim_matches('/')];
        let whole = whole
            .iter()
            .filter(|part| !part.is_empty())
            .copied()
            .collect::<Vec<_>>()
            .join("/");
        let segments = whole
            .split('/')
            .filter(|segment| !segment.is_empty())
            .map(Segment::parse)
            .collect();
        Self {
            template: format!("/{whole}"),
            segments,
        }
    }

    /// Returns the template of the route as it was written, with the prefix and a leading slash.
    #[must_use]
    pub fn template(&self) -> &str {
        &self.template
    }

    /// Returns the names of the route's parameters in lower case, each with its value in `path`.
    /// Returns `None` if the path does not match this route. The case of letters in literal
    /// segments is ignored, as the Functions host ignores it.
    #[must_use]
    pub fn values(&self, path: &str) -> Option<Vec<(String, String)>> {
        let mut parts = path
            .trim_start_matches('/')
            .split('/')
            .filter(|part| !part.is_empty());
        let mut values = Vec::new();
        for segment in &self.segments {
            match segment {
                Segment::Literal(text) => {
                    parts
                        .next()
                        .filter(|part| part.eq_ignore_ascii_case(text))?;
                }
                Segment::Value { name, optional } => match parts.next() {
                    Some(part) => values.push((name.clone(), part.to_owned())),
                    None if *optional => {}
                    None => return None,
                },
                Segment::Rest(name) => {
                    values.push((name.clone(), parts.by_ref().collect::<Vec<_>>().join("/")));
                }
            }
        }
        parts.next().is_none().then_some(values)
    }
}

impl Segment {
    fn parse(text: &str) -> Self {
        let Some(inner) = text
            .strip_prefix('{')
            .and_then(|text| text.strip_suffix('}'))
        else {
            return Self::Literal(text.to_owned());
        };
        let name = |text: &str| {
            let end = text.find([':', '=', '?']).unwrap_or(text.len());
            text.get(..end).unwrap_or_default().to_ascii_lowercase()
        };
        match inner.strip_prefix('*') {
            Some(rest) => Self::Rest(name(rest.trim_start_matches('*'))),
            None => Self::Value {
                name: name(inner),
                optional: inner.ends_with('?') || inner.contains('='),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_told_by_their_templates() {
        #[track_caller]
        fn check(template: &str, path: &str, expected: Option<&[(&str, &str)]>) {
            let expected = expected.map(|pairs| {
                pairs
                    .iter()
                    .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                    .collect::<Vec<_>>()
            });
            assert_eq!(
                Route::new("api", template).values(path),
                expected,
                "{template} {path}"
            );
        }
        check("score", "/api/score", Some(&[]));
        check("score", "/API/Score", Some(&[]));
        check("score", "/score", None);
        check("score", "/api/score/more", None);
        check("score/{Model}", "/api/score/a", Some(&[("model", "a")]));
        check("score/{id:int}", "/api/score/7", Some(&[("id", "7")]));
        check("score/{id?}", "/api/score", Some(&[]));
        check("score/{id}", "/api/score", None);
        check("{*rest}", "/api/a/b", Some(&[("rest", "a/b")]));
        assert_eq!(Route::new("", "score").template(), "/score");
        assert_eq!(
            Route::new("/v1/", "/score").values("/v1/score"),
            Some(Vec::new())
        );
    }
}
