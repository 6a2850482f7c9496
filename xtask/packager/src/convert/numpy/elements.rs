//! Elements of arrays in the form of safetensors: little-endian and row-major.
//!
//! Owns the copy of an array's data, and the check that the data has the size that the header
//! states. Memory is allocated for bytes that exist, never for bytes that a header announces. Must
//! not know files.

use std::io::{self, Read, Write};

use safetensors::Dtype;

use super::error::ArrayError;
use super::header::Header;

/// Maximum number of bytes of an array that are in memory at a time, if the array is not
/// transposed. The number is a multiple of the size of every element type.
const PIECE_BYTES: usize = 64 << 10;

/// Reason why the elements of an array could not be copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// The array is invalid, or the file that holds it cannot be read.
    #[error(transparent)]
    Array(#[from] ArrayError),
    /// The elements cannot be written to the target file.
    #[error("cannot be written to: {0}")]
    Target(#[source] io::Error),
}

/// Copies the elements of an array from `from` to `to`, in little-endian and row-major order. Fails
/// if `from` does not hold exactly as many bytes as the header states, if a boolean element is
/// neither 0 nor 1, if `from` cannot be read, or if `to` cannot be written.
pub fn copy(header: &Header, from: &mut dyn Read, to: &mut dyn Write) -> Result<(), CopyError> {
    // With fewer than two dimensions, column-major and row-major order are equal.
    if header.is_fortran && header.shape.len() > 1 {
        let mut data = Vec::new();
        from.take(header.data_bytes as u64)
            .read_to_end(&mut data)
            .map_err(ArrayError::Unreadable)?;
        if data.len() != header.data_bytes {
            return Err(cut(header, data.len()).into());
        }
        adapt(header, &mut data)?;
        transpose(header, &data, to).map_err(CopyError::Target)?;
    } else {
        let mut piece = vec![0; PIECE_BYTES.min(header.data_bytes)];
        let mut done = 0;
        while done < header.data_bytes {
            let wanted = PIECE_BYTES.min(header.data_bytes - done);
            let piece = piece.get_mut(..wanted).unwrap_or_default();
            let count = fill(from, piece).map_err(ArrayError::Unreadable)?;
            if count < wanted {
                return Err(cut(header, done + count).into());
            }
            adapt(header, piece)?;
            to.write_all(piece).map_err(CopyError::Target)?;
            done += wanted;
        }
    }
    // At the end of a zip's member this read also compares the member's checksum.
    match fill(from, &mut [0]).map_err(ArrayError::Unreadable)? {
        0 => Ok(()),
        _ => Err(CopyError::Array(ArrayError::TooLong {
            data_bytes: header.data_bytes,
        })),
    }
}

fn cut(header: &Header, found_bytes: usize) -> ArrayError {
    ArrayError::Cut {
        found_bytes,
        data_bytes: header.data_bytes,
    }
}

/// Reads from `from` until `buffer` is full or no bytes are left. Returns the number of bytes that
/// were read. Fails if `from` cannot be read.
fn fill(from: &mut dyn Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    while let Some(rest) = buffer.get_mut(count..).filter(|rest| !rest.is_empty()) {
        match from.read(rest) {
            Ok(0) => break,
            Ok(read) => count += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(count)
}

/// Converts the elements of an array to little-endian in place. Fails if the array is boolean and
/// an element is neither 0 nor 1.
fn adapt(header: &Header, elements: &mut [u8]) -> Result<(), ArrayError> {
    if header.is_big_endian {
        elements
            .chunks_exact_mut(header.width)
            .for_each(<[u8]>::reverse);
    }
    if header.dtype == Dtype::BOOL && elements.iter().any(|byte| *byte > 1) {
        return Err(ArrayError::NotBool);
    }
    Ok(())
}

/// A dimension of an array, and the current index in it while the elements are visited in row-major
/// order.
struct Axis {
    size: usize,
    /// Distance in bytes between two elements whose indices in this dimension differ by 1.
    stride: usize,
    index: usize,
}

/// Writes the elements of an array to `to` in row-major order: the last dimension varies fastest.
/// `data` has the elements in column-major order: the first dimension varies fastest. Fails if `to`
/// cannot be written.
fn transpose(header: &Header, data: &[u8], to: &mut dyn Write) -> io::Result<()> {
    let mut stride = header.width;
    let mut axes = Vec::with_capacity(header.shape.len());
    for size in &header.shape {
        axes.push(Axis {
            size: *size,
            stride,
            index: 0,
        });
        // The stride stays within the size of the data. Only an array without elements may exceed
        // it, and no element of such an array is written.
        stride = stride.saturating_mul(*size);
    }
    let mut at = 0;
    let mut row = Vec::with_capacity(PIECE_BYTES);
    for _ in 0..data.len() / header.width {
        row.extend_from_slice(data.get(at..at + header.width).unwrap_or_default());
        if row.len() >= PIECE_BYTES {
            to.write_all(&row)?;
            row.clear();
        }
        for axis in axes.iter_mut().rev() {
            axis.index += 1;
            at += axis.stride;
            if axis.index < axis.size {
                break;
            }
            at -= axis.stride * axis.size;
            axis.index = 0;
        }
    }
    to.write_all(&row)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn header(dtype: Dtype, width: usize, shape: &[usize]) -> Header {
        let data_bytes = shape.iter().product::<usize>() * width;
        let shape = shape.to_vec();
        Header {
            dtype,
            width,
            is_big_endian: false,
            is_fortran: false,
            shape,
            data_bytes,
            header_bytes: 80,
        }
    }

    fn copied(header: &Header, data: &[u8]) -> Result<Vec<u8>, String> {
        let mut to = Vec::new();
        match copy(header, &mut &*data, &mut to) {
            Ok(()) => Ok(to),
            Err(CopyError::Array(problem)) => Err(problem.to_string()),
            Err(CopyError::Target(error)) => panic!("{error}"),
        }
    }

    #[test]
    fn elements_are_swapped_transposed_and_counted() {
        let plain = header(Dtype::U16, 2, &[2, 3]);
        let data: Vec<u8> = (0..12).collect();
        assert_eq!(copied(&plain, &data), Ok(data.clone()));
        let big = Header {
            is_big_endian: true,
            ..plain.clone()
        };
        assert_eq!(
            copied(&big, &data),
            Ok(vec![1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10])
        );
        let fortran = Header {
            is_fortran: true,
            ..big.clone()
        };
        assert_eq!(
            copied(&fortran, &data),
            Ok(vec![1, 0, 5, 4, 9, 8, 3, 2, 7, 6, 11, 10])
        );
        for one in [&plain, &fortran] {
            let refused = |data: &[u8]| copied(one, data).unwrap_err();
            assert!(
                refused(&data[..11]).contains("holds 11 bytes of data, and its header says 12")
            );
            assert!(refused(&[]).contains("holds 0 bytes"));
            assert!(refused(&[&data[..], &[0]].concat()).contains("holds more than the 12 bytes"));
        }
        let flags = header(Dtype::BOOL, 1, &[2]);
        assert_eq!(copied(&flags, &[1, 0]), Ok(vec![1, 0]));
        assert!(
            copied(&flags, &[1, 2])
                .unwrap_err()
                .contains("neither 0 nor 1")
        );
        assert_eq!(
            copied(
                &Header {
                    is_fortran: true,
                    ..header(Dtype::F64, 8, &[3, 0, 2])
                },
                &[]
            ),
            Ok(vec![])
        );
    }

    #[test]
    fn an_array_of_several_pieces_is_written_once() {
        let shape = [2, 3 * PIECE_BYTES / 2];
        let row_major: Vec<u8> = (0..shape[0] * shape[1])
            .map(|index| (index / 7) as u8)
            .collect();
        let (first, second) = row_major.split_at(shape[1]);
        let column_major: Vec<u8> = first
            .iter()
            .zip(second)
            .flat_map(|(one, two)| [*one, *two])
            .collect();
        let plain = header(Dtype::U8, 1, &shape);
        assert_eq!(copied(&plain, &row_major), Ok(row_major.clone()));
        let fortran = Header {
            is_fortran: true,
            ..plain
        };
        assert_eq!(copied(&fortran, &column_major), Ok(row_major));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn both_orders_hold_the_same_elements(shape in prop::collection::vec(1_usize..6, 0..5), is_big_endian: bool) {
            let elements: usize = shape.iter().product();
            let row_major: Vec<u8> = (0..elements as u32).flat_map(u32::to_le_bytes).collect();
            // The data are placed element by element, by the definition of the order.
            let mut data = vec![0; row_major.len()];
            for flat in 0..elements {
                let (mut rest, mut place, mut stride) = (flat, 0, elements);
                for size in shape.iter().rev() {
                    stride /= size;
                    place += rest % size * stride;
                    rest /= size;
                }
                let element = &row_major[flat * 4..flat * 4 + 4];
                data[place * 4..place * 4 + 4].copy_from_slice(element);
                if is_big_endian {
                    data[place * 4..place * 4 + 4].reverse();
                }
            }
            let header = Header { is_fortran: true, is_big_endian, ..header(Dtype::U32, 4, &shape) };
            prop_assert_eq!(copied(&header, &data), Ok(row_major));
        }
    }
}
