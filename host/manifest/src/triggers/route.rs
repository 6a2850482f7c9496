//! Templates of HTTP routes, such as `risk/{customer}/{year:int?}`, in the form of ASP.NET.
//!
//! Owns the grammar of templates and the order in which ASP.NET tries them. The module `constraint`
//! owns the constraints on values. Must not know requests or functions.

mod constraint;
mod parse;

use std::cmp::Ordering;

pub use self::constraint::Constraint;
pub use self::parse::trimmed;

/// Template of an HTTP route: a path whose segments may have parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    text: String,
    segments: Vec<Vec<Part>>,
}

/// Part of a segment of a route template: a literal text or a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that a path must have at this position. The case of letters is ignored.
    Literal(String),
    /// Parameter that stands for a text in a path.
    Parameter(Parameter),
}

/// Parameter of a template, such as `{id:int}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Name of the parameter, in lower case.
    pub name: String,
    /// Constraints that a value of the parameter must satisfy. Empty if any value is accepted.
    pub constraints: Vec<Constraint>,
    /// True for `{id?}`: a path may end before the parameter.
    pub is_optional: bool,
    /// Value of the parameter if a path ends before it, as in `{id=7}`. `None` if there is no such
    /// value.
    pub default: Option<String>,
    /// True for `{*rest}`: the parameter stands for all the rest of a path.
    pub is_catch_all: bool,
}

impl Template {
    /// Returns the template as it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the segments of the template, each of which has at least one part. The list is empty
    /// for an empty template and for `/`.
    #[must_use]
    pub fn segments(&self) -> &[Vec<Part>] {
        &self.segments
    }

    /// Returns the parameters of the template, from left to right.
    pub fn parameters(&self) -> impl Iterator<Item = &Parameter> {
        let parts = self.segments.iter().flatten();
        parts.filter_map(|part| match part {
            Part::Literal(_) => None,
            Part::Parameter(parameter) => Some(parameter),
        })
    }

    /// Returns the order in which ASP.NET tries two templates. Their segments are compared from
    /// left to right: a literal comes first, then a parameter with a constraint or a segment with
    /// several parts, then another parameter, and a catch-all parameter is last. Templates that are
    /// equal in this respect are in the order of their texts.
    #[must_use]
    pub fn precedence(&self, other: &Self) -> Ordering {
        let ranks = |template: &Self| -> Vec<u8> {
            let segments = template.segments.iter();
            segments.map(|segment| rank(segment)).collect()
        };
        let text = |template: &Self| template.text.to_ascii_lowercase();
        ranks(self)
            .cmp(&ranks(other))
            .then_with(|| text(self).cmp(&text(other)))
    }

    /// Returns true if two templates match the same paths, whatever their parameters are called.
    /// The case of letters does not count.
    #[must_use]
    pub fn is_alike(&self, other: &Self) -> bool {
        let is_alike = |(one, other): (&Part, &Part)| match (one, other) {
            (Part::Literal(one), Part::Literal(other)) => one.eq_ignore_ascii_case(other),
            (Part::Parameter(one), Part::Parameter(other)) => {
                (&one.constraints, one.is_catch_all) == (&other.constraints, other.is_catch_all)
                    && one.may_be_missing() == other.may_be_missing()
            }
            _ => false,
        };
        let are_alike = |(one, other): (&Vec<Part>, &Vec<Part>)| {
            one.len() == other.len() && one.iter().zip(other).all(is_alike)
        };
        self.segments.len() == other.segments.len()
            && self.segments.iter().zip(&other.segments).all(are_alike)
    }
}

impl Parameter {
    /// Returns true if a path may end before this parameter.
    #[must_use]
    pub fn may_be_missing(&self) -> bool {
        self.is_optional || self.is_catch_all || self.default.is_some()
    }
}

/// Returns the rank of a segment of a template. ASP.NET first tries the template whose segment has
/// the smaller rank.
fn rank(segment: &[Part]) -> u8 {
    match segment {
        [Part::Literal(_)] => 1,
        [Part::Parameter(parameter)] => {
            let rank = if parameter.is_catch_all { 5 } else { 3 };
            rank - u8::from(!parameter.constraints.is_empty())
        }
        _ => 2,
    }
}

#[cfg(test)]
mod tests;
