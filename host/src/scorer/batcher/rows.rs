//! Rows of a batch: the input tensors of several calls joined along axis 0, and the output tensors
//! split again.
//!
//! Owns which inputs can be joined, the order of their rows, and when an answer cannot be split.
//! Must not know deadlines, or how calls are run.

use crate::tensor::Tensor;

/// Returns the number of rows of a call, which is the size of axis 0 of every input. Returns `None`
/// if the inputs do not all have the same number of rows, if an input has no dimensions, or if
/// there are no inputs.
pub(super) fn count(inputs: &[Tensor]) -> Option<u64> {
    let first = inputs.first()?.shape.first().copied();
    first.filter(|_| {
        inputs
            .iter()
            .all(|input| input.shape.first().copied() == first)
    })
}

/// Returns true if the inputs of two calls have the same names and rows of the same shapes, so that
/// the calls can be joined.
pub(super) fn alike(a: &[Tensor], b: &[Tensor]) -> bool {
    a.len() == b.len()
        && a.iter()
            .zip(b)
            .all(|(a, b)| a.name == b.name && a.shape.get(1..) == b.shape.get(1..))
}

/// Joins the inputs of several calls along axis 0. The inputs must be alike, as [`alike`] checks.
/// `total` is the number of rows of all calls.
pub(super) fn join<'a>(mut calls: impl Iterator<Item = &'a [Tensor]>, total: u64) -> Vec<Tensor> {
    let mut joined = calls.next().map(<[Tensor]>::to_vec).unwrap_or_default();
    for call in calls {
        for (input, other) in joined.iter_mut().zip(call) {
            input.data.extend_from_slice(&other.data);
        }
    }
    for dimension in joined
        .iter_mut()
        .filter_map(|input| input.shape.first_mut())
    {
        *dimension = total;
    }
    joined
}

/// Splits `outputs`, the answer of a batch, into the outputs of each call. `rows` has the number of
/// rows of each call. Returns `None` if an output does not have as many rows as the batch, or if
/// its bytes cannot be divided into rows.
pub(super) fn split(outputs: &[Tensor], rows: &[u64]) -> Option<Vec<Vec<Tensor>>> {
    let total: u64 = rows.iter().sum();
    let mut parts: Vec<Vec<Tensor>> = rows
        .iter()
        .map(|_| Vec::with_capacity(outputs.len()))
        .collect();
    for output in outputs {
        let row_bytes = usize::try_from((output.data.len() as u64).checked_div(total)?).ok()?;
        if output.shape.first() != Some(&total)
            || row_bytes as u64 * total != output.data.len() as u64
        {
            return None;
        }
        let mut rest = output.data.as_slice();
        for (rows, part) in rows.iter().zip(&mut parts) {
            let (data, after) = rest.split_at_checked(row_bytes * usize::try_from(*rows).ok()?)?;
            rest = after;
            let mut shape = output.shape.clone();
            *shape.first_mut()? = *rows;
            part.push(Tensor {
                name: output.name.clone(),
                dtype: output.dtype,
                shape,
                data: data.to_vec(),
            });
        }
    }
    Some(parts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scorer::batcher::tests::tensor;

    #[test]
    fn joined_rows_stand_in_the_order_of_the_calls() {
        let calls = [tensor(&[1, 2]), tensor(&[3]), tensor(&[4])];
        let joined = join(calls.iter().map(Vec::as_slice), 4);
        assert_eq!(joined, tensor(&[1, 2, 3, 4]));
        let parts = split(&joined, &[2, 1, 1]).unwrap();
        assert_eq!(parts, calls);
    }

    #[test]
    fn an_answer_with_other_rows_cannot_be_split() {
        assert_eq!(split(&tensor(&[7, 8]), &[2]).unwrap()[0][0].data, [7, 8]);
        assert_eq!(split(&tensor(&[7, 8, 9]), &[2]), None);
        let mut broken = tensor(&[7, 8, 9]);
        broken[0].shape = vec![2];
        assert_eq!(split(&broken, &[2]), None);
        broken[0].shape = Vec::new();
        assert_eq!(split(&broken, &[2]), None);
    }
}
