//! The outputs that an inference request asks for.
//!
//! Owns the fields of an item of `outputs`. Must not know inputs or the answer.

use serde::de::{MapAccess, SeqAccess};

use super::super::reading::Reader;
use super::super::visitors::{Fields, Items, Object};
use super::names::port;
use super::parameters::Parameters;
use super::request::Request;
use crate::tensor::Port;

/// One item of `outputs` of a request: an output that the answer must hold.
pub(super) struct Output {
    pub(super) port: usize,
    pub(super) parameters: Parameters,
}

/// Receiver of the items of the list `outputs`, which adds them to the outputs of the request.
pub(super) struct Outputs<'r, 'a>(pub(super) &'r mut Request<'a>);

impl Items for Outputs<'_, '_> {
    fn item<'de, A: SeqAccess<'de>>(
        &mut self,
        _index: usize,
        list: &mut A,
        reader: &mut Reader,
    ) -> Result<bool, A::Error> {
        let Request { ports, outputs, .. } = &mut *self.0;
        let mut asked = Asked {
            ports: ports.outputs,
            taken: outputs,
            port: None,
            parameters: Parameters::default(),
        };
        if list
            .next_element_seed(Object(&mut asked, reader))?
            .is_none()
        {
            return Ok(false);
        }
        let (port, parameters) = (asked.port, asked.parameters);
        let Some(port) = port else {
            return Err(reader.misfit("This output has no name.".to_owned()));
        };
        outputs.push(Output { port, parameters });
        Ok(true)
    }
}

/// Item of `outputs` of a request that is being decoded.
struct Asked<'a> {
    ports: &'a [Port],
    taken: &'a [Output],
    port: Option<usize>,
    parameters: Parameters,
}

impl Fields for Asked<'_> {
    const KEYS: &'static [&'static str] = &["name", "parameters"];

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error> {
        if key == "parameters" {
            return self.parameters.read(map, reader);
        }
        self.port = port(self.ports, "output", map.next_value()?, reader)?;
        if self.taken.iter().any(|taken| Some(taken.port) == self.port) {
            return Err(reader.misfit("This output is asked for twice.".to_owned()));
        }
        Ok(())
    }
}
