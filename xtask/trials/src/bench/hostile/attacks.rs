//! The table of attacks: what each attack sends, and over how many connections.
//!
//! Owns the table. Must not know how connections are driven or what the attacks cost.

use std::time::Duration;

use scorebox_workspace::failure::Failure;

/// An attack that `bench hostile` measures.
#[derive(Debug)]
pub struct Attack {
    /// Name of the attack in tables, in the JSON output and for the flag `--attack`.
    pub name: &'static str,
    /// Description of the attack in one line.
    pub about: &'static str,
    /// Number of connections of the attack that are open at a time.
    pub connections: u16,
    /// Behaviour of each connection of the attack.
    pub deed: Deed,
    /// True if the attack makes the host keep as many bytes in memory as its limits allow. Such an
    /// attack uses fewer connections if no container limits the host's memory.
    pub fills_memory: bool,
    /// True if the host under attack has a prediction cache in Redis.
    pub is_about_cache: bool,
    /// True if the standard output of the host under attack is a pipe that is never read.
    pub leaves_log_unread: bool,
}

/// Behaviour of each connection of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Deed {
    /// Sends 7.9 MB of a body of 8 MB at once, and the rest one byte at a time.
    SlowBody,
    /// Sends a request header one byte at a time.
    SlowHeaders,
    /// Opens a connection and sends nothing.
    Silent,
    /// Sends requests with this kind of body one after the other and reads the answers. The time is
    /// the pause after each answer.
    Repeat(Body, Duration),
    /// Sends the same request on all connections at the same moment, again and again. Each time the
    /// request is a new one, so a cache does not have the answer yet.
    Stampede,
    /// Asks for large answers and reads none of them.
    Unread,
    /// Sends one request on each connection, and closes the connection without reading the answer.
    Churn,
    /// Sends this number of requests at once before it reads their answers.
    Pipelined(usize),
    /// Speaks HTTP/2 and sends frames of this kind until the host closes the connection.
    Frames(Frames),
    /// Sends small bodies in this content coding one after the other. Each body decompresses to 64
    /// MiB or to nothing.
    Bomb(Coding),
}

/// Frames of HTTP/2 that an attack sends again and again.
#[derive(Debug, Clone, Copy)]
pub enum Frames {
    /// HEADERS frames of requests, each followed by an RST_STREAM frame that cancels the request.
    Resets,
    /// CONTINUATION frames of one header block that does not end.
    Continuations,
    /// SETTINGS frames, some of them empty and one with thousands of settings.
    Settings,
}

/// Content coding of the bodies of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Coding {
    /// gzip. One body decompresses to 64 MiB of zeros, and another one consists of empty members.
    Gzip,
    /// deflate. One body decompresses to 64 MiB of zeros, and another one consists of empty blocks.
    Deflate,
    /// zstd. One body decompresses to 64 MiB of zeros, and another one consists of skippable
    /// frames.
    Zstd,
}

/// Content of the request bodies of an attack.
#[derive(Debug, Clone, Copy)]
pub enum Body {
    /// A valid JSON body of 7.9 MB with a long list of numbers.
    Large,
    /// A JSON body of 1 MB of nested lists.
    Deep,
    /// JSON bodies with a number of a million digits, a key of 5 MB, and an exponent of a million
    /// digits, sent one after the other.
    Huge,
    /// A request that makes the guest loop without an end.
    Loop,
    /// A request that makes the guest write log lines until the deadline of the call.
    Flood,
    /// A request that makes the guest allocate memory until the host refuses more.
    Grow,
    /// A request that makes the guest write 50 log lines.
    Chatter,
}

const fn attack(name: &'static str, about: &'static str, connections: u16, deed: Deed) -> Attack {
    Attack {
        name,
        about,
        connections,
        deed,
        fills_memory: false,
        is_about_cache: false,
        leaves_log_unread: false,
    }
}

const PAUSE: Duration = Duration::from_millis(5);

/// All attacks, in the order in which they are run.
pub const ATTACKS: &[Attack] = &[
    Attack {
        fills_memory: true,
        ..attack(
            "slow-bodies",
            "sends 7.9 of 8 MB, then one byte each 100 ms",
            1000,
            Deed::SlowBody,
        )
    },
    attack(
        "slow-headers",
        "sends one byte of a header each 250 ms",
        1000,
        Deed::SlowHeaders,
    ),
    attack("silent", "connects and sends nothing", 1100, Deed::Silent),
    // The number of connections is ten times the calls that four instances for each of two cores
    // can run.
    attack(
        "large-bodies",
        "sends bodies of 7.9 MB without a pause",
        80,
        Deed::Repeat(Body::Large, Duration::ZERO),
    ),
    attack(
        "deep-json",
        "sends 1 MB of nested lists",
        16,
        Deed::Repeat(Body::Deep, PAUSE),
    ),
    attack(
        "huge-tokens",
        "sends numbers and keys of megabytes",
        16,
        Deed::Repeat(Body::Huge, PAUSE),
    ),
    attack(
        "endless-guests",
        "makes guests loop until their deadline",
        32,
        Deed::Repeat(Body::Loop, PAUSE),
    ),
    attack(
        "log-floods",
        "makes guests log until their deadline",
        16,
        Deed::Repeat(Body::Flood, PAUSE),
    ),
    attack(
        "memory-hogs",
        "makes guests take all memory that they get",
        16,
        Deed::Repeat(Body::Grow, PAUSE),
    ),
    Attack {
        is_about_cache: true,
        ..attack(
            "cache-stampede",
            "asks one new question on all connections at once",
            64,
            Deed::Stampede,
        )
    },
    Attack {
        fills_memory: true,
        ..attack(
            "unread-answers",
            "asks for answers of 2 MB and reads none",
            256,
            Deed::Unread,
        )
    },
    attack(
        "churn",
        "closes each connection after one unread request",
        16,
        Deed::Churn,
    ),
    attack(
        "pipelined",
        "sends 100 requests at once on each connection",
        8,
        Deed::Pipelined(100),
    ),
    Attack {
        leaves_log_unread: true,
        ..attack(
            "unread-log",
            "makes guests log while the log is not read",
            8,
            Deed::Repeat(Body::Chatter, PAUSE),
        )
    },
    attack(
        "rapid-resets",
        "cancels each HTTP/2 request at once",
        16,
        Deed::Frames(Frames::Resets),
    ),
    attack(
        "continuations",
        "sends a header of HTTP/2 without an end",
        16,
        Deed::Frames(Frames::Continuations),
    ),
    attack(
        "settings-floods",
        "sends settings of HTTP/2 without a pause",
        16,
        Deed::Frames(Frames::Settings),
    ),
    attack(
        "gzip-bombs",
        "sends 64 MB of zeros, and nothing, in gzip",
        16,
        Deed::Bomb(Coding::Gzip),
    ),
    attack(
        "deflate-bombs",
        "sends 64 MB of zeros, and nothing, in deflate",
        16,
        Deed::Bomb(Coding::Deflate),
    ),
    attack(
        "zstd-bombs",
        "sends 64 MB of zeros, and nothing, in zstd",
        16,
        Deed::Bomb(Coding::Zstd),
    ),
];

/// Returns the attacks with the given names, or all attacks if `names` is empty. Fails if there is
/// no attack with one of the names.
pub fn chosen(names: &[String]) -> Result<Vec<&'static Attack>, Failure> {
    if names.is_empty() {
        return Ok(ATTACKS.iter().collect());
    }
    names.iter().map(|name| find(name)).collect()
}

/// Returns the attack with this name. Fails if there is no attack with this name.
pub fn find(name: &str) -> Result<&'static Attack, Failure> {
    let found = ATTACKS.iter().find(|attack| attack.name == name);
    found.ok_or_else(|| {
        Failure::other(
            format!("there is no attack `{name}`"),
            "see `cargo xtask bench hostile --help`",
        )
    })
}

impl Body {
    /// Returns the request bodies that an attack sends one after the other, each as JSON.
    pub fn texts(self) -> Vec<String> {
        const MEGABYTE: usize = 1_000_000;
        match self {
            Self::Large => vec![format!(
                r#"{{"do":"score","x":1,"pad":[{}0]}}"#,
                "0.123,".repeat(79 * MEGABYTE / 60)
            )],
            Self::Deep => {
                let half = MEGABYTE / 2;
                vec![format!(
                    r#"{{"do":"score","x":{}{}}}"#,
                    "[".repeat(half),
                    "]".repeat(half)
                )]
            }
            Self::Huge => vec![
                format!(r#"{{"do":"score","x":{}}}"#, "9".repeat(MEGABYTE)),
                format!(r#"{{"do":"score","{}":1}}"#, "k".repeat(5 * MEGABYTE)),
                format!(r#"{{"do":"score","x":1e{}}}"#, "9".repeat(MEGABYTE)),
            ],
            Self::Loop => vec![r#"{"do":"loop"}"#.to_owned()],
            Self::Flood => vec![r#"{"do":"flood"}"#.to_owned()],
            Self::Grow => vec![r#"{"do":"grow"}"#.to_owned()],
            Self::Chatter => vec![r#"{"do":"chatter","lines":50}"#.to_owned()],
        }
    }
}

/// Returns the names of all attacks, which are the values of the flag `--attack`.
pub fn names() -> Vec<&'static str> {
    ATTACKS.iter().map(|attack| attack.name).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_stay_below_the_limit_of_a_request() {
        for body in [
            Body::Large,
            Body::Deep,
            Body::Huge,
            Body::Loop,
            Body::Flood,
            Body::Grow,
            Body::Chatter,
        ] {
            for text in body.texts() {
                assert!(text.len() < 8 << 20, "{body:?}: {}", text.len());
            }
        }
        assert!(Body::Large.texts()[0].len() > 7_800_000);
    }

    #[test]
    fn attacks_are_chosen_by_name() {
        assert_eq!(chosen(&[]).unwrap().len(), ATTACKS.len());
        assert_eq!(chosen(&["silent".to_owned()]).unwrap()[0].connections, 1100);
        assert!(chosen(&["kind".to_owned()]).is_err());
    }
}
