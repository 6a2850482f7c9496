//! Names in a request: of inputs, of outputs and of datatypes.
//!
//! Owns which names are known, and the messages about names that are not. Must not know where a
//! request has names.

use super::super::reading::Reader;
use super::super::scalar::Scalar;
use super::ports::{DTYPES, datatype, expectation};
use crate::model::Dtype;
use crate::tensor::{Port, near};
use crate::text::{NAME_BYTES, quoted};

/// Returns the index of the port that has the name `name` from the request. Returns `None` if the
/// name is `null`. Fails if the name is not a string, or if no port has it. `direction` is `input`
/// or `output`, for the error message.
pub(super) fn port<E: serde::de::Error>(
    ports: &[Port],
    direction: &str,
    name: Scalar<'_>,
    reader: &mut Reader,
) -> Result<Option<usize>, E> {
    let find = |name: &str| ports.iter().position(|port| port.name == name);
    named(name, reader, find, |name| {
        let near = near(ports, name).map_or_else(String::new, |near| {
            format!(" The nearest is `{}`.", quoted(near, NAME_BYTES))
        });
        let (name, expected) = (quoted(name, NAME_BYTES), expectation(ports));
        format!(
            "There is no {direction} of this name: `{name}`.{near} The {direction}s are {expected}."
        )
    })
}

/// Returns the element type that a datatype of the Open Inference Protocol, such as `FP32`, stands
/// for. Returns `None` if the datatype is `null`. Fails if it is not a string, or if the protocol
/// does not have it.
pub(super) fn dtype<E: serde::de::Error>(
    name: Scalar<'_>,
    reader: &mut Reader,
) -> Result<Option<Dtype>, E> {
    let find = |name: &str| DTYPES.into_iter().find(|dtype| datatype(*dtype) == name);
    named(name, reader, find, |name| {
        let known = DTYPES.map(datatype).join(", ");
        let name = quoted(name, NAME_BYTES);
        format!("{name} is not accepted. Tensors are of {known}.")
    })
}

/// Returns the result of `find` for a name from the request, or `None` if the name is `null`. Fails
/// if the name is not a string. If `find` returns `None`, fails with the message that `unknown`
/// returns.
fn named<T, E: serde::de::Error>(
    name: Scalar<'_>,
    reader: &mut Reader,
    find: impl FnOnce(&str) -> Option<T>,
    unknown: impl FnOnce(&str) -> String,
) -> Result<Option<T>, E> {
    let Some(name) = name.text(reader)? else {
        return Ok(None);
    };
    match find(&name) {
        Some(found) => Ok(Some(found)),
        None => Err(reader.misfit(unknown(&name))),
    }
}
