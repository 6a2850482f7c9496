//! Scripts that run on a Redis server.
//!
//! Owns the text of each script, and its digest. Must not know how a script is sent.

use std::sync::OnceLock;

use redis::Script;

/// Script that adds to a number. Only if it creates the key, it sets the expiry (ARGV[2] in
/// milliseconds, 0 for none).
///
/// It is one script, because between two commands the key could expire or the host could die. The
/// sum is returned as text: a number in Lua is a double, which is exact to 2^53 only.
pub(super) static INCREMENT: Program = Program::new(
    "local new = redis.call('EXISTS', KEYS[1]) == 0
     redis.call('INCRBY', KEYS[1], ARGV[1])
     if new and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
     return redis.call('GET', KEYS[1])",
);

/// Script that writes a value if the old value is the expected one. ARGV[1] is '1' and ARGV[2] the
/// expected value, or ARGV[1] is '0' for an absent key.
///
/// The command WATCH cannot be used, because it would watch every call that shares the connection.
pub(super) static SWAP: Program = Program::new(
    "local now = redis.call('GET', KEYS[1])
     if ARGV[1] == '1' then
         if now ~= ARGV[2] then return 0 end
     elseif now then return 0 end
     if ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3])
     else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
     return 1",
);

/// A script that runs on the server, on one key.
pub(super) struct Program {
    pub(super) text: &'static str,
    script: OnceLock<Script>,
}

impl Program {
    const fn new(text: &'static str) -> Self {
        Self {
            text,
            script: OnceLock::new(),
        }
    }

    pub(super) fn digest(&self) -> &str {
        self.script
            .get_or_init(|| Script::new(self.text))
            .get_hash()
    }
}
