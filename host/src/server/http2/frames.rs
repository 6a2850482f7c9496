//! Frames of an HTTP/2 connection, and how much work they cause.
//!
//! Owns the cost of each frame in points, and the number of points that a peer may use. The HTTP
//! library reads the frames itself, and answers each SETTINGS and PING, but counts only some of
//! them. Must not know what a request asks for.

use super::super::activity::now;

/// Maximum number of points that a peer may have used and not got back. Points measure the work
/// that the frames of the peer cause. If a peer uses more, its connection ends.
const MOST_POINTS: u32 = 2000;

/// Number of points that a peer gets back per second. Points measure the work that the frames of
/// the peer cause.
const POINTS_PER_SECOND: u64 = 500;

/// Number of bytes written to a peer for which the peer gets back one point. Points measure the
/// work that the frames of the peer cause. A client sends one or two WINDOW_UPDATE frames for each
/// 4 KiB or more that it reads.
const BYTES_PER_POINT: u32 = 512;

/// Number of points that a request costs its peer until it is answered. Points measure the work
/// that the frames of the peer cause.
pub(super) const REQUEST_POINTS: u32 = 2;

/// Size of the head of a frame, in bytes (RFC 9113, section 4.1).
const HEAD_BYTES: usize = 9;

/// Minimum size of a DATA frame that costs no points although it does not end its stream, in bytes.
/// Points measure the work that frames cause.
const DATA_BYTES: u32 = 256;

/// Types of frames (RFC 9113, section 6).
mod kind {
    pub(super) const DATA: u8 = 0;
    pub(super) const HEADERS: u8 = 1;
    pub(super) const RST_STREAM: u8 = 3;
    pub(super) const SETTINGS: u8 = 4;
    pub(super) const PUSH_PROMISE: u8 = 5;
    pub(super) const WINDOW_UPDATE: u8 = 8;
    pub(super) const CONTINUATION: u8 = 9;
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// Reader of the heads of the frames that a peer sends, with the number of points that the peer has
/// used.
pub(in crate::server) struct Frames {
    /// Number of bytes until the next head of a frame.
    skip: u32,
    head: [u8; HEAD_BYTES],
    head_bytes: usize,
    spent: u32,
    /// Time of the last refill, at which the peer got points back for the time before it, in
    /// microseconds of the clock [`now`].
    refilled: u64,
    /// True before the first frame, and if a header continues in the next frame.
    is_open: bool,
    /// True if the bytes until the next head of a frame are those of a header.
    is_header: bool,
    last_stream: u32,
}

impl Frames {
    /// Creates the reader for a connection. The first `preface` bytes that it reads are the preface
    /// of HTTP/2, which is not a frame.
    pub(in crate::server) fn new(preface: u32) -> Self {
        Self {
            skip: preface,
            head: [0; HEAD_BYTES],
            head_bytes: 0,
            spent: 0,
            refilled: now(),
            is_open: true,
            is_header: false,
            last_stream: 0,
        }
    }

    /// Returns true if the peer is in the middle of a header or of the head of a frame, or has sent
    /// no frame yet.
    pub(in crate::server) fn is_in_head(&self) -> bool {
        self.is_open || self.head_bytes > 0 || self.is_header && self.skip > 0
    }

    /// Reads the next bytes of the peer. Returns false if the peer has used more points than it may
    /// use. Points measure the work that the frames of the peer cause.
    pub(in crate::server) fn read(&mut self, mut bytes: &[u8]) -> bool {
        self.refill(now());
        while !bytes.is_empty() {
            let skipped = bytes.len().min(self.skip as usize);
            // No more than `skip`, which is a `u32`.
            self.skip -= u32::try_from(skipped).unwrap_or(self.skip);
            bytes = bytes.get(skipped..).unwrap_or_default();
            let Some(free) = self.head.get_mut(self.head_bytes..) else {
                break;
            };
            let taken = bytes.len().min(free.len());
            if let (Some(free), Some(taken)) = (free.get_mut(..taken), bytes.get(..taken)) {
                free.copy_from_slice(taken);
            }
            bytes = bytes.get(taken..).unwrap_or_default();
            self.head_bytes += taken;
            if self.head_bytes == HEAD_BYTES {
                self.head_bytes = 0;
                self.take(self.head);
            }
        }
        self.spent <= MOST_POINTS
    }

    /// Gives the peer points back for `bytes` bytes that were written to it. Points measure the
    /// work that the frames of the peer cause.
    pub(in crate::server) fn wrote(&mut self, bytes: usize) {
        let bytes = u32::try_from(bytes).unwrap_or(u32::MAX);
        self.spent = self.spent.saturating_sub(bytes / BYTES_PER_POINT);
    }

    /// Gives back the points that `requests` requests cost the peer, because they were answered.
    /// Points measure the work that the frames of the peer cause.
    pub(in crate::server) fn answered(&mut self, requests: u32) {
        self.spent = self
            .spent
            .saturating_sub(requests.saturating_mul(REQUEST_POINTS));
    }

    /// Returns the frame that ends the connection because the frames of the peer cause too much
    /// work (ENHANCE_YOUR_CALM).
    pub(in crate::server) fn goaway(&self) -> [u8; 17] {
        let [a, b, c, d] = self.last_stream.to_be_bytes();
        [0, 0, 8, 7, 0, 0, 0, 0, 0, a, b, c, d, 0, 0, 0, 0xB]
    }

    fn take(&mut self, head: [u8; HEAD_BYTES]) {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = head;
        let length = u32::from_be_bytes([0, l0, l1, l2]);
        self.skip = length;
        self.is_header = matches!(kind, kind::HEADERS | kind::CONTINUATION);
        self.is_open = self.is_header && flags & END_HEADERS == 0;
        if kind == kind::HEADERS {
            let stream = u32::from_be_bytes([s0 & 0x7F, s1, s2, s3]);
            self.last_stream = self.last_stream.max(stream);
        }
        self.spent = self.spent.saturating_add(price(kind, flags, length));
    }

    fn refill(&mut self, now: u64) {
        let points = now
            .saturating_sub(self.refilled)
            .saturating_mul(POINTS_PER_SECOND)
            / 1_000_000;
        if points > 0 {
            // The rest of the time counts for the next point.
            let time = points.saturating_mul(1_000_000) / POINTS_PER_SECOND;
            self.refilled = self.refilled.saturating_add(time);
            let points = u32::try_from(points).unwrap_or(u32::MAX);
            self.spent = self.spent.saturating_sub(points);
        }
    }
}

/// Returns the points that a frame costs its peer. Points measure the work that frames cause.
/// Frames that carry requests and bodies cost few points or none.
fn price(kind: u8, flags: u8, length: u32) -> u32 {
    match kind {
        kind::DATA if length >= DATA_BYTES || flags & END_STREAM != 0 => 0,
        kind::DATA | kind::WINDOW_UPDATE => 1,
        kind::HEADERS => REQUEST_POINTS,
        // A header fits into the frame that begins it, unless it is unusually large.
        kind::CONTINUATION | kind::RST_STREAM | kind::PUSH_PROMISE => 8,
        // A client has about six settings of six bytes.
        kind::SETTINGS => 8 + length / 24,
        // PING, PRIORITY, GOAWAY and unknown frames.
        _ => 4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let head = [&length[1..], &[kind, flags], &stream.to_be_bytes()].concat();
        [&head, payload].concat()
    }

    /// Returns the number of copies of a frame that a peer may send at once, up to 100,000.
    fn allowed(frame: &[u8]) -> usize {
        let mut frames = Frames::new(0);
        (0..100_000)
            .find(|_| {
                // Points that come back meanwhile do not count.
                frames.refilled = u64::MAX;
                !frames.read(frame)
            })
            .unwrap_or(100_000)
    }

    #[test]
    fn floods_end_and_bodies_do_not() {
        for (kind, flags, payload, most) in [
            (kind::SETTINGS, 0, &[][..], 250),
            (kind::SETTINGS, 0, &[0; 16 << 10], 2),
            (6, 0, &[0; 8], 500),
            (kind::RST_STREAM, 0, &[0; 4], 250),
            (kind::CONTINUATION, 0, &[0; 100], 250),
            (kind::WINDOW_UPDATE, 0, &[0; 4], 2000),
            (kind::DATA, 0, &[], 2000),
            (kind::DATA, 0, &[0; 1000], 100_000),
            (kind::DATA, END_STREAM, &[], 100_000),
            (2, 0, &[0; 5], 500),
            (0x77, 0, &[0; 5], 500),
        ] {
            assert_eq!(
                allowed(&frame(kind, flags, 1, payload)),
                most,
                "{kind} {flags}"
            );
        }
    }

    #[test]
    fn answered_requests_cost_nothing_and_time_gives_points_back() {
        let request = frame(kind::HEADERS, END_HEADERS | END_STREAM, 5, b"header");
        let mut frames = Frames::new(0);
        frames.refilled = u64::MAX;
        for _ in 0..10_000 {
            assert!(frames.read(&request));
            frames.answered(1);
        }
        for _ in 0..1000 {
            assert!(frames.read(&request));
        }
        assert!(!frames.read(&request));
        frames.wrote(2000);
        assert!(frames.read(&frame(6, 1, 0, &[])[..0]));
        frames.spent = MOST_POINTS;
        frames.refilled = 1_000_000;
        frames.refill(1_001_000);
        assert_eq!((frames.spent, frames.refilled), (MOST_POINTS, 1_000_000));
        // A point takes 2 ms. The rest of the time is not lost.
        frames.refill(1_003_000);
        assert_eq!(
            (frames.spent, frames.refilled),
            (MOST_POINTS - 1, 1_002_000)
        );
        frames.refill(2_000_000);
        assert_eq!(
            (frames.spent, frames.refilled),
            (MOST_POINTS - 500, 2_000_000)
        );
        assert_eq!(frames.goaway()[9..], [0, 0, 0, 5, 0, 0, 0, 0xB]);
    }

    #[test]
    fn frames_are_found_however_they_are_cut() {
        let bytes = [
            b"PREFACE".to_vec(),
            frame(kind::SETTINGS, 0, 0, &[0; 36]),
            frame(kind::HEADERS, END_STREAM, 1, b"begins"),
            frame(kind::CONTINUATION, 0, 1, b""),
            frame(kind::CONTINUATION, END_HEADERS, 1, b"ends"),
            frame(kind::HEADERS, END_HEADERS, 3, b""),
        ]
        .concat();
        for piece in [1, 2, 9, 1000] {
            let mut frames = Frames::new(7);
            frames.refilled = u64::MAX;
            assert!(frames.is_in_head());
            for piece in bytes.chunks(piece) {
                assert!(frames.read(piece));
            }
            assert!(!frames.is_in_head());
            assert_eq!(
                (frames.spent, frames.last_stream),
                (9 + 2 + 8 + 8 + 2, 3),
                "{piece}"
            );
        }
        // Each frame of a header but the last leaves the header open, and so does a part of a frame.
        let mut frames = Frames::new(7);
        let heads = bytes.iter().map(|byte| {
            assert!(frames.read(std::slice::from_ref(byte)));
            frames.is_in_head()
        });
        let heads: Vec<_> = heads.collect();
        let settings = 7 + 9 + 36;
        assert!(heads[..7 + 8].iter().all(|is_in_head| *is_in_head));
        assert!(!heads[7 + 8] && !heads[settings - 1]);
        let closed = heads[settings..].iter().filter(|is_in_head| !**is_in_head);
        assert_eq!(closed.count(), 2);
    }
}
