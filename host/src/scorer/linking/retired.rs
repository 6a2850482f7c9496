//! Exports of the contract that were tried out, and are not served any more.
//!
//! Owns their names and the text about each. Must not know what they did.

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::capability::CURRENT_VERSION;
use crate::text::{NAME_BYTES, Problem, quoted};

/// Start of the name of the interface in which a component of 0.1.0 could state facts about its
/// inputs. The interface was unstable. Since 0.2.0 these facts are fields of the signature.
const INPUTS: &str = "scorebox:scoring/inputs@";

/// Checks that a component does not export an unstable interface whose trial has ended. Without
/// this check, the host would ignore what the component states there.
pub(super) fn check_exports(engine: &Engine, component: &Component) -> Result<(), Problem> {
    let exports = component.component_type();
    let mut exports = exports.exports(engine).map(|(name, _)| name);
    match exports.find(|name| name.starts_with(INPUTS)) {
        None => Ok(()),
        Some(name) => Err(Problem::new(
            format!(
                "exports {}, which was unstable and is not served any more",
                quoted(name, NAME_BYTES)
            ),
            format!(
                "build it against scorebox:scoring@{CURRENT_VERSION}, whose signature states these facts in \
                 `input-port`, or without the interface, and state the facts under `[inputs.<name>]`"
            ),
        )),
    }
}
