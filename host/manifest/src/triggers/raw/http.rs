//! Checks of a trigger of kind `http`.
//!
//! Owns the form of a trigger's route and its HTTP methods. Must not know other kinds of triggers.

use scorebox_text::{NAME_BYTES, Problem, quoted};

use super::RawTrigger;
use crate::settings::default_of;
use crate::triggers::route::{Constraint, Part, Template};
use crate::triggers::{AuthLevel, HttpTrigger};

/// Beginning of the routes that the Functions host keeps for itself.
const RESERVED: &str = "admin";

impl RawTrigger {
    pub(super) fn into_http(self) -> Result<HttpTrigger, Problem> {
        let route = self
            .route
            .unwrap_or_else(|| default_of("trigger.route").to_owned());
        check_route(&route)?;
        let methods = self.methods.unwrap_or_else(|| vec!["post".to_owned()]);
        let known = ["GET", "POST", "PUT", "PATCH", "DELETE"];
        let methods: Vec<String> = methods
            .iter()
            .map(|method| method.to_ascii_uppercase())
            .collect();
        if methods.is_empty()
            || methods
                .iter()
                .any(|method| !known.contains(&method.as_str()))
        {
            return Err(Problem::new(
                "`trigger.methods` is not a list of verbs",
                "write e.g. `methods = [\"post\"]`; get, post, put, patch and delete are known",
            ));
        }
        Ok(HttpTrigger {
            route,
            auth_level: self.auth_level.unwrap_or(AuthLevel::Function),
            methods,
            forwarding: self.forwarding.unwrap_or(true),
        })
    }
}

/// Checks that the route of an HTTP trigger is an ASP.NET template whose literal texts need no
/// escapes in a URL, and whose constraints Scorebox checks as the Functions host does. Also refuses
/// a route that is empty, begins or ends with `/`, has the segment `.` or `..`, or begins with
/// `admin`, which the Functions host keeps for itself.
fn check_route(route: &str) -> Result<(), Problem> {
    let fail = |problem: String, fix: &str| {
        let shown = quoted(route, NAME_BYTES);
        Err(Problem::new(
            format!("`trigger.route`: `{shown}` {problem}"),
            fix,
        ))
    };
    if route.is_empty() {
        return fail(
            "is empty, and the Functions host takes the name of the function instead".to_owned(),
            "write a path, e.g. `score`, or leave the setting out",
        );
    }
    if route.starts_with('/') || route.ends_with('/') {
        return fail(
            "begins or ends with a slash".to_owned(),
            "write it without a leading slash and without one at the end, e.g. `score`",
        );
    }
    let template = Template::parse(route).map_err(|Problem { problem, fix }| {
        Problem::new(format!("`trigger.route`: {problem}"), fix)
    })?;
    let is_reserved = route
        .get(..RESERVED.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(RESERVED));
    if is_reserved {
        return fail(
            format!(
                "begins with `{RESERVED}`, and the Functions host keeps these routes for itself"
            ),
            "choose another beginning, e.g. `score`",
        );
    }
    let plain = |text: &str| {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_' | b'.');
        text.bytes().all(is_plain)
    };
    for segment in template.segments() {
        for part in segment {
            let text = match part {
                Part::Literal(text) => Some(text),
                Part::Parameter(parameter) => parameter.default.as_ref(),
            };
            if let Some(text) = text.filter(|text| !plain(text)) {
                return fail(
                    format!(
                        "is not a path of letters, digits, `-`, `_`, `.` and parameters, because it has `{}`",
                        quoted(text, NAME_BYTES)
                    ),
                    "write e.g. `score` or `risk/{customer}`",
                );
            }
        }
        if let [Part::Literal(text)] = segment.as_slice()
            && matches!(text.as_str(), "." | "..")
        {
            return fail(
                format!(
                    "has the segment `{text}`, which clients resolve before they send a request"
                ),
                "leave the segment out",
            );
        }
    }
    for parameter in template.parameters() {
        if let Some(Constraint::Unchecked(constraint)) = parameter
            .constraints
            .iter()
            .find(|constraint| matches!(constraint, Constraint::Unchecked(_)))
        {
            return fail(
                format!(
                    "has the constraint `{}`, which only .NET can check",
                    quoted(constraint, NAME_BYTES)
                ),
                "use another constraint, e.g. `length(10)`, or none, and check the value in the scorer",
            );
        }
    }
    Ok(())
}
