//! Unstable interfaces that a component could export in an earlier version of the contract, and
//! that the host no longer serves.
//!
//! Owns the names of these interfaces, and the error for each. Must not know what an interface was
//! for.

use crate::capability::CURRENT_VERSION;
use crate::component::Outline;
use crate::text::{NAME_BYTES, Problem, quoted};

/// Start of the name of the interface in which a component of the contract 0.1.0 could state facts
/// about its inputs. The interface was unstable. Since 0.2.0 these facts are fields of the
/// signature.
const INPUTS: &str = "scorebox:scoring/inputs@";

/// Returns the problem with a component that exports an unstable interface that the host no longer
/// serves, or `None` if it exports no such interface. If the host accepted such a component, it
/// would ignore what the component states in the interface.
pub(super) fn retired_exports(outline: &Outline) -> Option<Problem> {
    let mut exports = outline.exports.iter();
    let name = exports.find(|name| name.starts_with(INPUTS))?;
    Some(Problem::new(
        format!(
            "exports {}, which was unstable and is not served any more",
            quoted(name, NAME_BYTES)
        ),
        format!(
            "build it against scorebox:scoring@{CURRENT_VERSION}, whose signature states these facts in \
             `input-port`, or without the interface, and state the facts under `[inputs.<name>]`"
        ),
    ))
}
