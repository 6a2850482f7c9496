//! Media types: which of them are equal, and what they say about a body.
//!
//! Owns the names of the media types that the host itself uses. Must not know bodies.

/// Media type of JSON.
pub const JSON: &str = "application/json";

/// Media type of bytes without any known structure.
pub const OCTET_STREAM: &str = "application/octet-stream";

/// Returns true if two media types are equal. Their parameters and the case of letters are ignored.
#[must_use]
pub fn same_type(left: &str, right: &str) -> bool {
    essence(left).eq_ignore_ascii_case(essence(right))
}

/// Returns true for `application/json` and for every media type that ends with `+json`.
#[must_use]
pub fn is_json(content_type: &str) -> bool {
    let essence = essence(content_type);
    essence.eq_ignore_ascii_case(JSON) || essence.to_ascii_lowercase().ends_with("+json")
}

/// Returns true if a media type says nothing about the format of the body. Such media types are the
/// form type that curl sends for any `-d`, `text/plain`, and an empty text.
///
/// The form type counts because Azure ML's former inference server gave its scoring script an empty
/// string for a body with the form type.
#[must_use]
pub fn says_nothing(content_type: &str) -> bool {
    ["application/x-www-form-urlencoded", "text/plain", ""]
        .iter()
        .any(|loose| same_type(loose, content_type))
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}
