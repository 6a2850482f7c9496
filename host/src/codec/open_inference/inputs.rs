//! The inputs of a request as tensors of the ports.
//!
//! Owns the agreement of an input with its port, and where binary data belongs. Must not know how
//! JSON is read, or the form of an answer.

use super::super::values::NoElement;
use super::conversion::converted;
use super::parameters::Content;
use super::ports::{accepts, datatype, expectation, misfit, shape_text};
use super::request::{Data, Input};
use crate::error::ScoreFailure;
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, count};
use crate::text::counted;

/// Part of the binary data after the JSON of a request that no input has taken yet. `is_announced`
/// is true if the request states the length of its JSON. A request that does not state this length
/// cannot have binary data.
pub(super) struct Binary<'a> {
    pub(super) rest: &'a [u8],
    pub(super) is_announced: bool,
}

/// Converts the inputs of a request to tensors, in the order of the ports. An optional port for
/// which the request has no input does not get a tensor. `content` is the content type in the
/// parameters of the request. It applies to inputs without a content type of their own. Fails if
/// the inputs do not fit the ports.
pub(super) fn tensors(
    ports: &[Port],
    inputs: Vec<Input>,
    content: Content,
    mut binary: Binary<'_>,
) -> Result<Vec<Tensor>, ScoreFailure> {
    let mut found: Vec<Option<Tensor>> = ports.iter().map(|_| None).collect();
    for (index, input) in inputs.into_iter().enumerate() {
        let place = Place(index);
        let slot = input
            .port
            .and_then(|port| Some((ports.get(port)?, found.get_mut(port)?)));
        let Some((port, slot)) = slot else {
            return Err(place.misfit(
                "",
                format!(
                    "This input has no name. The inputs are {}.",
                    expectation(ports)
                ),
            ));
        };
        if slot.is_some() {
            return Err(place.misfit("/name", "This input is given twice.".to_owned()));
        }
        if port.dtype == Dtype::Text {
            let own = input.parameters.content;
            check_content(own, &format!("/inputs/{index}"))?;
            if own == Content::Unstated {
                check_content(content, "")?;
            }
        }
        *slot = Some(tensor(port, place, input, &mut binary)?);
    }
    if !binary.rest.is_empty() {
        let bytes = counted(binary.rest.len() as u64, "byte");
        let message = format!("The body ends with {bytes} that no input takes.");
        return Err(misfit(String::new(), message));
    }
    let missing = |port: &Port| {
        misfit(
            "/inputs".to_owned(),
            format!(
                "The input {} is missing.",
                expectation(std::slice::from_ref(port))
            ),
        )
    };
    let found = ports.iter().zip(found);
    found
        .filter(|(port, tensor)| tensor.is_some() || !port.optional)
        .map(|(port, tensor)| tensor.ok_or_else(|| missing(port)))
        .collect()
}

/// Fails if a content type says that texts are the encoded forms of other values, because the
/// scorer would get the encoded forms. `owner` is the JSON pointer to the object that has the
/// content type.
fn check_content(content: Content, owner: &str) -> Result<(), ScoreFailure> {
    let Content::Encoded(name) = content else {
        return Ok(());
    };
    let message = format!(
        "Elements with the content type `{name}` are encoded values, which are not decoded here. \
         Send the texts themselves, with the content type `str`, `np` or `pd`, or with none."
    );
    Err(misfit(format!("{owner}/parameters/content_type"), message))
}

/// Index of an input in the list of a request's inputs.
#[derive(Clone, Copy)]
struct Place(usize);

impl Place {
    /// Returns the failure for a part of the input that does not fit. `part` is the JSON pointer
    /// from the input to this part. The pointer is empty if the whole input does not fit. `message`
    /// is sent to the caller.
    fn misfit(self, part: &str, message: String) -> ScoreFailure {
        misfit(format!("/inputs/{}{part}", self.0), message)
    }
}

/// Converts an input of a request to a tensor for `port`. Fails if the input does not fit the port.
fn tensor(
    port: &Port,
    place: Place,
    input: Input,
    binary: &mut Binary<'_>,
) -> Result<Tensor, ScoreFailure> {
    let wrong = |part: &str, message: String| place.misfit(part, message);
    let wanted = datatype(port.dtype);
    let declared = match input.dtype {
        Some(dtype) if accepts(port, dtype) => dtype,
        Some(dtype) => {
            let mut message = format!("The datatype of this input is {wanted}.");
            if dtype == Dtype::Bool && port.dtype != Dtype::Text {
                let setting = port.setting("boolean");
                message = format!("{message} BOOL is taken if scorebox.toml has `{setting}`.");
            }
            return Err(wrong("/datatype", message));
        }
        None => {
            return Err(wrong(
                "",
                format!("This input has no datatype, which is {wanted}."),
            ));
        }
    };
    let Some(shape) = input.shape else {
        return Err(wrong(
            "",
            format!("This input has no shape, which is {}.", shape_text(port)),
        ));
    };
    if shape.len() != port.shape.len() {
        let message = format!(
            "The shape has {}; the input is {}.",
            counted(shape.len() as u64, "dimension"),
            shape_text(port)
        );
        return Err(wrong("/shape", message));
    }
    for (index, (have, want)) in shape.iter().zip(&port.shape).enumerate() {
        if let Some(want) = want.filter(|want| want != have) {
            let message = format!(
                "This dimension is {have}, where {want} belongs; the input is {}.",
                shape_text(port)
            );
            return Err(wrong(&format!("/shape/{index}"), message));
        }
    }
    let elements = shape
        .iter()
        .try_fold(1u64, |product, dimension| product.checked_mul(*dimension));
    let bytes = |dtype: Dtype| elements?.checked_mul(dtype.bytes() as u64);
    let (Some(takes), Some(bytes), Some(_)) = (elements, bytes(declared), bytes(port.dtype)) else {
        return Err(wrong(
            "/shape",
            "No body holds a tensor of this shape.".to_owned(),
        ));
    };
    let data = match (input.data, input.parameters.binary_data_size) {
        (Some(_), Some(_)) => {
            return Err(wrong(
                "/data",
                "This input is binary by its parameters, and has data here too.".to_owned(),
            ));
        }
        (None | Some(Data::Skipped), None) => {
            return Err(wrong("", "This input has no data.".to_owned()));
        }
        (None, Some(size)) => {
            let wrong = |message| Err(wrong("/parameters/binary_data_size", message));
            if !binary.is_announced {
                return wrong(
                    "Binary data requires the header Inference-Header-Content-Length.".to_owned(),
                );
            }
            // The shape does not determine the size of texts. `Tensor::fits` checks their bytes
            // below.
            if size != bytes && port.dtype != Dtype::Text {
                return wrong(format!(
                    "The input has {}; {shape:?} of {} takes {bytes}.",
                    counted(size, "byte"),
                    datatype(declared)
                ));
            }
            let data = usize::try_from(size)
                .ok()
                .and_then(|size| binary.rest.split_off(..size));
            match data {
                Some(data) if declared == port.dtype => data.to_vec(),
                Some(data) => converted(port.dtype, declared, data)
                    .map_err(|NoElement(message)| place.misfit("", message))?,
                None => {
                    let left = counted(binary.rest.len() as u64, "byte");
                    return wrong(format!("The body has only {left} left for this input."));
                }
            }
        }
        (Some(Data::Read(read)), None) => {
            let have = count(port.dtype, &read.data).unwrap_or_default();
            if have != takes {
                return Err(wrong(
                    "/data",
                    format!(
                        "The data has {}, and the shape {shape:?} takes {takes}.",
                        counted(have, "element")
                    ),
                ));
            }
            let nested = read.nested.unwrap_or_default();
            if nested
                .iter()
                .zip(&shape)
                .any(|(have, want)| have.is_some_and(|have| have != *want))
            {
                return Err(wrong(
                    "/data",
                    format!("The lists are nested differently from the shape {shape:?}."),
                ));
            }
            read.data
        }
    };
    let tensor = Tensor {
        name: port.name.clone(),
        dtype: port.dtype,
        shape,
        data,
    };
    tensor
        .fits(port)
        .map_err(|reason| wrong("", format!("This input does not fit: {reason}.")))?;
    Ok(tensor)
}
