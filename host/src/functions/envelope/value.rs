//! Forms of a value in an envelope: base64, and JSON text within a JSON string.
//!
//! Owns the decoding of each form, and the decoding of base64 in place. The form is never guessed
//! from the value, because base64 can look like JSON: the base64 text of a blob of three bytes may
//! be `null` or `1234`. Must not know metadata, or what a value becomes.

use std::ops::Range;

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use bytes::Bytes;
use serde_json::value::RawValue;

use super::call::Malformed;
use crate::functions::bindings::{DataType, Function};

/// Base64 decoder that accepts text with or without padding.
pub(super) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Decodes `raw`, a base64 value in the envelope `body`, and returns the bytes. If the value can be
/// decoded in place, returns no bytes, but the range of the base64 text in `body`.
///
/// # Errors
/// Fails if `raw` is not a JSON string. Also fails if the value cannot be decoded in place and is
/// not base64.
pub(super) fn binary(
    function: &Function,
    raw: &RawValue,
    body: &[u8],
) -> Result<(Bytes, Option<Range<usize>>), Malformed> {
    let quoted = raw.get();
    let inner = quoted
        .strip_prefix('"')
        .and_then(|text| text.strip_suffix('"'))
        .ok_or_else(|| not_base64(function))?;
    if inner.contains('\\') {
        let text: String = serde_json::from_str(quoted).map_err(|_| not_base64(function))?;
        let bytes = BASE64.decode(text).map_err(|_| not_base64(function))?;
        return Ok((bytes.into(), None));
    }
    // The text is borrowed from the body, so the distance of their addresses is its position.
    let start = (inner.as_ptr() as usize).saturating_sub(body.as_ptr() as usize);
    Ok((Bytes::new(), Some(start..start + inner.len())))
}

/// Decodes the base64 text in the range `range` of a buffer, and writes the decoded bytes to the
/// beginning of the buffer. Returns the number of decoded bytes, or `None` if the text is not
/// base64.
pub(super) fn decoded_in_place(buffer: &mut [u8], range: Range<usize>) -> Option<usize> {
    const CHARACTERS: usize = 4 << 10;
    let (mut read, mut written) = (range.start, 0);
    let mut characters = [0; CHARACTERS];
    let mut bytes = [0; CHARACTERS / 4 * 3 + 3];
    while read < range.end {
        let end = range.end.min(read + CHARACTERS);
        let piece = characters.get_mut(..end - read)?;
        piece.copy_from_slice(buffer.get(read..end)?);
        // Padding may only end the text, so no piece but the last may have it.
        if end < range.end && piece.contains(&b'=') {
            return None;
        }
        let count = BASE64.decode_slice(&*piece, &mut bytes).ok()?;
        // The decoded bytes are shorter than the text read so far, so they never overwrite unread
        // text.
        buffer
            .get_mut(written..written + count)?
            .copy_from_slice(bytes.get(..count)?);
        (read, written) = (end, written + count);
    }
    Some(written)
}

/// Returns the text of a value that is a JSON string. If the text is itself a JSON string, its
/// content is returned. Returns the JSON of any other value unchanged.
pub(super) fn once_wrapped(raw: &RawValue) -> String {
    match serde_json::from_str::<String>(raw.get()) {
        Ok(text) if text.starts_with('"') => serde_json::from_str(&text).unwrap_or(text),
        Ok(text) => text,
        Err(_) => raw.get().to_owned(),
    }
}

/// Returns the contents of the messages of a batch. `raw` is the value of the function's trigger in
/// an envelope, and `data_type` is the `dataType` of the trigger binding.
///
/// # Errors
/// Fails if `raw` does not hold a list of messages, or if `data_type` is `Binary` and a message is
/// not base64.
pub(super) fn bodies(
    function: &Function,
    raw: &RawValue,
    data_type: DataType,
) -> Result<Vec<Bytes>, Malformed> {
    let wrong = || {
        Malformed(format!(
            "`Data.{}` is not a list of messages, which its binding requires",
            function.trigger_name
        ))
    };
    let text: String;
    let list = if raw.get().starts_with('[') {
        raw.get()
    } else {
        text = serde_json::from_str(raw.get()).map_err(|_| wrong())?;
        &text
    };
    let elements: Vec<&RawValue> = serde_json::from_str(list).map_err(|_| wrong())?;
    let element = |raw: &RawValue| match (data_type, serde_json::from_str::<String>(raw.get())) {
        (DataType::Binary, Ok(text)) => BASE64
            .decode(text)
            .map(Bytes::from)
            .map_err(|_| not_base64(function)),
        (DataType::Binary, Err(_)) => Err(not_base64(function)),
        (DataType::Text | DataType::Unspecified, Ok(text)) => Ok(text.into()),
        // Without a `dataType`, the Functions host sends the JSON value that the message holds.
        (DataType::Text | DataType::Unspecified, Err(_)) => {
            Ok(Bytes::copy_from_slice(raw.get().as_bytes()))
        }
    };
    elements.into_iter().map(element).collect()
}

pub(super) fn not_base64(function: &Function) -> Malformed {
    Malformed(format!(
        "`Data.{}` is not base64, which its binding requires",
        function.trigger_name
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_decoded_where_it_stands() {
        for length in [0, 1, 2, 3, 4, 3071, 3072, 3073, 6144, 100_000] {
            let bytes: Vec<u8> = (0..length)
                .map(|index: usize| (index % 251) as u8)
                .collect();
            let text = BASE64.encode(&bytes);
            let mut buffer = format!("{{\"x\":\"{text}\"}}").into_bytes();
            let written = decoded_in_place(&mut buffer, 6..6 + text.len()).unwrap();
            assert_eq!(buffer[..written], bytes, "{length}");
        }
        let early = format!("{}QQ=={}", "A".repeat(4092 - 4), "A".repeat(8));
        assert_eq!(
            decoded_in_place(&mut early.clone().into_bytes(), 0..early.len()),
            None
        );
        assert_eq!(decoded_in_place(&mut b"A\xffAA".to_vec(), 0..4), None);
    }
}
