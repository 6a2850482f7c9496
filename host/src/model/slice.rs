//! Parts of a tensor or a file, copied out and, where asked, as `f32`.
//!
//! Owns range checks, the size limit and the conversion. Must not know where the bytes come from.

use half::{bf16, f16};

use super::{Dtype, Model, TensorInfo};

/// Most that one read copies out, in bytes: what fits an instance of the default size twice over, and far more than a
/// scorer should copy per call.
pub const READ_LIMIT_BYTES: u64 = 64 << 20;

/// Why a part cannot be given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SliceError {
    /// It does not lie within the tensor or file.
    OutOfRange,
    /// It exceeds [`READ_LIMIT_BYTES`].
    TooLarge,
    /// Elements of this type have no `f32`.
    WrongType(Dtype),
}

impl Model {
    /// `count` elements from flat index `start`, in the tensor's own type.
    ///
    /// # Errors
    /// The range is not within the tensor, or more than one read gives.
    pub fn slice(&self, tensor: &TensorInfo, start: u64, count: u64) -> Result<&[u8], SliceError> {
        let width = tensor.dtype.bytes() as u64;
        let from = start.checked_mul(width).ok_or(SliceError::OutOfRange)?;
        let length = count.checked_mul(width).ok_or(SliceError::OutOfRange)?;
        part(self.tensor_bytes(tensor), from, length)
    }

    /// The same as `f32`.
    ///
    /// # Errors
    /// As [`Model::slice`], or the elements are not floating point.
    pub fn floats(&self, tensor: &TensorInfo, start: u64, count: u64) -> Result<Vec<f32>, SliceError> {
        check_float(tensor.dtype)?;
        check_size(count)?;
        let bytes = self.slice(tensor, start, count)?;
        let mut floats = Vec::with_capacity(bytes.len() / tensor.dtype.bytes());
        append(tensor.dtype, bytes, &mut floats);
        Ok(floats)
    }

    /// Rows of axis 0 by index, concatenated, as `f32`.
    ///
    /// # Errors
    /// An index is not within the tensor, the rows are more than one read gives, or the elements are not floating point.
    pub fn rows(&self, tensor: &TensorInfo, indices: &[u64]) -> Result<Vec<f32>, SliceError> {
        check_float(tensor.dtype)?;
        let (rows, row) = match tensor.shape.split_first() {
            // The file was checked: the product is the tensor's size, so it does not overflow.
            Some((rows, inner)) => (*rows, inner.iter().product::<u64>()),
            None => (0, 0),
        };
        if indices.iter().any(|index| *index >= rows) {
            return Err(SliceError::OutOfRange);
        }
        let count = row.checked_mul(indices.len() as u64).ok_or(SliceError::TooLarge)?;
        check_size(count)?;
        let mut floats = Vec::with_capacity(usize::try_from(count).map_err(|_| SliceError::TooLarge)?);
        for index in indices {
            append(tensor.dtype, self.slice(tensor, index * row, row)?, &mut floats);
        }
        Ok(floats)
    }
}

/// `count` bytes from `start`; fewer at the end.
///
/// # Errors
/// `start` lies past the end, or more is asked than one read gives.
pub fn file_part(bytes: &[u8], start: u64, count: u64) -> Result<&[u8], SliceError> {
    let left = (bytes.len() as u64).checked_sub(start).ok_or(SliceError::OutOfRange)?;
    part(bytes, start, count.min(left))
}

fn part(bytes: &[u8], from: u64, length: u64) -> Result<&[u8], SliceError> {
    let to = from.checked_add(length).ok_or(SliceError::OutOfRange)?;
    let index = |value| usize::try_from(value).map_err(|_| SliceError::OutOfRange);
    let slice = bytes.get(index(from)?..index(to)?).ok_or(SliceError::OutOfRange)?;
    if length > READ_LIMIT_BYTES {
        return Err(SliceError::TooLarge);
    }
    Ok(slice)
}

fn check_float(dtype: Dtype) -> Result<(), SliceError> {
    match dtype {
        Dtype::Bf16 | Dtype::F16 | Dtype::F32 | Dtype::F64 => Ok(()),
        other => Err(SliceError::WrongType(other)),
    }
}

/// The limit is on what is given, which for half precision is twice what is read.
fn check_size(floats: u64) -> Result<(), SliceError> {
    match floats.checked_mul(4) {
        Some(bytes) if bytes <= READ_LIMIT_BYTES => Ok(()),
        _ => Err(SliceError::TooLarge),
    }
}

fn append(dtype: Dtype, bytes: &[u8], floats: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => floats.extend(bytes.as_chunks().0.iter().map(|chunk| f32::from_le_bytes(*chunk))),
        #[expect(clippy::cast_possible_truncation, reason = "rounding to single precision is what was asked for")]
        Dtype::F64 => floats.extend(bytes.as_chunks().0.iter().map(|chunk| f64::from_le_bytes(*chunk) as f32)),
        Dtype::F16 => floats.extend(bytes.as_chunks().0.iter().map(|chunk| f16::from_le_bytes(*chunk).to_f32())),
        Dtype::Bf16 => floats.extend(bytes.as_chunks().0.iter().map(|chunk| bf16::from_le_bytes(*chunk).to_f32())),
        // `check_float` has refused these.
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with `t` f32 [3, 2] = 0…5, `h` f16 [2], `i` i64 [2] and `s`, a scalar.
    fn model() -> (tempfile::TempDir, Model) {
        let floats: Vec<u8> = (0..6u8).flat_map(|i| f32::from(i).to_le_bytes()).collect();
        let halves: Vec<u8> = [0.5f32, -2.0].iter().flat_map(|x| f16::from_f32(*x).to_le_bytes()).collect();
        let integers: Vec<u8> = [7i64, -7].iter().flat_map(|x| x.to_le_bytes()).collect();
        let scalar = 1.5f64.to_le_bytes();
        let view = |dtype, shape, bytes| safetensors::tensor::TensorView::new(dtype, shape, bytes).unwrap();
        let bytes = safetensors::serialize(
            [
                ("t", view(safetensors::Dtype::F32, vec![3, 2], floats.as_slice())),
                ("h", view(safetensors::Dtype::F16, vec![2], &halves)),
                ("i", view(safetensors::Dtype::I64, vec![2], &integers)),
                ("s", view(safetensors::Dtype::F64, vec![], &scalar)),
            ],
            None,
        )
        .unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("m.safetensors"), bytes).unwrap();
        std::fs::write(folder.path().join("labels.txt"), "ab").unwrap();
        let model = Model::open(folder.path()).unwrap();
        (folder, model)
    }

    #[test]
    fn parts_are_exact_and_ranges_are_kept() {
        let (_folder, model) = model();
        let tensor = |name| model.tensor(name).unwrap();
        assert_eq!(model.tensors().map(|t| t.name.as_str()).collect::<Vec<_>>(), ["h", "i", "s", "t"]);
        assert_eq!(model.files().collect::<Vec<_>>(), ["labels.txt", "m.safetensors"]);
        assert_eq!(model.floats(tensor("t"), 1, 3), Ok(vec![1.0, 2.0, 3.0]));
        assert_eq!(model.floats(tensor("t"), 6, 0), Ok(vec![]));
        assert_eq!(model.floats(tensor("t"), 6, 1), Err(SliceError::OutOfRange));
        assert_eq!(model.floats(tensor("t"), u64::MAX, 2), Err(SliceError::OutOfRange));
        assert_eq!(model.floats(tensor("t"), 0, u64::MAX), Err(SliceError::TooLarge));
        assert_eq!(model.floats(tensor("h"), 0, 2), Ok(vec![0.5, -2.0]));
        assert_eq!(model.floats(tensor("s"), 0, 1), Ok(vec![1.5]));
        assert_eq!(model.floats(tensor("i"), 0, 1), Err(SliceError::WrongType(Dtype::I64)));
        assert_eq!(model.slice(tensor("i"), 1, 1), Ok((-7i64).to_le_bytes().as_slice()));
        assert_eq!(model.rows(tensor("t"), &[2, 0, 2]), Ok(vec![4.0, 5.0, 0.0, 1.0, 4.0, 5.0]));
        assert_eq!(model.rows(tensor("t"), &[3]), Err(SliceError::OutOfRange));
        assert_eq!(model.rows(tensor("s"), &[0]), Err(SliceError::OutOfRange));
        assert_eq!(file_part(model.file("labels.txt").unwrap(), 1, 9), Ok(b"b".as_slice()));
        assert_eq!(file_part(model.file("labels.txt").unwrap(), 3, 1), Err(SliceError::OutOfRange));
    }

    #[test]
    fn the_digest_depends_on_names_and_bytes() {
        let (folder, model) = model();
        let again = Model::open(folder.path()).unwrap();
        assert_eq!(model.digest(), again.digest());
        std::fs::rename(folder.path().join("labels.txt"), folder.path().join("names.txt")).unwrap();
        assert_ne!(model.digest(), Model::open(folder.path()).unwrap().digest());
    }

    #[test]
    fn a_missing_or_damaged_model_is_named() {
        #[track_caller]
        fn check(path: &std::path::Path, expected: &str) {
            let message = Model::open(path).err().unwrap().to_string();
            assert!(message.contains(expected) && message.contains("fix: "), "{message}");
        }
        let folder = tempfile::tempdir().unwrap();
        check(&folder.path().join("none"), "cannot be read");
        check(folder.path(), "holds no file");
        std::fs::write(folder.path().join("m.safetensors"), b"\xff\xff\xff\xff\xff\xff\xff\xffnot a header").unwrap();
        check(folder.path(), "is not a safetensors file");
    }
}
