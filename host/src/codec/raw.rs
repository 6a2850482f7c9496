//! One tensor of numbers as its bare bytes, which are row-major and little-endian.
//!
//! Owns how the number of bytes gives the size of the open dimension. Must not know media types.

use crate::error::ScoreFailure;
use crate::model::Dtype;
use crate::tensor::{Port, Tensor, only, shape_text};
use crate::text::counted;

/// Returns true if the bytes of a body alone define the input tensor. This is the case if only one
/// port is not optional, its elements are not texts, and at most one of its dimensions is open. The
/// number of bytes gives the size of the open dimension.
pub(super) fn is_enough(ports: &[Port]) -> bool {
    let Some((_, port)) = only(ports) else {
        return false;
    };
    port.dtype != Dtype::Text
        && port
            .shape
            .iter()
            .filter(|dimension| dimension.is_none())
            .count()
            <= 1
}

/// Decodes a body of bare bytes into the tensor of the only input port.
///
/// # Errors
/// Fails if no shape that the port accepts has as many bytes as the body, or if a boolean is
/// neither 0 nor 1.
pub(super) fn read(port: &Port, body: &[u8]) -> Result<Tensor, ScoreFailure> {
    let shape = shape(port, body.len())?;
    let tensor = Tensor {
        name: port.name.clone(),
        dtype: port.dtype,
        shape,
        data: body.to_vec(),
    };
    tensor
        .fits(port)
        .map_err(|reason| misfit(format!("The body does not fit: {reason}.")))?;
    Ok(tensor)
}

/// Returns the failure for a body that does not fit the port. `message` is sent to the caller.
fn misfit(message: String) -> ScoreFailure {
    ScoreFailure::NotConforming {
        message,
        pointer: String::new(),
    }
}

fn shape(port: &Port, bytes: usize) -> Result<Vec<u64>, ScoreFailure> {
    let known = port
        .shape
        .iter()
        .flatten()
        .try_fold(port.dtype.bytes() as u64, |product, size| {
            product.checked_mul(*size)
        });
    let bytes = bytes as u64;
    let is_open = port.shape.contains(&None);
    let open = match known {
        Some(known) if is_open && known > 0 && bytes.is_multiple_of(known) => bytes / known,
        Some(0) if is_open && bytes == 0 => 0,
        Some(known) if !is_open && known == bytes => 0,
        _ => {
            let wanted = match known {
                Some(known) if is_open => format!("a multiple of {known}"),
                Some(known) => known.to_string(),
                None => "more than there are".to_owned(),
            };
            let (shape, dtype) = (shape_text(port), port.dtype.name());
            let bytes = counted(bytes, "byte");
            return Err(misfit(format!(
                "The body has {bytes}, and {shape} of {dtype} takes {wanted}."
            )));
        }
    };
    Ok(port
        .shape
        .iter()
        .map(|dimension| dimension.unwrap_or(open))
        .collect())
}
