//! The protocol of Redis, as far as a script's client speaks it: commands are read, and replies are
//! written in the version that the client reads.
//!
//! Owns the two versions of the protocol, and the commands whose replies have another form in each.
//! Must not know which commands are allowed, or how a reply was received.

use crate::redis::raw::{ARGUMENTS, COMMANDS_AT_ONCE, Command, Node, Reply};

/// Size of replies from which on no more commands are run, in bytes. Each command may add a reply
/// of the maximum size.
const REPLIES_BYTES: usize = 64 << 20;

/// Error of bytes that are not commands.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    /// The bytes end within a command.
    #[error("a command ends too early")]
    Short,
    /// A byte is not what the protocol asks for.
    #[error("a command is not a list of byte strings")]
    NotList,
    /// There are too many commands or arguments.
    #[error("{COMMANDS_AT_ONCE} commands with {ARGUMENTS} arguments are sent at a time at most")]
    Many,
}

/// Reads commands, each of which is a list of byte strings.
///
/// # Errors
/// Fails if the bytes have another form, or hold too many commands.
pub(super) fn commands(mut bytes: &[u8]) -> Result<Vec<Command>, Malformed> {
    let (mut commands, mut arguments) = (Vec::new(), 0);
    while !bytes.is_empty() {
        let count = length(&mut bytes, b'*')?;
        arguments = count.saturating_add(arguments);
        // MULTI and EXEC do not count as commands of the transaction between them.
        if arguments > ARGUMENTS || commands.len() >= COMMANDS_AT_ONCE + 2 {
            return Err(Malformed::Many);
        }
        let mut command = Command::new();
        for _ in 0..count {
            let size = length(&mut bytes, b'$')?;
            let (argument, rest) = bytes.split_at_checked(size).ok_or(Malformed::Short)?;
            bytes = rest.strip_prefix(b"\r\n").ok_or(Malformed::Short)?;
            command.push(argument.to_vec());
        }
        commands.push(command);
    }
    Ok(commands)
}

/// Reads a line that has a length after the byte `kind`.
fn length(bytes: &mut &[u8], kind: u8) -> Result<usize, Malformed> {
    let end = bytes.iter().position(|byte| *byte == b'\r');
    let (line, rest) = bytes
        .split_at_checked(end.ok_or(Malformed::Short)?)
        .ok_or(Malformed::Short)?;
    *bytes = rest.strip_prefix(b"\r\n").ok_or(Malformed::Short)?;
    let digits = line.strip_prefix(&[kind]).ok_or(Malformed::NotList)?;
    let digits = str::from_utf8(digits).map_err(|_| Malformed::NotList)?;
    digits.parse().map_err(|_| Malformed::NotList)
}

/// Writer of replies in one version of the protocol.
pub(super) struct Writer {
    bytes: Vec<u8>,
    /// True for RESP3, and false for RESP2.
    is_third: bool,
}

/// Form of a reply that differs between the versions of the protocol, beyond its single values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Each value has the form of its type.
    Plain,
    /// RESP3 has a set, and RESP2 a list.
    Set,
    /// RESP3 has a list of pairs, and RESP2 a list in which the pairs follow each other.
    Pairs,
    /// RESP3 has a map, and RESP2 a list of pairs.
    Streams,
}

impl Form {
    /// Returns the form of the reply to a command.
    pub(super) fn of(command: &Command) -> Self {
        let mut words = command.iter();
        let name = words.next().map(|name| name.to_ascii_uppercase());
        let has = |word: &[u8]| {
            let mut words = command.iter().skip(1);
            words.any(|argument| argument.eq_ignore_ascii_case(word))
        };
        match name.as_deref().unwrap_or_default() {
            b"SMEMBERS" | b"SDIFF" | b"SINTER" | b"SUNION" => Self::Set,
            b"SPOP" if command.len() > 2 => Self::Set,
            b"ZPOPMIN" | b"ZPOPMAX" => Self::Pairs,
            b"ZRANGE" | b"ZREVRANGE" | b"ZRANGEBYSCORE" | b"ZREVRANGEBYSCORE" | b"ZUNION"
            | b"ZINTER" | b"ZDIFF" | b"ZRANDMEMBER"
                if has(b"WITHSCORES") =>
            {
                Self::Pairs
            }
            b"HRANDFIELD" if has(b"WITHVALUES") => Self::Pairs,
            b"XREAD" | b"XREADGROUP" => Self::Streams,
            _ => Self::Plain,
        }
    }
}

impl Writer {
    /// Creates a writer for the version `protocol`, 2 or 3.
    pub(super) fn new(protocol: u8) -> Self {
        Self {
            bytes: Vec::new(),
            is_third: protocol == 3,
        }
    }

    /// Returns the bytes of all replies that were written.
    pub(super) fn finish(self) -> Vec<u8> {
        self.bytes
    }

    /// Returns true if the replies so far are so large that the next `commands` commands must not
    /// be run. In this case, writes an error for each of them.
    pub(super) fn refuses(&mut self, commands: usize) -> bool {
        let is_full = self.bytes.len() >= REPLIES_BYTES;
        if is_full {
            let text = format!(
                "ERR the replies have more than {REPLIES_BYTES} bytes; send fewer commands at a time"
            );
            (0..commands).for_each(|_| self.error(&text));
        }
        is_full
    }

    /// Writes a short text of the server, such as `OK`.
    pub(super) fn text(&mut self, text: &str) {
        // A line end would end the text, so a text with one is written as a byte string.
        if text.contains(['\r', '\n']) {
            return self.blob(text.as_bytes());
        }
        self.line(b'+', text);
    }

    /// Writes an error. Its text begins with its code, such as `WRONGTYPE`, or gets the code `ERR`.
    pub(super) fn error(&mut self, text: &str) {
        let text = text.replace(['\r', '\n'], " ");
        let code = text.split(' ').next().unwrap_or_default();
        let has_code = !code.is_empty() && code.bytes().all(|byte| byte.is_ascii_uppercase());
        match has_code {
            true => self.line(b'-', &text),
            false => self.line(b'-', &format!("ERR {text}")),
        }
    }

    /// Writes the beginning of a list with `count` items. The caller writes the items next.
    pub(super) fn list(&mut self, count: usize) {
        self.line(b'*', &count.to_string());
    }

    /// Writes the reply to a command, which has the form `form`.
    pub(super) fn reply(&mut self, reply: &Reply, form: Form) {
        let Some(root) = reply.nodes.get(reply.root as usize) else {
            return self.nil();
        };
        match (form, self.is_third, root) {
            (Form::Set, true, Node::Array(items)) => {
                self.line(b'~', &items.len().to_string());
                self.nodes(reply, items.iter().copied());
            }
            (Form::Pairs, false, Node::Array(items)) => match pairs(reply, items) {
                Some(parts) => {
                    self.list(parts.len());
                    self.nodes(reply, parts.into_iter());
                }
                None => self.node(reply, reply.root),
            },
            (Form::Streams, false, Node::Map(streams)) => {
                self.list(streams.len());
                for (key, entries) in streams {
                    self.list(2);
                    self.nodes(reply, [*key, *entries].into_iter());
                }
            }
            _ => self.node(reply, reply.root),
        }
    }

    fn nodes(&mut self, reply: &Reply, indices: impl Iterator<Item = u32>) {
        for index in indices {
            self.node(reply, index);
        }
    }

    fn node(&mut self, reply: &Reply, index: u32) {
        let Some(node) = reply.nodes.get(index as usize) else {
            return self.nil();
        };
        match node {
            Node::Nil => self.nil(),
            Node::Boolean(value) if self.is_third => {
                self.line(b'#', if *value { "t" } else { "f" });
            }
            Node::Boolean(value) => self.line(b':', if *value { "1" } else { "0" }),
            Node::Integer(value) => self.integer(*value),
            Node::Double(value) if self.is_third => self.line(b',', &number(*value)),
            Node::Double(value) => self.blob(number(*value).as_bytes()),
            Node::Text(text) => self.text(text),
            Node::Bytes(bytes) => self.blob(bytes),
            Node::Fault(text) => self.error(text),
            Node::Array(items) => {
                self.list(items.len());
                self.nodes(reply, items.iter().copied());
            }
            Node::Map(entries) => {
                match self.is_third {
                    true => self.line(b'%', &entries.len().to_string()),
                    false => self.list(entries.len() * 2),
                }
                self.nodes(
                    reply,
                    entries.iter().flat_map(|(key, value)| [*key, *value]),
                );
            }
        }
    }

    /// Writes a byte string, or the null reply if `value` is `None`.
    pub(super) fn value(&mut self, value: Option<&[u8]>) {
        match value {
            Some(value) => self.blob(value),
            None => self.nil(),
        }
    }

    /// Writes a number.
    pub(super) fn integer(&mut self, value: i64) {
        self.line(b':', &value.to_string());
    }

    fn nil(&mut self) {
        let nil: &[u8] = if self.is_third { b"_\r\n" } else { b"$-1\r\n" };
        self.bytes.extend_from_slice(nil);
    }

    /// Writes a byte string.
    pub(super) fn blob(&mut self, bytes: &[u8]) {
        self.line(b'$', &bytes.len().to_string());
        self.bytes.extend_from_slice(bytes);
        self.bytes.extend_from_slice(b"\r\n");
    }

    fn line(&mut self, kind: u8, text: &str) {
        self.bytes.push(kind);
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.extend_from_slice(b"\r\n");
    }
}

/// Returns the items of the lists in `items` as one list, as RESP2 has pairs. Returns `None` if an
/// item is not a list.
fn pairs(reply: &Reply, items: &[u32]) -> Option<Vec<u32>> {
    let mut parts = Vec::with_capacity(items.len() * 2);
    for item in items {
        match reply.nodes.get(*item as usize)? {
            Node::Array(pair) => parts.extend_from_slice(pair),
            _ => return None,
        }
    }
    Some(parts)
}

/// Returns a number as Redis writes it.
fn number(value: f64) -> String {
    if value.is_nan() {
        "nan".to_owned()
    } else {
        value.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn command(words: &str) -> Command {
        words
            .split(' ')
            .map(|word| word.as_bytes().to_vec())
            .collect()
    }

    #[test]
    fn commands_are_lists_of_byte_strings() {
        let bytes = b"*2\r\n$3\r\nGET\r\n$1\r\na\r\n*1\r\n$4\r\nPING\r\n";
        assert_eq!(commands(bytes), Ok(vec![command("GET a"), command("PING")]));
        assert_eq!(commands(b"*1\r\n$0\r\n\r\n"), Ok(vec![vec![Vec::new()]]));
        for (bytes, expected) in [
            (&b"*1\r\n$3\r\nGET"[..], Malformed::Short),
            (b"*1", Malformed::Short),
            (b"*2\r\n$1\r\na\r\n", Malformed::Short),
            (b"*1\r\n$99999999999\r\na\r\n", Malformed::Short),
            (b"PING\r\n", Malformed::NotList),
            (b"*-1\r\n", Malformed::NotList),
            (b"*1\r\n:3\r\n", Malformed::NotList),
            (b"*99999999\r\n", Malformed::Many),
            (
                b"*1\r\n$1\r\na\r\n*18446744073709551615\r\n",
                Malformed::Many,
            ),
        ] {
            assert_eq!(commands(bytes), Err(expected), "{bytes:?}");
        }
    }

    #[test]
    fn large_replies_end_the_commands() {
        let mut writer = Writer::new(3);
        assert!(!writer.refuses(2));
        writer.blob(&vec![b'a'; REPLIES_BYTES]);
        let before = writer.bytes.len();
        assert!(writer.refuses(2));
        let added = String::from_utf8_lossy(&writer.bytes[before..]).into_owned();
        assert_eq!(added.matches("-ERR the replies").count(), 2, "{added}");
    }

    #[test]
    fn each_version_has_its_own_form() {
        #[track_caller]
        fn check(words: &str, nodes: Vec<Node>, second: &str, third: &str) {
            let root = u32::try_from(nodes.len() - 1).unwrap();
            let reply = Reply { nodes, root };
            for (protocol, expected) in [(2, second), (3, third)] {
                let mut writer = Writer::new(protocol);
                writer.reply(&reply, Form::of(&command(words)));
                let found = String::from_utf8(writer.finish()).unwrap();
                assert_eq!(found.replace("\r\n", " "), expected, "{words}, {protocol}");
            }
        }
        let member = || Node::Bytes(b"a".to_vec());
        check("GET a", vec![Node::Nil], "$-1 ", "_ ");
        check("SET a b", vec![Node::Text("OK".into())], "+OK ", "+OK ");
        check(
            "GET a",
            vec![Node::Text("a\nb".into())],
            "$3 a\nb ",
            "$3 a\nb ",
        );
        check("ZSCORE a b", vec![Node::Double(1.5)], "$3 1.5 ", ",1.5 ");
        check(
            "ZSCORE a b",
            vec![Node::Double(f64::INFINITY)],
            "$3 inf ",
            ",inf ",
        );
        check("X", vec![Node::Boolean(true)], ":1 ", "#t ");
        check(
            "X",
            vec![Node::Fault("bad\r\nx".into())],
            "-ERR bad  x ",
            "-ERR bad  x ",
        );
        check("X", vec![Node::Fault("OOM x".into())], "-OOM x ", "-OOM x ");
        let list = || vec![member(), Node::Array(vec![0])];
        check("LRANGE a 0 1", list(), "*1 $1 a ", "*1 $1 a ");
        check("smembers a", list(), "*1 $1 a ", "~1 $1 a ");
        let map = || vec![member(), Node::Integer(1), Node::Map(vec![(0, 1)])];
        check("HGETALL a", map(), "*2 $1 a :1 ", "%1 $1 a :1 ");
        check("XREAD STREAMS a 0", map(), "*1 *2 $1 a :1 ", "%1 $1 a :1 ");
        let scores = || {
            let pair = Node::Array(vec![0, 1]);
            vec![member(), Node::Double(2.0), pair, Node::Array(vec![2])]
        };
        let (flat, nested) = ("*2 $1 a $1 2 ", "*1 *2 $1 a ,2 ");
        check("ZRANGE a 0 1 withscores", scores(), flat, nested);
        check("ZPOPMIN a 2", scores(), flat, nested);
        let one = vec![member(), Node::Double(2.0), Node::Array(vec![0, 1])];
        check("ZPOPMIN a", one, "*2 $1 a $1 2 ", "*2 $1 a ,2 ");
    }
}
