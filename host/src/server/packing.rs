//! Compression of responses.
//!
//! Owns the choice of the responses that are compressed, of their coding, and of the thread. Must
//! not know what a response says. A response is never compressed with zstd: an encoder would make
//! the container image larger than the bytes that it saves.

use bytes::Bytes;
use flate2::{Compress, Compression, FlushCompress, Status};
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, HeaderMap, HeaderValue, VARY};

use super::checksum::crc32;
use super::coding::Coding;
use crate::scorer::Scorer;

/// Maximum size of a response that is not compressed unless the client requires a coding, in bytes.
/// A response of this size fits into one network packet anyway.
const SMALL_BYTES: usize = 1 << 10;

/// Maximum size of a response that is compressed on the thread that serves sockets, in bytes.
/// Compressing it takes about 0.2 ms.
const INLINE_BYTES: usize = 16 << 10;

/// Header of a gzip member without a name or a time. Its last byte says that the operating system
/// is unknown.
const GZIP_HEADER: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 0xFF];

/// Starts of media types whose bodies are not compressed, because they are compressed already or
/// are sent in pieces.
const PACKED_TYPES: [&str; 6] = [
    "image/",
    "audio/",
    "video/",
    "application/zip",
    "application/gzip",
    "text/event-stream",
];

/// Content coding of one response. The default is a response that is not compressed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Packing {
    coding: Option<Coding>,
    /// True if the response is compressed for every client that prefers a coding, because the
    /// response is large enough and its media type is not one of [`PACKED_TYPES`]. If false, it is
    /// compressed only for a client that requires a coding.
    is_asked: bool,
    /// True if the client accepts no response without a coding.
    is_required: bool,
}

impl Packing {
    /// Chooses the coding of a response. `headers` are those of the request. `content_type` and
    /// `bytes` are the media type of the response, and its size in bytes. A response without a body
    /// is never compressed: the compressed form of nothing would be a body.
    pub(super) fn of(headers: &HeaderMap, content_type: &str, bytes: usize) -> Self {
        if bytes == 0 {
            return Self::default();
        }
        let is_packed = |start: &&str| {
            let beginning = content_type.get(..start.len());
            beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(start))
        };
        let mut packing = Self {
            coding: None,
            is_asked: bytes > SMALL_BYTES && !PACKED_TYPES.iter().any(is_packed),
            is_required: false,
        };
        if headers.contains_key(ACCEPT_ENCODING) {
            let weights = Weights::of(headers);
            packing.is_required = weights.identity == Some(0);
            if packing.is_asked || packing.is_required {
                packing.coding = weights.best();
            }
        }
        packing
    }

    /// Returns the body of the response in the chosen coding. If this does not make the body
    /// smaller, and the client does not require a coding, the body is returned unchanged and the
    /// response has no coding.
    pub(super) async fn pack(&mut self, body: Bytes, scorer: &Scorer) -> Bytes {
        match self.coding {
            None => body,
            // This future is boxed, because most responses are not compressed.
            Some(coding) => Box::pin(self.pack_as(coding, body, scorer)).await,
        }
    }

    async fn pack_as(&mut self, coding: Coding, body: Bytes, scorer: &Scorer) -> Bytes {
        let packed = if body.len() <= INLINE_BYTES {
            pack(coding, &body)
        } else {
            let plain = body.clone();
            let packed = scorer.offload(move || pack(coding, &plain)).await;
            packed.ok().flatten()
        };
        match packed {
            Some(packed) if packed.len() < body.len() || self.is_required => packed.into(),
            _ => {
                self.coding = None;
                body
            }
        }
    }

    /// Adds the headers `Content-Encoding` and `Vary` to a response, as far as they apply.
    pub(super) fn describe(&self, headers: &mut HeaderMap) {
        if let Some(coding) = self.coding {
            let name = HeaderValue::from_static(coding.name());
            headers.insert(CONTENT_ENCODING, name);
        }
        if self.is_asked || self.coding.is_some() {
            // The scorer may have set another value of this header.
            headers.append(VARY, HeaderValue::from_static("Accept-Encoding"));
        }
    }
}

/// Weights of the codings in the header `Accept-Encoding`, in thousandths. A weight is `None` if
/// the header states it neither under the name of the coding nor with `*`. For no coding
/// (`identity`), `*` counts only with the weight 0.
#[derive(Debug, Default)]
struct Weights {
    gzip: Option<u16>,
    deflate: Option<u16>,
    identity: Option<u16>,
}

impl Weights {
    fn of(headers: &HeaderMap) -> Self {
        let (mut weights, mut any) = (Self::default(), None);
        let values = headers.get_all(ACCEPT_ENCODING).iter();
        for item in values
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
        {
            let (name, parameters) = item.split_once(';').unwrap_or((item, ""));
            let place = match name.trim() {
                name if name.eq_ignore_ascii_case("gzip") => &mut weights.gzip,
                name if name.eq_ignore_ascii_case("x-gzip") => &mut weights.gzip,
                name if name.eq_ignore_ascii_case("deflate") => &mut weights.deflate,
                name if name.eq_ignore_ascii_case("identity") => &mut weights.identity,
                "*" => &mut any,
                _ => continue,
            };
            *place = Some(weight(parameters));
        }
        weights.gzip = weights.gzip.or(any);
        weights.deflate = weights.deflate.or(any);
        // A response without a coding is acceptable unless the client excludes it.
        weights.identity = weights.identity.or(any.filter(|weight| *weight == 0));
        weights
    }

    /// Returns the coding with the greatest weight. Returns `None` if neither gzip nor deflate has
    /// a weight above 0, or if a response without a coding has a greater weight. If weights are
    /// equal, gzip comes before deflate, and both come before no coding.
    fn best(&self) -> Option<Coding> {
        let (gzip, deflate) = (self.gzip.unwrap_or(0), self.deflate.unwrap_or(0));
        let (coding, weight) = if deflate > gzip {
            (Coding::Deflate, deflate)
        } else {
            (Coding::Gzip, gzip)
        };
        (weight > 0 && weight >= self.identity.unwrap_or(0)).then_some(coding)
    }
}

/// Returns the weight in the parameters of an item of `Accept-Encoding`, in thousandths. An item
/// without a weight has 1,000, and an item with an invalid weight has 0.
fn weight(parameters: &str) -> u16 {
    let mut named = parameters
        .split(';')
        .filter_map(|parameter| parameter.split_once('='))
        .filter(|(name, _)| name.trim().eq_ignore_ascii_case("q"));
    let Some((_, value)) = named.next() else {
        return 1000;
    };
    let value = value.trim().parse::<f32>().unwrap_or(0.0).clamp(0.0, 1.0);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "between 0 and 1,000, and 0 for NaN"
    )]
    let weight = (value * 1000.0) as u16;
    weight
}

/// Compresses `body`. Returns `None` if the encoder fails, which is not known to happen.
fn pack(coding: Coding, body: &[u8]) -> Option<Vec<u8>> {
    let is_gzip = coding == Coding::Gzip;
    let mut encoder = Compress::new(Compression::fast(), !is_gzip);
    let mut packed = Vec::with_capacity(body.len() / 2 + 64);
    if is_gzip {
        packed.extend_from_slice(&GZIP_HEADER);
    }
    loop {
        let read = usize::try_from(encoder.total_in()).ok()?;
        let rest = body.get(read..)?;
        let before = packed.len();
        match encoder
            .compress_vec(rest, &mut packed, FlushCompress::Finish)
            .ok()?
        {
            Status::StreamEnd => break,
            _ if packed.len() == before && packed.capacity() > before => return None,
            _ => packed.reserve(packed.capacity() / 2 + 64),
        }
    }
    if is_gzip {
        packed.extend_from_slice(&crc32(0, body).to_le_bytes());
        // The trailer has the length modulo 2^32.
        #[expect(clippy::cast_possible_truncation, reason = "as RFC 1952 has it")]
        packed.extend_from_slice(&(body.len() as u32).to_le_bytes());
    }
    Some(packed)
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::{GzDecoder, ZlibDecoder};

    use super::*;

    /// Returns the name of the coding that is chosen for a response of `bytes` bytes, and true if
    /// the response gets the header `Vary`. `accepted` are the values of `Accept-Encoding` in the
    /// request.
    fn chosen(accepted: &[&str], content_type: &str, bytes: usize) -> (Option<&'static str>, bool) {
        let mut headers = HeaderMap::new();
        for value in accepted {
            headers.append(ACCEPT_ENCODING, HeaderValue::from_str(value).unwrap());
        }
        let packing = Packing::of(&headers, content_type, bytes);
        let mut described = HeaderMap::new();
        packing.describe(&mut described);
        let name = packing.coding.map(Coding::name);
        let told = described
            .get(CONTENT_ENCODING)
            .map(|value| value.to_str().unwrap());
        assert_eq!(told, name);
        (name, described.contains_key(VARY))
    }

    #[test]
    fn the_greatest_weight_chooses_the_coding() {
        for (accepted, expected) in [
            (&[][..], None),
            (&[""], None),
            (&["gzip"], Some("gzip")),
            (&["deflate"], Some("deflate")),
            (&["gzip, deflate, br, zstd"], Some("gzip")),
            (&["deflate, gzip"], Some("gzip")),
            (&["deflate", "gzip;q=0.5"], Some("deflate")),
            (&["GZIP ; Q=0.5, deflate;q=0.501"], Some("deflate")),
            (&["x-gzip"], Some("gzip")),
            (&["br, zstd"], None),
            (&["*"], Some("gzip")),
            (&["gzip;q=0, *"], Some("deflate")),
            (&["gzip;q=0"], None),
            (&["gzip;q=0.000, deflate;q=x"], None),
            (&["identity, gzip;q=0.5"], None),
            (&["identity;q=0.5, gzip;q=0.5"], Some("gzip")),
            (&["identity;q=0"], None),
            (&["*;q=0"], None),
            (&["*;q=0, gzip;q=0.1"], Some("gzip")),
            (&["gzip;q=2"], Some("gzip")),
            (&["gzip;q=nan"], None),
        ] {
            let got = chosen(accepted, "application/json", 2000);
            assert_eq!(got, (expected, true), "{accepted:?}");
        }
    }

    #[test]
    fn small_and_packed_bodies_stay_as_they_are() {
        assert_eq!(chosen(&["gzip"], "application/json", 1024), (None, false));
        assert_eq!(chosen(&["gzip"], "IMAGE/png", 1 << 20), (None, false));
        assert_eq!(
            chosen(&["gzip"], "text/event-stream", 1 << 20),
            (None, false)
        );
        assert_eq!(chosen(&["gzip"], "", 1 << 20), (Some("gzip"), true));
        let required = chosen(&["gzip, identity;q=0"], "application/json", 2);
        assert_eq!(required, (Some("gzip"), true));
        let empty = chosen(&["gzip, identity;q=0"], "application/json", 0);
        assert_eq!(empty, (None, false));
    }

    #[test]
    fn what_is_packed_is_unpacked_by_others() {
        let text = "[0.125, 1e-3, 7], ".repeat(20_000);
        let noise: Vec<u8> = (0_u32..50_000)
            .map(|n| (n.wrapping_mul(0x9E37_79B9) >> 24) as u8)
            .collect();
        for body in [&b""[..], b"{}", text.as_bytes(), &noise] {
            let (mut gzip, mut deflate) = (Vec::new(), Vec::new());
            let packed = pack(Coding::Gzip, body).unwrap();
            GzDecoder::new(&packed[..]).read_to_end(&mut gzip).unwrap();
            let packed = pack(Coding::Deflate, body).unwrap();
            ZlibDecoder::new(&packed[..])
                .read_to_end(&mut deflate)
                .unwrap();
            assert!(gzip == body && deflate == body, "{} bytes", body.len());
        }
        assert!(pack(Coding::Gzip, text.as_bytes()).unwrap().len() < text.len() / 20);
    }
}
