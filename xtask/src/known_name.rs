//! Names on the command line that must exist in the repository, such as names of fuzz targets.
//!
//! Owns the check and its errors. Must not know where the list of names comes from.

use scorebox_workspace::failure::Failure;

/// Reason why a name on the command line cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// The names that can be used could not be listed.
    #[error(transparent)]
    Unlisted(#[from] Failure),
    /// The name is not one of those that can be used.
    #[error("there is no such {thing}; name some of these: {}", known.join(", "))]
    Unknown {
        /// Word for the kind of thing that has the name, e.g. `target`.
        thing: &'static str,
        /// All names that can be used, for the error message.
        known: Vec<String>,
    },
}

/// Returns `name` if it is one of the names in `known`. Fails otherwise. `thing` is the word for
/// the kind of thing that has the name, for the error message.
pub fn check(name: &str, thing: &'static str, known: Vec<String>) -> Result<String, NameError> {
    if known.iter().any(|one| one == name) {
        Ok(name.to_owned())
    } else {
        Err(NameError::Unknown { thing, known })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_is_answered_with_the_known_ones() {
        let known = || vec!["redis".to_owned(), "serving".to_owned()];
        assert_eq!(check("redis", "area", known()), Ok("redis".to_owned()));
        assert_eq!(
            check("reddis", "area", known()).unwrap_err().to_string(),
            "there is no such area; name some of these: redis, serving"
        );
    }
}
