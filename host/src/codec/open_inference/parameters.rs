//! Parameters of a request, an input or an output.
//!
//! Owns which parameters the host uses, and the content types that change the meaning of texts.
//! Must not know ports or data.

use serde::de::MapAccess;

use super::super::reading::Reader;
use super::super::scalar::Scalar;
use super::super::visitors::{Fields, Object};

/// Content types of MLServer with which an element of BYTES is not the text itself, but an encoded
/// form of another value.
const ENCODED: [&str; 6] = [
    "base64",
    "hg_conversation",
    "hg_json",
    "hg_jsonlist",
    "pd_json",
    "pillow_image",
];

/// Message about Triton's extension `classification`, with which an output holds texts in place of
/// its elements.
const CLASSIFICATION: &str = "The extension `classification` is not supported (`class_count` of tritonclient). Leave it out, \
                              and choose the largest elements of the answer yourself.";
/// Message about Triton's extensions for shared memory. With them, the elements of a tensor are in
/// memory that the client shares with the server, and not in the body.
const SHARED_MEMORY: &str =
    "Shared memory is not supported. Send the data in the request, and read it from the answer.";

/// Parameters of a request, an input or an output that the host uses. Other parameters are ignored.
#[derive(Default)]
pub(super) struct Parameters {
    /// Size of the binary data of an input, in bytes. `None` if the data is in the JSON.
    pub(super) binary_data_size: Option<u64>,
    /// True if the elements of an output must be binary. If `None`, the request's parameter
    /// `binary_data_output` decides.
    pub(super) binary_data: Option<bool>,
    /// True if the elements of all outputs of a request must be binary, except where an output has
    /// its own `binary_data`. `None` means false.
    pub(super) binary_data_output: Option<bool>,
    /// Meaning of the elements of an input, or of all inputs of a request, by the parameter
    /// `content_type`.
    pub(super) content: Content,
    /// Message that refuses an input or an output, because it has a parameter of a Triton extension
    /// that the host does not support: classification, or shared memory. `None` if it does not have
    /// such a parameter.
    refusal: Option<&'static str>,
}

impl Parameters {
    /// Reads the parameters of an input or an output. The parameters of a whole request are read
    /// without this method, because the unsupported extensions have parameters only for inputs and
    /// outputs.
    ///
    /// # Errors
    /// Fails if the parameters are not valid, or if they ask for classification or shared memory,
    /// which are Triton extensions that the host does not support.
    pub(super) fn read<'de, A: MapAccess<'de>>(
        &mut self,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error> {
        map.next_value_seed(Object(self, reader))?;
        match self.refusal {
            Some(reason) => Err(reader.misfit(reason.to_owned())),
            None => Ok(()),
        }
    }
}

/// Meaning of the parameter `content_type`, with which clients of MLServer say what an input holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Content {
    /// There is no content type.
    #[default]
    Unstated,
    /// A text is used unchanged, e.g. with the content type `str`.
    Plain,
    /// A text is the encoded form of another value. The content type has this name.
    Encoded(&'static str),
}

impl Content {
    /// Returns the meaning of the content type `name`.
    fn of(name: &str) -> Self {
        let encoded = ENCODED.into_iter().find(|encoded| *encoded == name);
        encoded.map_or(Self::Plain, Self::Encoded)
    }
}

impl Fields for Parameters {
    const KEYS: &'static [&'static str] = &[
        "binary_data_size",
        "binary_data",
        "binary_data_output",
        "content_type",
        "classification",
        "shared_memory_region",
    ];

    fn field<'de, A: MapAccess<'de>>(
        &mut self,
        key: &'static str,
        map: &mut A,
        reader: &mut Reader,
    ) -> Result<(), A::Error> {
        let value = map.next_value::<Scalar>()?;
        match key {
            "binary_data_size" => self.binary_data_size = value.count(reader)?,
            "binary_data" => self.binary_data = value.boolean(reader)?,
            "binary_data_output" => self.binary_data_output = value.boolean(reader)?,
            // Triton's clients send 0 for no classification, if they send it at all.
            "classification" if !matches!(value, Scalar::None | Scalar::Count(0)) => {
                self.refusal = Some(CLASSIFICATION);
            }
            "shared_memory_region" if !matches!(value, Scalar::None) => {
                self.refusal = Some(SHARED_MEMORY);
            }
            // The protocol does not have this parameter, so a value that is not a text is ignored.
            "content_type" => {
                if let Scalar::Text(name) = value {
                    self.content = Content::of(&name);
                }
            }
            _ => {}
        }
        Ok(())
    }
}
