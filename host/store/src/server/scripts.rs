//! Scripts that run on a Redis server.
//!
//! Owns the text of each script, its digest, and how it is run. Must not know which node runs it.

use std::sync::OnceLock;

use redis::{Cmd, ErrorKind, FromRedisValue, Script, ServerErrorKind, Value};

use super::Server;
use super::faults::{translate_script, wrong_type};
use crate::StoreError;
use crate::node::Fault;
use crate::router::Repeat;
use crate::slots::slot;

/// Redis script that adds `ARGV[1]` to the integer that a key holds. If the script creates the key,
/// it also sets the expiry (`ARGV[2]` in milliseconds, 0 for none).
///
/// A script is used because the key could expire, or the host could stop, between two commands. The
/// script returns the sum as text, because a number in Lua is a double, which is exact only up to
/// 2^53.
pub(super) static INCREMENT: Program = Program::new(
    "EXISTS, INCRBY, PEXPIRE or GET",
    "local new = redis.call('EXISTS', KEYS[1]) == 0
     redis.call('INCRBY', KEYS[1], ARGV[1])
     if new and ARGV[2] ~= '0' then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
     return redis.call('GET', KEYS[1])",
);

/// Redis script that writes a value (`ARGV[3]`) to a key if the key has the expected value.
/// `ARGV[1]` is '1' and `ARGV[2]` is the expected value, or `ARGV[1]` is '0' if the key must not
/// exist. `ARGV[4]` is the expiry in milliseconds, 0 for none.
///
/// The command WATCH cannot be used instead, because it would affect every call that shares the
/// connection.
pub(super) static SWAP: Program = Program::new(
    "GET or SET",
    "local now = redis.call('GET', KEYS[1])
     if ARGV[1] == '1' then
         if now ~= ARGV[2] then return 0 end
     elseif now then return 0 end
     if ARGV[4] == '0' then redis.call('SET', KEYS[1], ARGV[3])
     else redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[4]) end
     return 1",
);

/// Script that runs on a Redis server and uses one key.
pub(super) struct Program {
    /// Names of the commands that the script runs, for an error text.
    pub(super) commands: &'static str,
    pub(super) text: &'static str,
    script: OnceLock<Script>,
}

impl Program {
    const fn new(commands: &'static str, text: &'static str) -> Self {
        Self {
            commands,
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

impl Server {
    /// Runs a script on a key, and returns its result. `fill` adds the script's further arguments.
    /// First sends only the digest of the script, and then its text if the server does not know the
    /// script yet.
    ///
    /// # Errors
    /// Fails if the server cannot be reached or refuses the script, or if the result does not have
    /// the form of `T`.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        program: &Program,
        key: &str,
        fill: impl Fn(&mut Cmd) + Send + Sync,
    ) -> Result<T, StoreError> {
        let command = |name: &str, what: &str| {
            let mut command = redis::cmd(name);
            command.arg(what).arg(1).arg(key);
            fill(&mut command);
            command
        };
        let answered = |answer: Result<Value, Fault>| {
            let answer = answer.map_err(|fault| translate_script(fault, program.commands))?;
            redis::from_redis_value(answer).map_err(|_| wrong_type())
        };
        match self
            .0
            .send(
                slot(key.as_bytes()),
                &command("EVALSHA", program.digest()),
                Repeat::Wrong,
            )
            .await
        {
            Err(Fault::Answer(error))
                if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) =>
            {
                let command = command("EVAL", program.text);
                let slot = slot(key.as_bytes());
                answered(self.0.send(slot, &command, Repeat::Wrong).await)
            }
            answer => answered(answer),
        }
    }
}
