//! Models in safetensors files, written for a test.
//!
//! Owns the writing of safetensors files. Must not know which program reads them.

use safetensors::tensor::TensorView;

pub use safetensors::Dtype;

/// A tensor to write: its name, its element type, its shape, and its elements as little-endian
/// bytes.
pub type Tensor<'a> = (&'a str, Dtype, &'a [usize], Vec<u8>);

/// Returns the bytes of a safetensors file with the given tensors.
#[must_use]
pub fn file(tensors: &[Tensor<'_>]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, data)| {
        (
            *name,
            TensorView::new(*dtype, shape.to_vec(), data).expect("the data fits the shape"),
        )
    });
    safetensors::serialize(views, None).expect("the tensors can be written")
}

/// Expands to the little-endian bytes of numbers.
#[macro_export]
macro_rules! bytes {
    ($type:ty: $($value:expr),* $(,)?) => {{
        let values: Vec<$type> = vec![$($value),*];
        values.into_iter().flat_map(<$type>::to_le_bytes).collect::<Vec<u8>>()
    }};
}
