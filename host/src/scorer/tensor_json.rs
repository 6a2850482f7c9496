//! JSON for tensors: what callers send, straight into typed elements, and what scorers give, straight into text.
//!
//! Owns Azure ML's `{"data": [[…]]}` and its like by port name. Must not know HTTP or guests. Nothing is built in
//! between: a nested list becomes bytes as it is read, and every misfit is named by its JSON pointer.

use std::fmt::{self, Write as _};

use half::{bf16, f16};
use serde::de::{self, DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::signature::Port;
use super::tensor::{Tensor, shape_text};
use crate::error::ScoreFailure;
use crate::model::Dtype;

/// The name that Azure ML's callers give the one input, whatever the scorer calls it.
const AZURE_ML_INPUT: &str = "data";

/// Reads one tensor for each port, in the ports' order.
///
/// # Errors
/// The body is not a JSON object of nested lists that fit the ports.
pub fn parse(ports: &[Port], body: &[u8]) -> Result<Vec<Tensor>, ScoreFailure> {
    let mut reader = Reader { pointer: Vec::new(), misfit: None };
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = Object { ports, reader: &mut reader }.deserialize(&mut json).and_then(|tensors| {
        json.end()?;
        Ok(tensors)
    });
    read.map_err(|error| match reader.misfit.take() {
        Some(message) => ScoreFailure::NotConforming { message, pointer: reader.pointer_text() },
        None => ScoreFailure::NotConforming {
            message: format!("The body is not JSON: {error}. Send {}.", expectation(ports)),
            pointer: String::new(),
        },
    })
}

/// Writes the answer: the nested list of a single port, or an object with one for each of several. A number that JSON
/// does not have (NaN, infinity) is written as `null`.
#[must_use]
pub fn render(tensors: &[Tensor]) -> Vec<u8> {
    let mut text = String::with_capacity(tensors.iter().map(|tensor| tensor.data.len() * 4 + 64).sum());
    match tensors {
        [tensor] => write_tensor(tensor, &mut text),
        tensors => {
            for (index, tensor) in tensors.iter().enumerate() {
                text.push(if index == 0 { '{' } else { ',' });
                // A string always has a JSON form.
                text.push_str(&serde_json::to_string(&tensor.name).unwrap_or_default());
                text.push(':');
                write_tensor(tensor, &mut text);
            }
            text.push('}');
        }
    }
    text.into_bytes()
}

/// Most of a name of the caller's that is repeated to it, and written to the log.
const NAME_BYTES: usize = 128;

/// What a caller should have sent, for messages.
fn expectation(ports: &[Port]) -> String {
    let ports: Vec<_> =
        ports.iter().map(|port| format!("\"{}\": {} of {}", port.name, shape_text(port), port.dtype.name())).collect();
    format!("{{{}}} as nested lists", ports.join(", "))
}

/// Where the reader is, and what it found wrong. serde's errors are text alone, so the misfit is kept beside.
struct Reader {
    pointer: Vec<Step>,
    misfit: Option<String>,
}

enum Step {
    Index(usize),
    Name(String),
}

impl Reader {
    fn misfit<E: de::Error>(&mut self, message: String) -> E {
        // The first misfit is the one to report; the pointer stays where it was found.
        self.misfit.get_or_insert(message);
        E::custom("misfit")
    }

    fn pointer_text(&self) -> String {
        self.pointer.iter().fold(String::new(), |mut text, step| {
            text.push('/');
            match step {
                // Writing to a string cannot fail.
                Step::Index(index) => drop(write!(text, "{index}")),
                // RFC 6901, section 3.
                Step::Name(name) => {
                    let name = name.get(..name.floor_char_boundary(NAME_BYTES)).unwrap_or_default();
                    text.push_str(&name.replace('~', "~0").replace('/', "~1"));
                }
            }
            text
        })
    }
}

/// The whole body.
struct Object<'a> {
    ports: &'a [Port],
    reader: &'a mut Reader,
}

impl<'de> DeserializeSeed<'de> for Object<'_> {
    type Value = Vec<Tensor>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        // `any`, so that a body that is no object reaches the visitor and is answered in our words.
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Object<'_> {
    type Value = Vec<Tensor>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&expectation(self.ports))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let Self { ports, reader } = self;
        let mut found: Vec<Option<Tensor>> = ports.iter().map(|_| None).collect();
        while let Some(name) = map.next_key::<String>()? {
            let index = ports
                .iter()
                .position(|port| port.name == name)
                .or_else(|| (ports.len() == 1 && name == AZURE_ML_INPUT).then_some(0));
            reader.pointer.push(Step::Name(name));
            let Some((index, port)) = index.and_then(|index| Some((index, ports.get(index)?))) else {
                return Err(reader.misfit(format!("There is no input of this name. Send {}.", expectation(ports))));
            };
            if found.get(index).is_some_and(Option::is_some) {
                return Err(reader.misfit("This input is given twice.".to_owned()));
            }
            let mut elements = Elements::new(port);
            map.next_value_seed(Nested { depth: 0, elements: &mut elements, reader })?;
            let tensor = elements.finish();
            if let Some(slot) = found.get_mut(index) {
                *slot = Some(tensor);
            }
            reader.pointer.pop();
        }
        let mut tensors = Vec::with_capacity(ports.len());
        for (port, tensor) in ports.iter().zip(found) {
            match tensor {
                Some(tensor) => tensors.push(tensor),
                None => {
                    let message = format!("The input `{}` is missing. Send {}.", port.name, expectation(ports));
                    return Err(reader.misfit(message));
                }
            }
        }
        Ok(tensors)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, _: A) -> Result<Self::Value, A::Error> {
        Err(self.not_an_object())
    }
    fn visit_str<E: de::Error>(self, _: &str) -> Result<Self::Value, E> {
        Err(self.not_an_object())
    }
    fn visit_bool<E: de::Error>(self, _: bool) -> Result<Self::Value, E> {
        Err(self.not_an_object())
    }
    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Self::Value, E> {
        Err(self.not_an_object())
    }
    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Self::Value, E> {
        Err(self.not_an_object())
    }
    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Self::Value, E> {
        Err(self.not_an_object())
    }
    fn visit_unit<E: de::Error>(self) -> Result<Self::Value, E> {
        Err(self.not_an_object())
    }
}

impl Object<'_> {
    fn not_an_object<E: de::Error>(self) -> E {
        let message = format!("The body is not a JSON object. Send {}.", expectation(self.ports));
        self.reader.misfit(message)
    }
}

/// A tensor in the making. The length of a dimension is what its first list had; every other must agree.
struct Elements<'a> {
    port: &'a Port,
    shape: Vec<Option<u64>>,
    data: Vec<u8>,
}

impl<'a> Elements<'a> {
    fn new(port: &'a Port) -> Self {
        Self { port, shape: port.shape.clone(), data: Vec::new() }
    }

    fn finish(self) -> Tensor {
        // A dimension inside an empty batch was never seen; no element says otherwise than 0.
        let shape = self.shape.into_iter().map(Option::unwrap_or_default).collect();
        Tensor { name: self.port.name.clone(), dtype: self.port.dtype, shape, data: self.data }
    }
}

/// The value at some depth of the nested list.
struct Nested<'a, 'p> {
    depth: usize,
    elements: &'a mut Elements<'p>,
    reader: &'a mut Reader,
}

impl<'de> DeserializeSeed<'de> for Nested<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Nested<'_, '_> {
    fn is_leaf(&self) -> bool {
        self.depth == self.elements.port.shape.len()
    }

    fn unexpected<E: de::Error>(self, found: &str) -> E {
        let wanted = if self.is_leaf() {
            format!("a {} element", self.elements.port.dtype.name())
        } else {
            format!("a list, dimension {} of {}", self.depth, shape_text(self.elements.port))
        };
        self.reader.misfit(format!("Here is {found}, where {wanted} belongs."))
    }

    fn out_of_range<E: de::Error>(self, value: impl fmt::Display) -> E {
        let dtype = self.elements.port.dtype.name();
        self.reader.misfit(format!("{value} is not a value of {dtype}."))
    }

    fn put<const N: usize>(self, bytes: [u8; N]) {
        self.elements.data.extend_from_slice(&bytes);
    }

    fn integer<E: de::Error>(self, value: i128) -> Result<(), E> {
        if !self.is_leaf() {
            return Err(self.unexpected("a number"));
        }
        macro_rules! narrow {
            ($type:ty) => {
                match <$type>::try_from(value) {
                    Ok(value) => self.put(value.to_le_bytes()),
                    Err(_) => return Err(self.out_of_range(value)),
                }
            };
        }
        match self.elements.port.dtype {
            Dtype::I8 => narrow!(i8),
            Dtype::I16 => narrow!(i16),
            Dtype::I32 => narrow!(i32),
            Dtype::I64 => narrow!(i64),
            Dtype::U8 => narrow!(u8),
            Dtype::U16 => narrow!(u16),
            Dtype::U32 => narrow!(u32),
            Dtype::U64 => narrow!(u64),
            Dtype::Bool => return Err(self.unexpected("a number")),
            #[expect(clippy::cast_precision_loss, reason = "a whole number for a float port is rounded to the nearest")]
            Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64 => return self.float(value as f64),
        }
        Ok(())
    }

    fn float<E: de::Error>(self, value: f64) -> Result<(), E> {
        if !self.is_leaf() {
            return Err(self.unexpected("a number"));
        }
        #[expect(clippy::cast_possible_truncation, reason = "rounding to the port's precision is what is asked for")]
        match self.elements.port.dtype {
            Dtype::F64 => self.put(value.to_le_bytes()),
            // A number that is finite in JSON stays finite: infinity would score as garbage.
            Dtype::F32 if (value as f32).is_finite() => self.put((value as f32).to_le_bytes()),
            Dtype::F16 if f16::from_f64(value).is_finite() => self.put(f16::from_f64(value).to_le_bytes()),
            Dtype::Bf16 if bf16::from_f64(value).is_finite() => self.put(bf16::from_f64(value).to_le_bytes()),
            _ => return Err(self.out_of_range(value)),
        }
        Ok(())
    }
}

impl<'de> Visitor<'de> for Nested<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a nested list of numbers")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        if self.is_leaf() {
            return Err(self.unexpected("a list"));
        }
        let Self { depth, elements, reader } = self;
        let wanted = elements.shape.get(depth).copied().flatten();
        let mut length: u64 = 0;
        reader.pointer.push(Step::Index(0));
        while list.next_element_seed(Nested { depth: depth + 1, elements, reader })?.is_some() {
            length += 1;
            if let Some(Step::Index(index)) = reader.pointer.last_mut() {
                *index += 1;
            }
        }
        reader.pointer.pop();
        match wanted {
            Some(wanted) if wanted != length => {
                let shape = shape_text(elements.port);
                Err(reader
                    .misfit(format!("This list has {length} elements, where {wanted} belong; the input is {shape}.")))
            }
            _ => {
                if let Some(dimension) = elements.shape.get_mut(depth) {
                    *dimension = Some(length);
                }
                Ok(())
            }
        }
    }

    fn visit_i64<E: de::Error>(self, value: i64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_u64<E: de::Error>(self, value: u64) -> Result<(), E> {
        self.integer(value.into())
    }

    fn visit_f64<E: de::Error>(self, value: f64) -> Result<(), E> {
        self.float(value)
    }

    fn visit_bool<E: de::Error>(self, value: bool) -> Result<(), E> {
        if !self.is_leaf() || self.elements.port.dtype != Dtype::Bool {
            return Err(self.unexpected("a boolean"));
        }
        self.put([u8::from(value)]);
        Ok(())
    }

    fn visit_str<E: de::Error>(self, _: &str) -> Result<(), E> {
        Err(self.unexpected("a string"))
    }

    fn visit_unit<E: de::Error>(self) -> Result<(), E> {
        Err(self.unexpected("null"))
    }

    fn visit_map<A: MapAccess<'de>>(self, _: A) -> Result<(), A::Error> {
        Err(self.unexpected("an object"))
    }
}

fn write_tensor(tensor: &Tensor, text: &mut String) {
    let mut elements = tensor.data.chunks_exact(tensor.dtype.bytes());
    write_nested(tensor.dtype, &tensor.shape, &mut elements, text);
}

fn write_nested(dtype: Dtype, shape: &[u64], elements: &mut std::slice::ChunksExact<'_, u8>, text: &mut String) {
    let Some((length, inner)) = shape.split_first() else {
        write_element(dtype, elements.next().unwrap_or_default(), text);
        return;
    };
    text.push('[');
    for index in 0..*length {
        if index > 0 {
            text.push(',');
        }
        write_nested(dtype, inner, elements, text);
    }
    text.push(']');
}

fn write_element(dtype: Dtype, bytes: &[u8], text: &mut String) {
    macro_rules! number {
        ($type:ty) => {
            bytes.try_into().map(<$type>::from_le_bytes).unwrap_or_default()
        };
    }
    // Writing to a string cannot fail.
    let _ = match dtype {
        Dtype::Bool => write!(text, "{}", bytes != [0]),
        Dtype::I8 => write!(text, "{}", number!(i8)),
        Dtype::I16 => write!(text, "{}", number!(i16)),
        Dtype::I32 => write!(text, "{}", number!(i32)),
        Dtype::I64 => write!(text, "{}", number!(i64)),
        Dtype::U8 => write!(text, "{}", number!(u8)),
        Dtype::U16 => write!(text, "{}", number!(u16)),
        Dtype::U32 => write!(text, "{}", number!(u32)),
        Dtype::U64 => write!(text, "{}", number!(u64)),
        Dtype::F16 => return write_float(f16::from_bits(number!(u16)).to_f32(), text),
        Dtype::Bf16 => return write_float(bf16::from_bits(number!(u16)).to_f32(), text),
        Dtype::F32 => return write_float(number!(f32), text),
        Dtype::F64 => return write_float(number!(f64), text),
    };
}

/// The shortest text that reads back as the same number.
fn write_float(value: impl serde::Serialize, text: &mut String) {
    // serde_json writes `null` for what JSON lacks, and a number always has a form.
    text.push_str(&serde_json::to_string(&value).unwrap_or_default());
}

#[cfg(test)]
mod tests;
