//! Commands that a script sends to its store, and their replies.
//!
//! Owns which commands go together: single commands, pipelines and transactions. Must not know the
//! bytes of the protocol, or which commands are allowed: the connection of the store checks that,
//! and `basics` has the commands that every store answers.

use scorebox_python::RedisFailure;

use super::basics::Basic;
use super::resp::{self, Form, Writer};
use crate::capability::redis::note;
use crate::capability::telemetry::LogSink;
use crate::redis::raw::{Command, CommandError, Connection, Reply};
use crate::redis::{Store, StoreError};

/// Commands of a script that are sent together.
#[derive(Debug, PartialEq, Eq)]
enum Part {
    /// Commands that do not depend on each other.
    Plain(Vec<Command>),
    /// Commands between MULTI and EXEC.
    Transaction(Vec<Command>),
    /// Commands after a MULTI to which no EXEC belongs.
    Open(Vec<Command>),
    /// Check whether the server is there, with the text to answer.
    Ping(Option<Vec<u8>>),
}

/// Sends the commands in `bytes` to a store, and returns the bytes of their replies. `name` is the
/// name of the store, and `protocol` the version in which the script reads the replies.
///
/// # Errors
/// Fails if the store cannot be reached or does not answer in time.
pub(super) async fn answer(
    log: &LogSink,
    name: &str,
    store: &Store,
    protocol: u8,
    bytes: &[u8],
) -> Result<Vec<u8>, RedisFailure> {
    let mut writer = Writer::new(protocol);
    let commands = match resp::commands(bytes) {
        Ok(commands) => commands,
        Err(malformed) => {
            writer.error(&format!("ERR Protocol error: {malformed}"));
            return Ok(writer.finish());
        }
    };
    for part in parts(commands) {
        let answered = match (part, store.connection()) {
            (Part::Ping(text), _) => ping(&mut writer, store, text).await,
            (Part::Open(commands), _) => {
                let text =
                    "ERR MULTI needs its commands and EXEC in one message. Use `pipeline()`.";
                (0..=commands.len()).for_each(|_| writer.error(text));
                Ok(())
            }
            (Part::Plain(commands), _) => plain(&mut writer, name, store, commands).await,
            (Part::Transaction(commands), Some(connection))
                if connection.has_server() || !commands.iter().all(is_basic) =>
            {
                transaction(&mut writer, connection, commands).await
            }
            (Part::Transaction(commands), _) => in_order(&mut writer, name, store, &commands).await,
        };
        if let Err(error) = answered {
            note(log, [&error]);
            return Err(match &error {
                CommandError::Timeout => RedisFailure::TimedOut(error.to_string()),
                _ => RedisFailure::Unreachable(error.to_string()),
            });
        }
    }
    Ok(writer.finish())
}

/// Divides commands into those that are sent together.
fn parts(commands: Vec<Command>) -> Vec<Part> {
    let (mut parts, mut plain, mut open) = (Vec::new(), Vec::new(), None);
    let close = |plain: &mut Vec<Command>, parts: &mut Vec<Part>| {
        if !plain.is_empty() {
            parts.push(Part::Plain(std::mem::take(plain)));
        }
    };
    for mut command in commands {
        let is = |name: &[u8]| {
            let word = command.first();
            word.is_some_and(|word| word.eq_ignore_ascii_case(name))
        };
        match open.take() {
            None if is(b"MULTI") => {
                close(&mut plain, &mut parts);
                open = Some(Vec::new());
            }
            None if is(b"PING") && command.len() <= 2 => {
                close(&mut plain, &mut parts);
                parts.push(Part::Ping(command.drain(..).nth(1)));
            }
            None => plain.push(command),
            Some(queued) if is(b"EXEC") => parts.push(Part::Transaction(queued)),
            Some(mut queued) => {
                queued.push(command);
                open = Some(queued);
            }
        }
    }
    close(&mut plain, &mut parts);
    parts.extend(open.map(Part::Open));
    parts
}

/// Answers PING, which clients send by themselves, so that it needs no entry in the manifest.
async fn ping(
    writer: &mut Writer,
    store: &Store,
    text: Option<Vec<u8>>,
) -> Result<(), CommandError> {
    // Any operation shows whether the server is there.
    if let Err(StoreError::Disconnected(why)) = store.exists("ping").await {
        return Err(CommandError::Disconnected(why));
    }
    match text {
        None => writer.text("PONG"),
        Some(text) => writer.blob(&text),
    }
    Ok(())
}

/// Sends commands that do not depend on each other. Commands that the manifest allows go to the
/// server together. A store answers basic commands even if the manifest does not name them.
async fn plain(
    writer: &mut Writer,
    name: &str,
    store: &Store,
    commands: Vec<Command>,
) -> Result<(), CommandError> {
    let connection = store.connection();
    let mut allowed = Vec::new();
    for command in commands {
        let is_allowed = connection.is_some_and(|connection| connection.allows(&command));
        let basic = if is_allowed {
            None
        } else {
            Basic::of(&command)
        };
        match (basic, connection) {
            (Some(basic), _) => {
                send(writer, connection, &mut allowed).await?;
                basic.answer(store, writer).await?;
            }
            // A connection says why it refuses a command.
            (None, Some(_)) => allowed.push(command),
            (None, None) => writer.error(&not_allowed(name)),
        }
    }
    send(writer, connection, &mut allowed).await
}

/// Returns the error for commands on a store whose section allows none.
fn not_allowed(name: &str) -> String {
    format!("NOPERM set stores.{name}.commands in scorebox.toml")
}

async fn send(
    writer: &mut Writer,
    connection: Option<&Connection>,
    commands: &mut Vec<Command>,
) -> Result<(), CommandError> {
    let mut commands = std::mem::take(commands);
    let (Some(connection), false) = (connection, commands.is_empty()) else {
        return Ok(());
    };
    if writer.refuses(commands.len()) {
        return Ok(());
    }
    let forms: Vec<_> = commands.iter().map(Form::of).collect();
    let replies = match (commands.pop(), commands.is_empty()) {
        (Some(command), true) => vec![connection.execute(command).await],
        (last, _) => {
            commands.extend(last);
            match connection.pipeline(commands).await {
                Ok(replies) => replies,
                Err(error) => forms.iter().map(|_| Err(error.clone())).collect(),
            }
        }
    };
    for (reply, form) in replies.into_iter().zip(forms) {
        write(writer, reply, form)?;
    }
    Ok(())
}

fn is_basic(command: &Command) -> bool {
    Basic::of(command).is_some()
}

/// Runs a transaction of basic commands on a store in memory, one command after the other. Only
/// this process uses the store. Refuses a transaction with another command, before any is run.
async fn in_order(
    writer: &mut Writer,
    name: &str,
    store: &Store,
    commands: &[Command],
) -> Result<(), CommandError> {
    writer.text("OK");
    commands.iter().for_each(|_| writer.text("QUEUED"));
    let basics: Option<Vec<_>> = commands.iter().map(Basic::of).collect();
    let Some(basics) = basics else {
        writer.error(&not_allowed(name));
        return Ok(());
    };
    writer.list(basics.len());
    for basic in basics {
        basic.answer(store, writer).await?;
    }
    Ok(())
}

async fn transaction(
    writer: &mut Writer,
    connection: &Connection,
    commands: Vec<Command>,
) -> Result<(), CommandError> {
    let forms: Vec<_> = commands.iter().map(Form::of).collect();
    // MULTI and EXEC have a reply each.
    if writer.refuses(forms.len() + 2) {
        return Ok(());
    }
    let replies = connection.transaction(commands).await;
    // The server has nothing to say before EXEC, because all commands are checked before.
    writer.text("OK");
    forms.iter().for_each(|_| writer.text("QUEUED"));
    match replies {
        Ok(replies) => {
            writer.list(replies.len());
            for (reply, form) in replies.iter().zip(forms) {
                writer.reply(reply, form);
            }
            Ok(())
        }
        Err(error) => write(writer, Err(error), Form::Plain),
    }
}

/// Writes a reply to a command. If the command failed, writes the error that a Redis server would
/// send.
///
/// # Errors
/// Fails if the connection to the server failed, and not one command.
fn write(
    writer: &mut Writer,
    reply: Result<Reply, CommandError>,
    form: Form,
) -> Result<(), CommandError> {
    match reply {
        Ok(reply) => writer.reply(&reply, form),
        Err(CommandError::Denied(text)) => writer.error(&format!("NOPERM {text}")),
        Err(error @ CommandError::CrossSlot) => writer.error(&format!("CROSSSLOT {error}")),
        Err(error @ CommandError::TooLarge(_)) => writer.error(&format!("ERR {error}")),
        Err(CommandError::Server(text)) => writer.error(&text),
        Err(error @ (CommandError::Timeout | CommandError::Disconnected(_))) => return Err(error),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::redis::Memory;
    use crate::redis::raw::Allowed;

    fn commands(text: &str) -> Vec<Command> {
        let words = |line: &str| {
            line.split(' ')
                .map(|word| word.as_bytes().to_vec())
                .collect()
        };
        text.split(", ").map(words).collect()
    }

    #[test]
    fn commands_between_multi_and_exec_belong_together() {
        #[track_caller]
        fn check(text: &str, expected: &[Part]) {
            assert_eq!(parts(commands(text)), expected, "{text}");
        }
        let plain = |text| Part::Plain(commands(text));
        check("GET a", &[plain("GET a")]);
        check("GET a, GET b", &[plain("GET a, GET b")]);
        let both = Part::Transaction(commands("SET a 1, INCR a"));
        check("multi, SET a 1, INCR a, exec", &[both]);
        let (before, inside) = (plain("GET a"), Part::Transaction(commands("SET a 1")));
        check(
            "GET a, MULTI, SET a 1, EXEC, PING, PING x",
            &[
                before,
                inside,
                Part::Ping(None),
                Part::Ping(Some(b"x".to_vec())),
            ],
        );
        check("MULTI, GET a", &[Part::Open(commands("GET a"))]);
        check("EXEC", &[plain("EXEC")]);
        check("MULTI, EXEC", &[Part::Transaction(Vec::new())]);
    }

    #[tokio::test]
    async fn every_command_has_one_reply() {
        let store = Store::new(Arc::new(Memory::default()), "p", None);
        let log = LogSink::new("s".into());
        let sent = |text: &str| {
            let word = |word: &Vec<u8>| {
                format!("${}\r\n{}\r\n", word.len(), String::from_utf8_lossy(word))
            };
            let command = |command: &Command| {
                let words: String = command.iter().map(word).collect();
                format!("*{}\r\n{words}", command.len())
            };
            commands(text).iter().map(command).collect::<String>()
        };
        let read = |text: &str| {
            let bytes = sent(text).into_bytes();
            let (store, log) = (store.clone(), log.clone());
            async move {
                let answer = answer(&log, "default", &store, 3, &bytes).await;
                answer.map(|bytes| String::from_utf8(bytes).unwrap())
            }
        };
        assert_eq!(read("PING").await.unwrap(), "+PONG\r\n");
        let mixed = read("SET a 1, HGET a b, GET a").await.unwrap();
        let refused = "-NOPERM set stores.default.commands in scorebox.toml\r\n";
        assert_eq!(mixed, format!("+OK\r\n{refused}$1\r\n1\r\n"));
        let both = read("MULTI, INCR a, GET a, EXEC").await.unwrap();
        let queued = "+OK\r\n+QUEUED\r\n+QUEUED\r\n";
        assert_eq!(both, format!("{queued}*2\r\n:2\r\n$1\r\n2\r\n"));
        let none = read("MULTI, INCR a, HGET a b, EXEC, GET a").await.unwrap();
        assert_eq!(none, format!("{queued}{refused}$1\r\n2\r\n"));
        let allowed = Allowed::parse(&["@all".to_owned()]).unwrap();
        let connection = Connection::new(None, "default", "p", allowed, "URL");
        let store = store.clone().with_connection(connection);
        let read = |text: &str| {
            let bytes = sent(text).into_bytes();
            let (store, log) = (store.clone(), log.clone());
            async move {
                let answer = answer(&log, "default", &store, 3, &bytes).await;
                answer.map(|bytes| String::from_utf8(bytes).unwrap())
            }
        };
        let watch = read("WATCH a").await.unwrap();
        assert!(
            watch.starts_with("-NOPERM WATCH is never allowed"),
            "{watch}"
        );
        let open = read("MULTI, GET a").await.unwrap();
        assert_eq!(open.matches("-ERR MULTI needs").count(), 2, "{open}");
        assert_eq!(read("GET a").await.unwrap(), "$1\r\n2\r\n");
        let away = read("HGET a b").await.unwrap_err();
        assert!(
            matches!(&away, RedisFailure::Unreachable(text) if text.contains("URL")),
            "{away:?}"
        );
    }
}
