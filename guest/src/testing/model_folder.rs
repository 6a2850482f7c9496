//! The files of a model on the disk, and the tensors of its safetensors files.
//!
//! Owns the reading of a folder and of the format safetensors. Must not know who asks for a tensor.

use std::io;
use std::path::Path;

use serde_json::Value;

use crate::Dtype;

/// A tensor of the model of a mock host. Its bytes are little-endian and in row-major order.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) dtype: Dtype,
    pub(crate) shape: Vec<u64>,
    pub(crate) bytes: Vec<u8>,
}

/// Files of a model, each with its name and its bytes.
type Files = Vec<(String, Vec<u8>)>;
/// Tensors of a model, each with its name.
type Tensors = Vec<(String, Stored)>;

/// Reads the files below the folder `path`, or the file `path`, and the tensors of those that end
/// in `.safetensors`. Hidden files are left out.
pub(crate) fn read(path: &Path) -> io::Result<(Files, Tensors)> {
    let mut files = Vec::new();
    if path.is_dir() {
        list(path, "", &mut files)?;
    } else {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        files.push((name.into_owned(), std::fs::read(path)?));
    }
    let mut tensors = Vec::new();
    for (name, bytes) in &files {
        if name.ends_with(".safetensors") {
            let found = safetensors(bytes).ok_or_else(|| {
                let text = format!("{}: {name} is not a safetensors file", path.display());
                io::Error::new(io::ErrorKind::InvalidData, text)
            })?;
            tensors.extend(found);
        }
    }
    Ok((files, tensors))
}

fn list(folder: &Path, prefix: &str, files: &mut Files) -> io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with('.') {
            continue;
        }
        let whole = format!("{prefix}{name}");
        if path.is_dir() {
            list(&path, &format!("{whole}/"), files)?;
        } else {
            files.push((whole, std::fs::read(&path)?));
        }
    }
    Ok(())
}

/// Returns the tensors of a safetensors file: the length of a JSON header, the header, and the
/// bytes of all tensors. Returns `None` if the file is damaged or has a tensor of an unknown type.
fn safetensors(file: &[u8]) -> Option<Tensors> {
    let (length, rest) = file.split_first_chunk::<8>()?;
    let length = usize::try_from(u64::from_le_bytes(*length)).ok()?;
    let (header, data) = rest.split_at_checked(length)?;
    let header: Value = serde_json::from_slice(header).ok()?;
    let described = header.as_object()?.iter();
    described
        .filter(|(name, _)| *name != "__metadata__")
        .map(|(name, tensor)| Some((name.clone(), stored(tensor, data)?)))
        .collect()
}

fn stored(described: &Value, data: &[u8]) -> Option<Stored> {
    let numbers = |name: &str| -> Option<Vec<u64>> {
        described
            .get(name)?
            .as_array()?
            .iter()
            .map(Value::as_u64)
            .collect()
    };
    let dtype = dtype(described.get("dtype")?.as_str()?)?;
    let shape = numbers("shape")?;
    let [start, end] = <[u64; 2]>::try_from(numbers("data_offsets")?).ok()?;
    let bytes = data.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
    let count = shape
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul(*size))?;
    let fits = count.checked_mul(width(dtype))? == bytes.len() as u64;
    fits.then(|| Stored {
        dtype,
        shape,
        bytes: bytes.to_vec(),
    })
}

fn dtype(name: &str) -> Option<Dtype> {
    Some(match name {
        "BOOL" => Dtype::Bool,
        "U8" => Dtype::U8,
        "I8" => Dtype::I8,
        "U16" => Dtype::U16,
        "I16" => Dtype::I16,
        "F16" => Dtype::F16,
        "BF16" => Dtype::Bf16,
        "U32" => Dtype::U32,
        "I32" => Dtype::I32,
        "F32" => Dtype::F32,
        "U64" => Dtype::U64,
        "I64" => Dtype::I64,
        "F64" => Dtype::F64,
        _ => return None,
    })
}

/// Returns the size of one element of the type `dtype`, in bytes.
pub(crate) fn width(dtype: Dtype) -> u64 {
    match dtype {
        Dtype::Bool | Dtype::U8 | Dtype::I8 => 1,
        Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
        Dtype::U32 | Dtype::I32 | Dtype::F32 => 4,
        Dtype::U64 | Dtype::I64 | Dtype::F64 => 8,
    }
}
