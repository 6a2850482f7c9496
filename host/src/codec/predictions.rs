//! The answer of KServe's protocol V1 and of MLflow: an object with the key `predictions`.
//!
//! Owns the form of the predictions. Must not know how a body is read, or how an element is
//! written.

use super::azure_ml;
use super::text::{self, Rows};
use crate::tensor::Tensor;

/// Encodes the tensors of the output ports as predictions.
///
/// The predictions are a list with one item for each row. If there are several outputs, an item is
/// an object with the row of each output. If the outputs do not have equally many rows, or if one
/// has no rows, the predictions are the answer in Azure ML's format.
pub(super) fn write(tensors: &[Tensor]) -> Vec<u8> {
    let mut body = Vec::with_capacity(32 + tensors.iter().map(text::capacity).sum::<usize>());
    body.extend_from_slice(b"{\"predictions\":");
    match rows(tensors) {
        Some((count, mut rows)) if rows.len() > 1 => {
            let mut keys = Vec::with_capacity(tensors.len());
            for (index, tensor) in tensors.iter().enumerate() {
                let mut key = vec![if index == 0 { b'{' } else { b',' }];
                text::string(&tensor.name, &mut key);
                key.push(b':');
                keys.push(key);
            }
            body.push(b'[');
            for row in 0..count {
                if row > 0 {
                    body.push(b',');
                }
                for (key, rows) in keys.iter().zip(&mut rows) {
                    body.extend_from_slice(key);
                    rows.next(&mut body);
                }
                body.push(b'}');
            }
            body.push(b']');
        }
        _ => body.extend_from_slice(&azure_ml::write(tensors)),
    }
    body.push(b'}');
    body
}

/// Returns the number of rows of the tensors, and a reader of the rows of each. Returns `None` if
/// the tensors do not have equally many rows, if one of them has no dimensions, or if there are no
/// tensors.
fn rows(tensors: &[Tensor]) -> Option<(u64, Vec<Rows<'_>>)> {
    let mut readers = Vec::with_capacity(tensors.len());
    let mut count = None;
    for tensor in tensors {
        let (rows, reader) = Rows::of(tensor)?;
        if *count.get_or_insert(rows) != rows {
            return None;
        }
        readers.push(reader);
    }
    Some((count?, readers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dtype;

    fn tensor(name: &str, shape: &[u64], values: &[u8]) -> Tensor {
        Tensor {
            name: name.into(),
            dtype: Dtype::U8,
            shape: shape.into(),
            data: values.into(),
        }
    }

    #[test]
    fn predictions_have_one_item_for_each_row() {
        #[track_caller]
        fn check(tensors: &[Tensor], expected: &str) {
            assert_eq!(String::from_utf8(write(tensors)).unwrap(), expected);
        }
        check(
            &[tensor("p", &[2, 2], &[1, 2, 3, 4])],
            r#"{"predictions":[[1,2],[3,4]]}"#,
        );
        let both = [
            tensor("label", &[2], &[7, 8]),
            tensor("p", &[2, 2], &[1, 2, 3, 4]),
        ];
        check(
            &both,
            r#"{"predictions":[{"label":7,"p":[1,2]},{"label":8,"p":[3,4]}]}"#,
        );
        check(
            &[tensor("label", &[0], &[]), tensor("p", &[0, 2], &[])],
            r#"{"predictions":[]}"#,
        );
        // Outputs that do not have equally many rows are not split into rows.
        check(
            &[tensor("label", &[2], &[7, 8]), tensor("mean", &[], &[9])],
            r#"{"predictions":{"label":[7,8],"mean":9}}"#,
        );
        check(&[tensor("mean", &[], &[9])], r#"{"predictions":9}"#);
    }
}
