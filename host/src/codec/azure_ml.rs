//! Azure ML's format: a body is `{"data": [[…]]}`, or has one such list for each port's name, and
//! the answer consists of nested lists.
//!
//! Owns the names that callers use for inputs, and the format of the answer. Must not know how an
//! element is read, or how rows are read, which is in `table`.

use serde_json::Error;

use super::cursor::Cursor;
use super::elements::Elements;
use super::reading::{self, Reader, Step};
use super::table::{indices, is_form};
use super::text;
use crate::error::ScoreFailure;
use crate::tensor::{Port, Requests, Tensor, only, shape_text};
use crate::text::{NAME_BYTES, cut};

/// Name that callers of Azure ML use for the input if there is only one, whatever name the scorer
/// gives that input.
pub(super) const ONE_INPUT: &str = "data";

/// Decodes a JSON body into one tensor for each input port, in the order of the ports. An optional
/// port that the body leaves out has no tensor. `requests` says whether numbers may be `NaN` and
/// `Infinity`, and whether unknown keys are ignored.
///
/// # Errors
/// Fails if the body is not a JSON object of nested lists that fit the ports.
pub(super) fn read(
    ports: &[Port],
    requests: Requests,
    body: &[u8],
) -> Result<Vec<Tensor>, ScoreFailure> {
    reading::text(
        body,
        requests.nan_literals,
        &|| expectation(ports),
        &mut |text, reader| {
            let mut cursor = Cursor::new(text);
            let tensors = object(ports, requests, &mut cursor, text.len(), reader)?;
            cursor.end().map(|()| tensors)
        },
    )
}

/// Decodes the object at the cursor into one tensor for each input port, in the order of the ports.
/// An optional port that the object leaves out has no tensor. `body_bytes` is the size of the body,
/// which limits how much memory is reserved.
fn object(
    ports: &[Port],
    requests: Requests,
    cursor: &mut Cursor<'_>,
    body_bytes: usize,
    reader: &mut Reader,
) -> Result<Vec<Tensor>, Error> {
    if cursor.peek() != Some(b'{') {
        cursor.value()?;
        let message = format!(
            "The body is not a JSON object. Send {}.",
            expectation(ports)
        );
        return Err(reader.misfit(message));
    }
    cursor.expect(b'{')?;
    let mut found: Vec<Option<Tensor>> = ports.iter().map(|_| None).collect();
    // The map is built once, because a body may have very many keys that are ignored.
    let known = match requests.ignores_unknown_columns {
        true => Some(indices(ports, &[])),
        false => None,
    };
    let is_unknown = |name: &str| {
        known
            .as_ref()
            .is_some_and(|known| !known.contains_key(name))
    };
    let mut is_first = true;
    while cursor.more(b'}', std::mem::take(&mut is_first))? {
        let (name, _) = cursor.string()?;
        // A key of a body that consists of rows, such as `data`, is not ignored, because it changes
        // how the other keys are read.
        if is_unknown(&name) && !is_form(&name) {
            reader.look(cursor.at())?;
            cursor.expect(b':')?;
            cursor.value()?;
            continue;
        }
        let read = tensor(ports, &name, &mut found, cursor, body_bytes, reader);
        reader.at(|| Step::Name(cut(&name, NAME_BYTES).into_owned()), read)?;
    }
    let mut tensors = Vec::with_capacity(ports.len());
    for (port, tensor) in ports.iter().zip(found) {
        match tensor {
            Some(tensor) => tensors.push(tensor),
            None if port.optional => {}
            None => {
                let message = format!(
                    "The input `{}` is missing. Send {}.",
                    port.name,
                    expectation(ports)
                );
                return Err(reader.misfit(message));
            }
        }
    }
    Ok(tensors)
}

/// Decodes the value of the field `name` into the slot of its port in `found`. Fails if no port has
/// this name, if the field was there before, or if the value does not fit the port.
fn tensor(
    ports: &[Port],
    name: &str,
    found: &mut [Option<Tensor>],
    cursor: &mut Cursor<'_>,
    body_bytes: usize,
    reader: &mut Reader,
) -> Result<(), Error> {
    let place =
        index_of(ports, name).and_then(|index| Some((ports.get(index)?, found.get_mut(index)?)));
    let Some((port, slot)) = place else {
        let message = format!(
            "There is no input of this name. Send {}.",
            expectation(ports)
        );
        return Err(reader.misfit(message));
    };
    if slot.is_some() {
        return Err(reader.misfit("This input is given twice.".to_owned()));
    }
    cursor.expect(b':')?;
    let mut elements = Elements::nested_or_column(port, body_bytes);
    elements.all(cursor, reader)?;
    *slot = Some(elements.into_tensor());
    Ok(())
}

/// Returns the index of the port that the field `name` of a body stands for: the port with this
/// name. If no port is called `data`, `data` stands for the only port that is not optional. Returns
/// `None` for any other name.
fn index_of(ports: &[Port], name: &str) -> Option<usize> {
    let by_name = ports.iter().position(|port| port.name == name);
    by_name.or_else(|| match only(ports) {
        Some((index, _)) if name == ONE_INPUT => Some(index),
        _ => None,
    })
}

/// Encodes the tensors of the output ports as JSON. One tensor becomes a nested list. Several
/// tensors become an object with one nested list for each.
pub(super) fn write(tensors: &[Tensor]) -> Vec<u8> {
    let mut body = Vec::with_capacity(tensors.iter().map(text::capacity).sum());
    match tensors {
        [tensor] => text::nested(tensor, &mut body),
        tensors => {
            for (index, tensor) in tensors.iter().enumerate() {
                body.push(if index == 0 { b'{' } else { b',' });
                text::string(&tensor.name, &mut body);
                body.push(b':');
                text::nested(tensor, &mut body);
            }
            body.push(b'}');
        }
    }
    body
}

/// Returns the part of an error message that says which JSON the caller of a scorer with the input
/// ports `ports` should have sent.
fn expectation(ports: &[Port]) -> String {
    let ports: Vec<_> = ports
        .iter()
        .map(|port| {
            format!(
                "\"{}\": {} of {}{}",
                port.name,
                shape_text(port),
                port.dtype.name(),
                if port.optional { " (optional)" } else { "" }
            )
        })
        .collect();
    format!("{{{}}} as nested lists", ports.join(", "))
}

#[cfg(test)]
mod tests;
