//! The list of Redis commands that the manifest of an app allows scorers to send to a store.
//!
//! Owns the reading of the list and the texts of refusals. Must not know the manifest's form.

use scorebox_text::{Problem, cut};

use super::commands::{COMMANDS, EVERYTHING, Row, find};
use super::{Command, CommandError, refused};

/// Redis commands that a scorer may send to a store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Allowed {
    /// Names of the allowed commands, in byte order.
    names: Vec<&'static str>,
}

impl Allowed {
    /// Parses the list of allowed commands in the manifest: names (`HSET`), families (`@hash`) and
    /// `@all`, in upper or lower case.
    ///
    /// # Errors
    /// Fails if an entry is unknown, or is a command that can never be allowed.
    pub fn parse(entries: &[String]) -> Result<Self, Problem> {
        let mut names = Vec::new();
        for entry in entries {
            let before = names.len();
            names.extend(
                COMMANDS
                    .iter()
                    .filter(|row| is_meant(entry, row))
                    .map(|row| row.name),
            );
            if names.len() == before {
                return Err(misfit(entry));
            }
        }
        names.sort_unstable();
        names.dedup();
        Ok(Self { names })
    }

    /// Returns true if a scorer may send no Redis command at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Returns the row of a command in the table of Redis commands, if the command is allowed.
    /// `store` is the name of the store, which the error message contains.
    ///
    /// # Errors
    /// Fails with [`CommandError::Denied`] if the command is not allowed.
    pub fn row(&self, command: &Command, store: &str) -> Result<&'static Row, CommandError> {
        let denied = |text| Err(CommandError::Denied(text));
        let Some(name) = command.first() else {
            return denied("the command is empty".to_owned());
        };
        // Rows are looked up before refused names, so that a single subcommand of a refused name
        // could be allowed.
        if let Some(row) = find(command) {
            if self.names.binary_search(&row.name).is_ok() {
                return Ok(row);
            }
            return denied(format!(
                "{} is not in stores.{store}.commands of the manifest",
                row.name
            ));
        }
        if let Some(group) = refused::find(name) {
            let name = String::from_utf8_lossy(name).to_ascii_uppercase();
            return denied(format!(
                "{name} is never allowed: {}; {}",
                group.why, group.instead
            ));
        }
        // The name may be very long. One byte more than is shown is enough for `cut` to mark it.
        let name = String::from_utf8_lossy(name.get(..=NAME_SHOWN).unwrap_or(name));
        let name = cut(&name, NAME_SHOWN);
        denied(format!(
            "`{}` is not a command that a scorer may send, or not with this subcommand",
            name.escape_debug()
        ))
    }
}

/// Maximum length of a command's name that is shown in an error message, in bytes.
const NAME_SHOWN: usize = 40;

/// Returns true if an entry of the list of allowed commands stands for the command in a row of the
/// table of Redis commands. A name such as `XGROUP` stands for all of its subcommands.
fn is_meant(entry: &str, row: &Row) -> bool {
    let container = row
        .name
        .split_once('|')
        .map_or(row.name, |(container, _)| container);
    [row.name, row.family, EVERYTHING, container]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(entry))
}

fn misfit(entry: &str) -> Problem {
    let word = entry.split(['|', ' ']).next().unwrap_or(entry);
    if let Some(group) = refused::find(word.as_bytes()) {
        return Problem::new(
            format!("`{entry}` is never allowed: {}", group.why),
            group.instead,
        );
    }
    let wanted = entry.to_ascii_uppercase();
    let alike = |known: &str| strsim::jaro_winkler(&known.to_ascii_uppercase(), &wanted);
    let nearest = COMMANDS
        .iter()
        .flat_map(|row| [row.name, row.family])
        .filter(|known| known.starts_with('@') == entry.starts_with('@'))
        .max_by(|a, b| alike(a).total_cmp(&alike(b)))
        .unwrap_or(EVERYTHING);
    Problem::new(
        format!("`{entry}` is not a command or family of commands that can be allowed"),
        format!(
            "the nearest is `{nearest}`; write names such as \"HSET\", families such as \"@hash\", or \"{EVERYTHING}\""
        ),
    )
}

#[cfg(test)]
mod tests {
    use super::super::refused::REFUSED;
    use super::*;

    fn entries(list: &[&str]) -> Vec<String> {
        list.iter().map(|entry| (*entry).to_owned()).collect()
    }

    #[test]
    fn names_and_families_are_read() {
        #[track_caller]
        fn check(list: &[&str], words: &str, expected: bool) {
            let allowed = Allowed::parse(&entries(list)).unwrap();
            let command: Command = words
                .split_whitespace()
                .map(|word| word.as_bytes().to_vec())
                .collect();
            assert_eq!(
                allowed.row(&command, "s").is_ok(),
                expected,
                "{list:?}: {words}"
            );
        }
        check(&["HSET"], "hset k f v", true);
        check(&["hset"], "HSET k f v", true);
        check(&["HSET"], "HGET k f", false);
        check(&["@Hash"], "HGET k f", true);
        check(&["@hash"], "ZADD k 1 m", false);
        check(&["@hash", "ZADD", "ZADD"], "ZADD k 1 m", true);
        check(&["@all"], "XGROUP CREATE k g $", true);
        check(&["XGROUP"], "xgroup destroy k g", true);
        check(&["XGROUP|CREATE"], "XGROUP DESTROY k g", false);
        check(&["@all"], "MEMORY USAGE k", true);
        check(&["@all"], "MEMORY DOCTOR", false);
        check(&["@all"], "KEYS *", false);
        check(&["@all"], "", false);
        assert!(Allowed::parse(&[]).unwrap().is_empty());
    }

    #[test]
    fn what_can_never_be_allowed_says_why_and_what_to_do() {
        #[track_caller]
        fn check(entry: &str, problem: &str, fix: &str) {
            let Problem {
                problem: found,
                fix: instead,
            } = Allowed::parse(&entries(&["GET", entry])).unwrap_err();
            assert!(
                found.contains(&format!("`{entry}`")) && found.contains(problem),
                "{found}"
            );
            assert!(instead.contains(fix), "{instead}");
        }
        check("BLPOP", "never allowed: it holds up the connection", "LPOP");
        check("keys", "keys of others", "list-keys");
        check("CONFIG|SET", "administers", "redis-cli");
        check("EVALSHA", "script", "transaction");
        check("SUBSCRIBE", "channels", "XADD");
        check("MULTI", "connection", "transaction");
        check("SORT", "BY and GET", "ZRANGE");
        check("HSTE", "is not a command", "`HSET`");
        check("@hashes", "is not a command", "`@hash`");
        check("XGROUP|HELP", "is not a command", "XGROUP|");
        check("", "is not a command", "\"@all\"");
        for name in REFUSED.iter().flat_map(|group| group.names) {
            assert!(Allowed::parse(&entries(&[name])).is_err(), "{name}");
            assert!(find(&[name.as_bytes().to_vec()]).is_none(), "{name}");
        }
    }
}
