//! Azure ML's format: a body is `{"data": [[…]]}`, or has one such list for each port's name, and
//! the answer consists of nested lists.
//!
//! Owns the names that callers use, and the format of the answer. Must not know elements.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, Visitor};

use super::elements::Elements;
use super::reading::{self, Key, Reader, Step, unexpected};
use super::text;
use crate::error::ScoreFailure;
use crate::tensor::{Port, Requests, Tensor, only, shape_text};
use crate::text::{NAME_BYTES, cut};

/// Name that callers of Azure ML use for the input if there is only one, whatever name the scorer
/// gives that input.
const ONE_INPUT: &str = "data";

/// Decodes a JSON body into one tensor for each input port, in the order of the ports. `requests`
/// states what the body may hold beyond JSON.
///
/// # Errors
/// Fails if the body is not a JSON object of nested lists that fit the ports.
pub(super) fn read(
    ports: &[Port],
    requests: Requests,
    body: &[u8],
) -> Result<Vec<Tensor>, ScoreFailure> {
    reading::json(
        body,
        requests.nan_literals,
        || expectation(ports),
        |json, reader| {
            Object {
                ports,
                body_bytes: body.len(),
                reader,
            }
            .deserialize(json)
        },
    )
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

/// Deserialization seed that decodes the whole body into one tensor for each port.
struct Object<'a> {
    ports: &'a [Port],
    body_bytes: usize,
    reader: &'a mut Reader,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Vec<Tensor>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // `deserialize_any` lets a body that is not an object reach the visitor, which refuses it
        // in our words.
        deserializer.deserialize_any(self)
    }
}

/// Name of a field in a body that is not the name of a port. The name is cut to at most
/// `NAME_BYTES` bytes.
struct UnknownName(String);

impl<'a> Object<'a> {
    fn unexpected<E: de::Error>(self, _found: &str) -> E {
        let message = format!(
            "The body is not a JSON object. Send {}.",
            expectation(self.ports)
        );
        self.reader.misfit(message)
    }

    /// Returns the index of the port that the field `name` of the body stands for, the port, and
    /// the name of the field.
    fn port(ports: &'a [Port], name: &str) -> Result<(usize, &'a Port, &'a str), UnknownName> {
        let by_name = ports.iter().enumerate().find(|(_, port)| port.name == name);
        match (by_name, only(ports)) {
            (Some((index, port)), _) => Ok((index, port, &port.name)),
            (None, Some((index, port))) if name == ONE_INPUT => Ok((index, port, ONE_INPUT)),
            (None, _) => Err(UnknownName(cut(name, NAME_BYTES).into_owned())),
        }
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<Tensor>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&expectation(self.ports))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self {
            ports,
            body_bytes,
            reader,
        } = self;
        let mut found: Vec<Option<Tensor>> = ports.iter().map(|_| None).collect();
        while let Some(named) = map.next_key_seed(Key(|name: &str| Object::port(ports, name)))? {
            let (index, port, name) = match named {
                Ok(named) => named,
                Err(UnknownName(name)) => {
                    let message = format!(
                        "There is no input of this name. Send {}.",
                        expectation(ports)
                    );
                    let misfit = Err(reader.misfit(message));
                    return reader.at(|| Step::Name(name), misfit);
                }
            };
            let read = if found.get(index).is_some_and(Option::is_some) {
                Err(reader.misfit("This input is given twice.".to_owned()))
            } else {
                let mut elements = Elements::nested(port, body_bytes);
                map.next_value_seed(elements.seed(reader))
                    .map(|()| elements.into_tensor())
            };
            let tensor = reader.at(|| Step::Name(name.to_owned()), read)?;
            if let Some(slot) = found.get_mut(index) {
                *slot = Some(tensor);
            }
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

    unexpected! { boolean number string null list }
}

#[cfg(test)]
mod tests;
