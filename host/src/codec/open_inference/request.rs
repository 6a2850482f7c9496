//! The JSON of an inference request, read in the order in which it comes.
//!
//! Owns the request's fields, and the positions of errors in them. Must not know binary data, or
//! whether an input fits its port: that is checked when the whole input is known.
//!
//! Data is decoded when it is reached in the body, which requires the name and the datatype of the
//! input. If the name or the datatype follows the data, the data may have to be skipped. Then the
//! body is read a second time, with the names and the datatypes known.

use std::borrow::Cow;

use serde::de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess};

use super::super::elements::{Elements, Read};
use super::super::reading::{self, Reader};
use super::super::scalar::Scalar;
use super::super::visitors::{Fields, Items, List, Object};
use super::names::{dtype, port};
use super::outputs::{Output, Outputs};
use super::parameters::Parameters;
use super::ports::{accepts, expectation, is_whole};
use crate::error::ScoreFailure;
use crate::model::Dtype;
use crate::tensor::{Port, PortLists};
use crate::text::{NAME_BYTES, counted, quoted};

/// Maximum length of the id of a request, in bytes. The length is limited because the answer
/// repeats the id.
const ID_BYTES: usize = 1024;

/// Request of the Open Inference Protocol that was decoded from JSON. It is not checked yet whether
/// its inputs fit their ports.
pub(super) struct Request<'a> {
    pub(super) ports: PortLists<'a>,
    body_bytes: usize,
    /// Facts about each input of the request that the first pass over the body found. Empty in the
    /// first pass.
    known: &'a [Known],
    pub(super) id: Option<String>,
    pub(super) parameters: Parameters,
    pub(super) inputs: Vec<Input>,
    pub(super) outputs: Vec<Output>,
}

/// Facts about an input that may follow its data in the body.
#[derive(Debug, Clone, Copy, Default)]
struct Known {
    /// Index of the input port that has the input's name. `None` if the input does not have a name.
    port: Option<usize>,
    /// Datatype of the input. `None` if the request does not state a datatype.
    dtype: Option<Dtype>,
}

/// One item of `inputs` of a request. It is not checked yet whether the input fits its port.
#[derive(Default)]
pub(super) struct Input {
    /// Index of the input port that has the input's name. `None` if the input does not have a name.
    pub(super) port: Option<usize>,
    pub(super) shape: Option<Vec<u64>>,
    pub(super) dtype: Option<Dtype>,
    pub(super) parameters: Parameters,
    pub(super) data: Option<Data>,
}

/// Value of the field `data` of an input of a request.
pub(super) enum Data {
    Read(Read),
    /// Data that was skipped, because the input's port or its datatype was not known yet. The body
    /// is decoded a second time to get this data.
    Skipped,
}

/// Decodes a request of the Open Inference Protocol from its JSON.
///
/// # Errors
/// Fails if the text is not JSON, if it does not follow the Open Inference Protocol, or if data
/// does not fit the port of its input.
pub(super) fn read<'a>(ports: PortLists<'a>, json: &[u8]) -> Result<Request<'a>, ScoreFailure> {
    let request = read_knowing(ports, json, &[])?;
    let is_skipped =
        |input: &Input| input.port.is_some() && matches!(input.data, Some(Data::Skipped));
    if !request.inputs.iter().any(is_skipped) {
        return Ok(request);
    }
    let known: Vec<_> = request
        .inputs
        .iter()
        .map(|input| Known {
            port: input.port,
            dtype: input.dtype,
        })
        .collect();
    let Request {
        id,
        parameters,
        inputs,
        outputs,
        ..
    } = read_knowing(ports, json, &known)?;
    Ok(Request {
        ports,
        body_bytes: json.len(),
        known: &[],
        id,
        parameters,
        inputs,
        outputs,
    })
}

fn read_knowing<'a>(
    ports: PortLists<'a>,
    json: &[u8],
    known: &'a [Known],
) -> Result<Request<'a>, ScoreFailure> {
    reading::json(
        json,
        ports.requests.nan_literals,
        &|| expectation(ports.inputs),
        |json_text, reader| {
            let mut request = Request {
                ports,
                body_bytes: json.len(),
                known,
                id: None,
                parameters: Parameters::default(),
                inputs: Vec::with_capacity(ports.inputs.len()),
                outputs: Vec::new(),
            };
            Object(&mut request, reader).deserialize(json_text)?;
            Ok(request)
        },
    )
}

impl Fields for Request<'_> {
    const KEYS: &'static [&'static str] = &["id", "parameters", "inputs", "outputs"];

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error> {
        match key {
            "id" => {
                let id = map.next_value::<Scalar>()?.text(reader)?;
                if id.as_ref().is_some_and(|id| id.len() > ID_BYTES) {
                    return Err(reader.misfit(format!("An id must not exceed {ID_BYTES} bytes.")));
                }
                self.id = id.map(Cow::into_owned);
                Ok(())
            }
            "parameters" => map.next_value_seed(Object(&mut self.parameters, reader)),
            "inputs" => map.next_value_seed(List(&mut Inputs(self), reader)),
            _ => map.next_value_seed(List(&mut Outputs(self), reader)),
        }
    }
}

struct Inputs<'r, 'a>(&'r mut Request<'a>);

impl Items for Inputs<'_, '_> {
    fn item<'de, A: SeqAccess<'de>>(
        &mut self,
        index: usize,
        list: &mut A,
        reader: &mut Reader,
    ) -> Result<bool, A::Error> {
        let Request {
            ports,
            body_bytes,
            known,
            inputs,
            ..
        } = &mut *self.0;
        let ports = ports.inputs;
        if index >= ports.len() {
            let mut extra = Extra { ports, port: None };
            let Some(()) = list.next_element_seed(Object(&mut extra, reader))? else {
                return Ok(false);
            };
            return Err(reader.misfit(extra.message()));
        }
        // If there is only one port, it is clear which one is meant. A wrong name is refused when
        // it is read.
        let sole = (ports.len() == 1).then_some(0);
        let mut known = known.get(index).copied().unwrap_or_default();
        known.port = known.port.or(sole);
        let mut reading = Reading {
            ports,
            body_bytes: *body_bytes,
            known,
            is_whole: false,
            input: Input::default(),
        };
        let more = list
            .next_element_seed(Object(&mut reading, reader))?
            .is_some();
        if more {
            inputs.push(reading.input);
        }
        Ok(more)
    }
}

/// Input of a request beyond the number of inputs that the scorer has.
struct Extra<'a> {
    ports: &'a [Port],
    port: Option<usize>,
}

impl Extra<'_> {
    /// Returns the message that says that this input is one too many. The message names the input,
    /// if it has a name. Unknown names need no message here, because they are refused when they are
    /// read.
    fn message(&self) -> String {
        let count = counted(self.ports.len() as u64, "input");
        let named = self.port.and_then(|port| self.ports.get(port));
        let what = named.map_or_else(
            || "An input without a name".to_owned(),
            |port| format!("The input `{}`", quoted(&port.name, NAME_BYTES)),
        );
        let expected = expectation(self.ports);
        format!("{what} is one too many. The scorer has {count}: {expected}.")
    }
}

impl Fields for Extra<'_> {
    const KEYS: &'static [&'static str] = &["name"];

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        _: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error> {
        self.port = port(self.ports, "input", map.next_value()?, reader)?;
        Ok(())
    }
}

/// Input of a request that is being decoded.
struct Reading<'a> {
    ports: &'a [Port],
    body_bytes: usize,
    known: Known,
    /// True if the data was decoded for a port of a float type, and each number had to be whole.
    is_whole: bool,
    input: Input,
}

impl<'a> Reading<'a> {
    /// Returns the port of the input. Returns `None` if the scorer has several inputs, and the name
    /// of this one has not been read yet.
    fn port(&self) -> Option<&'a Port> {
        let port = self.input.port.or(self.known.port)?;
        self.ports.get(port)
    }

    /// Returns true if the request states an integer datatype for a port of a float type, so each
    /// number of the data must be whole. Returns false if the port or the datatype is not known
    /// yet. Also returns false for a datatype that the port does not accept, because it is refused
    /// later.
    fn must_be_whole(&self) -> bool {
        let dtype = self.input.dtype.or(self.known.dtype);
        dtype.zip(self.port()).is_some_and(|(dtype, port)| {
            is_whole(dtype) && accepts(port, dtype) && port.dtype.is_float()
        })
    }
}

impl Fields for Reading<'_> {
    const KEYS: &'static [&'static str] = &["name", "shape", "datatype", "parameters", "data"];

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error> {
        match key {
            "name" => self.input.port = port(self.ports, "input", map.next_value()?, reader)?,
            "shape" => {
                let mut shape = Shape(Vec::with_capacity(4));
                map.next_value_seed(List(&mut shape, reader))?;
                self.input.shape = Some(shape.0);
            }
            "datatype" => {
                self.input.dtype = dtype(map.next_value()?, reader)?;
                if self.input.data.is_some() && self.must_be_whole() != self.is_whole {
                    self.input.data = Some(Data::Skipped);
                }
            }
            "parameters" => self.input.parameters.read(map, reader)?,
            _ => {
                let Some(port) = self.port() else {
                    map.next_value::<IgnoredAny>()?;
                    self.input.data = Some(Data::Skipped);
                    return Ok(());
                };
                self.is_whole = self.must_be_whole();
                let declared = self.input.shape.as_deref();
                let mut elements =
                    Elements::nested_or_flat(port, declared, self.body_bytes).whole(self.is_whole);
                map.next_value_seed(elements.seed(reader))?;
                self.input.data = Some(Data::Read(elements.into_read()));
            }
        }
        Ok(())
    }
}

/// Shape of a tensor that a request states.
struct Shape(Vec<u64>);

impl Items for Shape {
    fn item<'de, A: SeqAccess<'de>>(
        &mut self,
        index: usize,
        list: &mut A,
        reader: &mut Reader,
    ) -> Result<bool, A::Error> {
        // No port has more than 64 dimensions. A longer list is refused before it is stored.
        const DIMENSIONS: usize = 64;
        let Some(value) = list.next_element::<Scalar>()? else {
            return Ok(false);
        };
        match value.count(reader)? {
            Some(dimension) if index < DIMENSIONS => self.0.push(dimension),
            _ => {
                return Err(
                    reader.misfit("This is not a dimension that a port can have.".to_owned())
                );
            }
        }
        Ok(true)
    }
}
