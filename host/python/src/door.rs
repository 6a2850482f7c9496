//! The *door*: the messages between a script and the host, which pass through the one function
//! `host.call`.
//!
//! Owns the form of each message and the limits of its size. Must not know how the host handles a
//! message.

use serde::Deserialize;

use crate::json::{ARRAYS, Array};
use crate::outside::Level;

/// Maximum size of a log line, in bytes. A longer line is cut.
const LINE_BYTES: usize = 64 << 10;
/// Maximum size of a metric, in bytes.
const METRIC_BYTES: usize = 64 << 10;
/// Maximum size of the contract of a script, in bytes.
const CONTRACT_BYTES: usize = 4 << 20;
/// Maximum size of Redis commands that are sent at a time, in bytes.
const REDIS_BYTES: usize = 64 << 20;
/// Maximum size of the inputs of a graph, in bytes.
const GRAPH_BYTES: usize = 256 << 20;
/// Maximum size of a text in JSON that the host reads for a script, in bytes. The reply may have
/// four times as many.
const JSON_BYTES: usize = 4 << 20;
/// Maximum size of a script's answer together with the head of the answer, in bytes.
const ANSWER_BYTES: usize = 512 << 20;
/// Maximum size of the head of a script's answer, in bytes. A head takes several times its size in
/// the memory of the host.
const HEAD_BYTES: usize = 64 << 10;
/// Maximum size of a traceback, in bytes. The Python files of Scorebox send less.
const TRACEBACK_BYTES: usize = 64 << 10;

/// Message of a script to the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frame {
    /// Asks for the next request to the script.
    Next,
    /// Ends a call.
    Ending(Ending),
    /// Redis commands, and the version of the Redis protocol in which the script reads the replies.
    Redis(u8, Vec<u8>),
    /// Line of the log.
    Log(Level, String),
    /// Metric in JSON.
    Metric(Vec<u8>),
    /// Asks for a run of an ONNX graph. The bytes name the graph and hold its inputs.
    Graph(Vec<u8>),
    /// Asks the host to read a text in JSON. The list names the values of the text that the script
    /// takes as arrays.
    Json(Vec<Array>, Vec<u8>),
    /// Asks for facts of the model.
    ModelInfo,
    /// Contract of the script in JSON.
    Contract(String),
}

/// End of a call, as the script reports it to the host.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The script answered with this head and this body.
    Answered(Head, Vec<u8>),
    /// The script raised an exception.
    Raised {
        /// Traceback of Python.
        text: String,
        /// True if the request caused the exception.
        is_input: bool,
    },
}

/// Head of a script's answer: the status code and the headers.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Head {
    pub(crate) status: u16,
    #[serde(default)]
    pub(crate) headers: Vec<(String, String)>,
    #[serde(default)]
    pub(crate) content_type: String,
}

/// Reason why the host cannot use a message of a script. The error text is for the author of the
/// script.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    /// The message is empty, has an unknown first byte, or does not have the form that its first
    /// byte states.
    #[error("a message of the script to the host has a wrong form; call no function of `_host`")]
    Malformed,
    /// The message is too large.
    #[error("{what} of the script has {size} bytes; send at most {limit} bytes at a time")]
    TooLarge {
        what: &'static str,
        size: usize,
        limit: usize,
    },
}

impl Frame {
    /// Reads a message of a script.
    ///
    /// # Errors
    /// Fails if the message has no known form or is too large.
    pub(crate) fn read(message: &[u8]) -> Result<Self, FrameError> {
        let (&kind, body) = message.split_first().ok_or(FrameError::Malformed)?;
        Ok(match kind {
            b'Q' => Self::Next,
            b'A' => Self::Ending(Ending::read(bounded("an answer", body, ANSWER_BYTES)?)?),
            b'R' => {
                let body = bounded("a request to Redis", body, REDIS_BYTES)?;
                match body.split_first() {
                    Some((b'2', commands)) => Self::Redis(2, commands.to_vec()),
                    Some((b'3', commands)) => Self::Redis(3, commands.to_vec()),
                    _ => return Err(FrameError::Malformed),
                }
            }
            b'L' => {
                let (&level, line) = body.split_first().ok_or(FrameError::Malformed)?;
                let level = match level {
                    b'd' => Level::Debug,
                    b'i' => Level::Info,
                    b'w' => Level::Warning,
                    b'e' => Level::Error,
                    _ => return Err(FrameError::Malformed),
                };
                Self::Log(level, text(line, LINE_BYTES))
            }
            b'M' => Self::Metric(bounded("a metric", body, METRIC_BYTES)?.to_vec()),
            b'G' => Self::Graph(bounded("the input of a graph", body, GRAPH_BYTES)?.to_vec()),
            b'J' => {
                let body = bounded("a text in JSON", body, JSON_BYTES)?;
                let (head, text) = split(body).ok_or(FrameError::Malformed)?;
                let head = bounded("the list of arrays", head, HEAD_BYTES)?;
                let arrays: Vec<Array> = match head {
                    [] => Vec::new(),
                    head => serde_json::from_slice(head).map_err(|_| FrameError::Malformed)?,
                };
                if arrays.len() > ARRAYS || arrays.iter().any(Array::is_too_deep) {
                    return Err(FrameError::Malformed);
                }
                Self::Json(arrays, text.to_vec())
            }
            b'I' => Self::ModelInfo,
            b'S' => {
                let body = bounded("the contract", body, CONTRACT_BYTES)?;
                let text = std::str::from_utf8(body).map_err(|_| FrameError::Malformed)?;
                Self::Contract(text.to_owned())
            }
            _ => return Err(FrameError::Malformed),
        })
    }
}

impl Ending {
    fn read(body: &[u8]) -> Result<Self, FrameError> {
        let (&status, rest) = body.split_first().ok_or(FrameError::Malformed)?;
        let (head, rest) = split(rest).ok_or(FrameError::Malformed)?;
        let raised = |is_input| Self::Raised {
            text: text(rest, TRACEBACK_BYTES),
            is_input,
        };
        Ok(match status {
            0 => {
                let head = bounded("the head of an answer", head, HEAD_BYTES)?;
                let head = serde_json::from_slice(head).map_err(|_| FrameError::Malformed)?;
                Self::Answered(head, rest.to_vec())
            }
            1 => raised(false),
            2 => raised(true),
            _ => return Err(FrameError::Malformed),
        })
    }
}

/// Returns the message with which the host answers [`Frame::Next`].
///
/// Returns `None` if the attributes have 4 GiB or more, which no memory of a script could hold.
pub(crate) fn request(attributes: &str, body: &[u8]) -> Option<Vec<u8>> {
    let size = u32::try_from(attributes.len()).ok()?.to_le_bytes();
    Some([&size[..], attributes.as_bytes(), body].concat())
}

/// Returns the host's reply to a request of a script: the byte `mark`, which says how the request
/// ended, and `body`, which is the result or the reason of a failure.
pub(crate) fn reply(mark: u8, body: &[u8]) -> Vec<u8> {
    [&[mark][..], body].concat()
}

/// Divides a message into a head, which follows its size, and the rest. Returns `None` if the
/// message is shorter than that.
fn split(message: &[u8]) -> Option<(&[u8], &[u8])> {
    let (size, rest) = message.split_first_chunk()?;
    let size = usize::try_from(u32::from_le_bytes(*size)).ok()?;
    rest.split_at_checked(size)
}

/// Returns the text of a message, truncated to `limit` bytes.
fn text(bytes: &[u8], limit: usize) -> String {
    // A character takes at most four bytes, so this is enough for the whole truncated text.
    let bytes = bytes.get(..limit + 4).unwrap_or(bytes);
    scorebox_text::cut(&String::from_utf8_lossy(bytes), limit).into_owned()
}

fn bounded<'a>(what: &'static str, body: &'a [u8], limit: usize) -> Result<&'a [u8], FrameError> {
    let size = body.len();
    match size > limit {
        true => Err(FrameError::TooLarge { what, size, limit }),
        false => Ok(body),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ending(status: u8, head: &str, body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(head.len()).unwrap().to_le_bytes();
        [&b"A"[..], &[status], &size, head.as_bytes(), body].concat()
    }

    #[test]
    fn messages_are_read() {
        let head = r#"{"status":201,"headers":[["x-a","1"]],"content_type":"text/plain"}"#;
        let answered = Ending::Answered(
            Head {
                status: 201,
                headers: vec![("x-a".to_owned(), "1".to_owned())],
                content_type: "text/plain".to_owned(),
            },
            b"yes".to_vec(),
        );
        let raised = |is_input| Ending::Raised {
            text: "Traceback".to_owned(),
            is_input,
        };
        let cases = [
            (b"Q".to_vec(), Frame::Next),
            (ending(0, head, b"yes"), Frame::Ending(answered)),
            (ending(1, "", b"Traceback"), Frame::Ending(raised(false))),
            (ending(2, "{}", b"Traceback"), Frame::Ending(raised(true))),
            (
                b"R3PING\r\n".to_vec(),
                Frame::Redis(3, b"PING\r\n".to_vec()),
            ),
            (
                b"Lwcare".to_vec(),
                Frame::Log(Level::Warning, "care".to_owned()),
            ),
            (
                b"Li\xff".to_vec(),
                Frame::Log(Level::Info, "\u{fffd}".to_owned()),
            ),
            (b"M{}".to_vec(), Frame::Metric(b"{}".to_vec())),
            (b"G".to_vec(), Frame::Graph(Vec::new())),
            (
                b"J\0\0\0\0[1]".to_vec(),
                Frame::Json(Vec::new(), b"[1]".to_vec()),
            ),
            (b"I".to_vec(), Frame::ModelInfo),
            (b"S{}".to_vec(), Frame::Contract("{}".to_owned())),
        ];
        for (message, frame) in cases {
            assert_eq!(Frame::read(&message), Ok(frame), "{message:?}");
        }
    }

    #[test]
    fn what_a_script_makes_up_is_refused() {
        let no_object = ending(0, "[]", b"");
        let bad_status = ending(0, r#"{"status":70000}"#, b"");
        let array = r#"{"name":"a","inner":[]}"#;
        let many = vec![array; ARRAYS + 1].join(",");
        let deep = array.replace("[]", &format!("[{}1]", "1,".repeat(64)));
        let [many, deep] = [many, deep].map(|arrays| {
            let head = format!("[{arrays}]");
            let size = u32::try_from(head.len()).unwrap().to_le_bytes();
            [&b"J"[..], &size, head.as_bytes(), b"{}"].concat()
        });
        let cut: &[u8] = b"A\0\xff\xff\xff\xff{}";
        let cases: [&[u8]; 16] = [
            b"",
            b"Z",
            b"A",
            b"A\0",
            cut,
            b"A\x09\0\0\0\0",
            &no_object,
            &bad_status,
            b"R",
            b"R4",
            b"J[]",
            &many,
            &deep,
            b"J\x02\0\0\0{}[]",
            b"L",
            b"Lz",
        ];
        for message in cases {
            assert_eq!(
                Frame::read(message),
                Err(FrameError::Malformed),
                "{message:?}"
            );
        }
        assert_eq!(Frame::read(b"S\xff"), Err(FrameError::Malformed));
        let metric = [&b"M"[..], &vec![b' '; METRIC_BYTES + 1]].concat();
        let refused = Frame::read(&metric).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "a metric of the script has 65537 bytes; send at most 65536 bytes at a time"
        );
    }

    #[test]
    fn long_texts_are_cut() {
        let message = [&b"Li"[..], "ä".repeat(LINE_BYTES).as_bytes()].concat();
        let Ok(Frame::Log(_, line)) = Frame::read(&message) else {
            panic!("no line");
        };
        let message = ending(1, "", "ä".repeat(TRACEBACK_BYTES).as_bytes());
        let Ok(Frame::Ending(Ending::Raised { text, .. })) = Frame::read(&message) else {
            panic!("no traceback");
        };
        for (text, limit) in [(line, LINE_BYTES), (text, TRACEBACK_BYTES)] {
            assert!(text.len() <= limit && text.ends_with('…'), "{}", text.len());
        }
    }

    #[test]
    fn the_head_of_an_answer_is_bounded() {
        let head = format!(
            r#"{{"status":200,"content_type":"{}"}}"#,
            "a".repeat(HEAD_BYTES)
        );
        let refused = Frame::read(&ending(0, &head, b"")).unwrap_err();
        assert!(
            refused.to_string().starts_with("the head of an answer"),
            "{refused}"
        );
    }

    #[test]
    fn a_request_has_the_size_of_its_attributes_first() {
        assert_eq!(request("{}", b"[1]").unwrap(), b"\x02\0\0\0{}[1]");
        assert_eq!(reply(1, b"no store"), b"\x01no store");
    }
}
