//! Media types: which of them are equal, and what they say about a body.
//!
//! Owns the names of the media types that the host itself uses, and which charsets JSON may have.
//! Must not know bodies: `encoding` knows how UTF-16 looks.

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

/// Returns true if a media type has a `charset` other than UTF-8. US-ASCII is a part of UTF-8, so
/// it counts as UTF-8, and so does an empty charset. The quotes around a charset and the case of
/// letters are ignored.
#[must_use]
pub fn has_other_charset(content_type: &str) -> bool {
    let parameters = content_type.split(';').skip(1);
    let mut charsets = parameters
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))
        .map(|(_, value)| value.trim().trim_matches('"'));
    charsets.any(|charset| {
        !["", "utf-8", "utf8", "us-ascii", "ascii"]
            .iter()
            .any(|known| charset.eq_ignore_ascii_case(known))
    })
}

fn essence(content_type: &str) -> &str {
    content_type.split(';').next().unwrap_or_default().trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn utf_8_and_its_part_are_the_only_charsets() {
        for content_type in [
            "",
            JSON,
            "application/json; charset=utf-8",
            "application/json;CHARSET = \"UTF8\"",
            "text/plain; charset=US-ASCII; format=flowed",
            "application/json; charset=",
            "text/plain; format=charset",
        ] {
            assert!(!has_other_charset(content_type), "{content_type}");
        }
        for content_type in [
            "application/json; charset=utf-16",
            "application/json; a=b; Charset=\"UTF-16LE\"",
            "text/plain;charset=iso-8859-1",
            "text/plain; charset=utf-8; charset=latin1",
        ] {
            assert!(has_other_charset(content_type), "{content_type}");
        }
    }
}
