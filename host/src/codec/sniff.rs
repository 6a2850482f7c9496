//! Detection of JSON bodies of the Open Inference Protocol.
//!
//! Owns the sign by which such a body is recognized: `inputs` holds an empty list or a list that
//! begins with an object, and no port has the name `inputs`. Must not read further than it has to:
//! the first key that decides ends the search.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::azure_ml::ONE_INPUT;
use super::table::is_form;
use super::visitors::Key;
use crate::tensor::Port;

const INPUTS: &str = "inputs";

/// Returns true if a body looks like a JSON request of the Open Inference Protocol. Returns false
/// if one of the input ports `ports` is called `inputs`. What follows the deciding key is not read,
/// and may not be JSON.
pub(super) fn is_open_inference(ports: &[Port], body: &[u8]) -> bool {
    let is_port = |name: &str| ports.iter().any(|port| port.name == name);
    if is_port(INPUTS) {
        return false;
    }
    let mut found = false;
    // The protocol ignores keys that it does not know, and the keys may come in any order. A key of
    // another format ends the search, because what follows is not of this protocol.
    let is_column = |name: &str| {
        let mut columns = ports.iter().flat_map(|port| &port.facts.columns);
        columns.any(|column| column == name)
    };
    let beside =
        |name: &str| name != ONE_INPUT && !is_port(name) && !is_column(name) && !is_form(name);
    // The result is in `found`. The search ends early, which the parser reports as an error.
    let _ = Look {
        beside,
        found: &mut found,
    }
    .deserialize(&mut serde_json::Deserializer::from_slice(body));
    found
}

struct Look<'a, F> {
    beside: F,
    found: &'a mut bool,
}

impl<'de, F: Fn(&str) -> bool> DeserializeSeed<'de> for Look<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de, F: Fn(&str) -> bool> Visitor<'de> for Look<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let look = |name: &str| (name == INPUTS, (self.beside)(name));
        while let Some((is_inputs, is_beside)) = map.next_key_seed(Key(&look))? {
            if is_inputs {
                return map.next_value_seed(First(self.found));
            }
            if !is_beside {
                break;
            }
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

/// Deserialization seed that sets its flag to true if a list is empty or its first item is an
/// object.
struct First<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for First<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_seq(self)
    }
}

impl<'de> Visitor<'de> for First<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        match list.next_element_seed(IsObject(self.0))? {
            Some(()) => {}
            None => *self.0 = true,
        }
        Ok(())
    }
}

struct IsObject<'a>(&'a mut bool);

impl<'de> DeserializeSeed<'de> for IsObject<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for IsObject<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        *self.0 = true;
        Ok(())
    }
}
