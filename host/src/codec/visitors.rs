//! Visitors for the objects and lists of JSON, of which every format of a body consists.
//!
//! Owns how an object or a list is passed to its receiver, and the refusal of another value. Must
//! not know ports, formats or what a field holds.

use std::fmt;

use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::reading::{Reader, Step};

/// Deserialization seed for the key of an object or another string. The seed calls the function `F`
/// with the string, without copying the string, and returns the function's result.
pub(super) struct Key<F>(pub(super) F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for Key<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for Key<F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        Ok((self.0)(text))
    }
}

/// Defines the methods with which a serde visitor refuses values of the given kinds. The error is
/// the result of the visitor's method `unexpected`.
macro_rules! unexpected {
    (@ boolean) => { unexpected! { @@ visit_bool, bool, "a boolean" } };
    (@ number) => {
        unexpected! { @@ visit_i64, i64, "a number" }
        unexpected! { @@ visit_u64, u64, "a number" }
        unexpected! { @@ visit_f64, f64, "a number" }
    };
    (@ string) => { unexpected! { @@ visit_str, &str, "a string" } };
    (@ null) => {
        fn visit_unit<E: serde::de::Error>(self) -> Result<Self::Value, E> {
            Err(self.unexpected("null"))
        }
    };
    (@ list) => {
        fn visit_seq<A: serde::de::SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(self.unexpected("a list"))
        }
    };
    (@ object) => {
        fn visit_map<A: serde::de::MapAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
            Err(self.unexpected("an object"))
        }
    };
    (@@ $visit:ident, $type:ty, $found:literal) => {
        fn $visit<E: serde::de::Error>(self, _: $type) -> Result<Self::Value, E> {
            Err(self.unexpected($found))
        }
    };
    ($($kind:ident)*) => { $(unexpected! { @ $kind })* };
}
pub(super) use unexpected;

/// Receiver of the fields of a JSON object. [`Object`] passes the fields to the receiver one at a
/// time.
pub(super) trait Fields {
    /// Names of the known fields, at most 32. Other fields of the object are ignored.
    const KEYS: &'static [&'static str];

    /// Decodes the value of the field `key`, which is one of [`Self::KEYS`], from `map`.
    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error>;
}

/// Deserialization seed that passes the fields of a JSON object to a receiver. The fields may be in
/// any order, but each known field may occur only once. `null` counts as an object without fields.
pub(super) struct Object<'a, F>(pub(super) &'a mut F, pub(super) &'a mut Reader);

impl<'de, F: Fields> DeserializeSeed<'de> for Object<'_, F> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        // `deserialize_any` lets a value that is not an object reach the visitor, which refuses it
        // with an error message of the host.
        deserializer.deserialize_any(self)
    }
}

impl<F> Object<'_, F> {
    fn unexpected<E: de::Error>(self, found: &str) -> E {
        self.1
            .misfit(format!("Here is {found}, where an object belongs."))
    }
}

impl<'de, F: Fields> Visitor<'de> for Object<'_, F> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let Self(fields, reader) = self;
        let mut seen: u32 = 0;
        let known = |name: &str| {
            F::KEYS
                .iter()
                .copied()
                .zip(0u32..32)
                .find(|(key, _)| *key == name)
        };
        while let Some(key) = map.next_key_seed(Key(known))? {
            let Some((key, index)) = key else {
                map.next_value::<IgnoredAny>()?;
                continue;
            };
            let twice = seen & (1 << index) != 0;
            seen |= 1 << index;
            let taken = if twice {
                Err(reader.misfit("This field is given twice.".to_owned()))
            } else {
                fields.field(key, &mut map, reader)
            };
            reader.at(|| Step::Name(key.to_owned()), taken)?;
        }
        Ok(())
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    unexpected! { boolean number string list }
}

/// Receiver of the items of a JSON list. [`List`] passes the items to the receiver one at a time.
pub(super) trait Items {
    /// Decodes the next item of `list`, which has the index `index`. Returns false if the list has
    /// no more items.
    fn item<'de, A: SeqAccess<'de>>(
        &mut self,
        index: usize,
        list: &mut A,
        reader: &mut Reader,
    ) -> Result<bool, A::Error>;
}

/// Deserialization seed that passes the items of a JSON list to a receiver. `null` counts as a list
/// without items.
pub(super) struct List<'a, I>(pub(super) &'a mut I, pub(super) &'a mut Reader);

impl<'de, I: Items> DeserializeSeed<'de> for List<'_, I> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<I> List<'_, I> {
    fn unexpected<E: de::Error>(self, found: &str) -> E {
        self.1
            .misfit(format!("Here is {found}, where a list belongs."))
    }
}

impl<'de, I: Items> Visitor<'de> for List<'_, I> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let Self(items, reader) = self;
        let mut index = 0;
        loop {
            let more = items.item(index, &mut list, reader);
            if !reader.at(|| Step::Index(index), more)? {
                return Ok(());
            }
            index += 1;
        }
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Ok(())
    }

    unexpected! { boolean number string object }
}
