//! Tensors as the host handles them: by value, checked against a port.
//!
//! Owns the agreement of a tensor with its port. Must not know JSON, nor the generated types.

use super::signature::Port;
use crate::model::Dtype;

/// A dense tensor: row-major, little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// The name of its port.
    pub name: String,
    /// The type of its elements.
    pub dtype: Dtype,
    /// The product of the dimensions is the number of elements.
    pub shape: Vec<u64>,
    /// The elements.
    pub data: Vec<u8>,
}

/// Most lists that an empty tensor may consist of.
const EMPTY_LISTS: u64 = 1 << 20;

impl Tensor {
    /// Checks what a scorer gave against the port it gave it for; the error says what does not fit.
    ///
    /// # Errors
    /// Type, shape or number of bytes disagree.
    pub fn fits(&self, port: &Port) -> Result<(), String> {
        if self.dtype != port.dtype {
            return Err(format!("`{}` is {}, and its port is {}", self.name, self.dtype.name(), port.dtype.name()));
        }
        let fits = self.shape.len() == port.shape.len()
            && self.shape.iter().zip(&port.shape).all(|(have, want)| want.is_none_or(|want| want == *have));
        if !fits {
            return Err(format!("`{}` has the shape {:?}, and its port {}", self.name, self.shape, shape_text(port)));
        }
        let elements = self.shape.iter().try_fold(1u64, |product, dimension| product.checked_mul(*dimension));
        let bytes = elements.and_then(|elements| elements.checked_mul(self.dtype.bytes() as u64));
        if bytes != Some(self.data.len() as u64) {
            return Err(format!("`{}` has {} bytes, and its shape is {:?}", self.name, self.data.len(), self.shape));
        }
        // An empty tensor has no bytes to bound its other dimensions, and each of them is a list to write.
        let lists = self.shape.iter().take_while(|dimension| **dimension > 0).try_fold(1u64, |product, dimension| {
            product
                .checked_mul(*dimension)
                .filter(|product| self.shape.iter().all(|d| *d > 0) || *product <= EMPTY_LISTS)
        });
        if lists.is_none() {
            return Err(format!("`{}` is empty, and its shape is {:?}", self.name, self.shape));
        }
        if self.dtype == Dtype::Bool && self.data.iter().any(|byte| *byte > 1) {
            return Err(format!("`{}` is bool and holds a byte that is neither 0 nor 1", self.name));
        }
        Ok(())
    }
}

/// A port's shape for people: `[N, 784]`, where `N` is open.
#[must_use]
pub fn shape_text(port: &Port) -> String {
    let dimensions: Vec<_> =
        port.shape.iter().map(|dimension| dimension.map_or_else(|| "N".to_owned(), |size| size.to_string())).collect();
    format!("[{}]", dimensions.join(", "))
}
