//! Tensors as the host handles them: by value, checked against a port.
//!
//! Owns the form of a tensor's bytes, and their agreement with the port. Must not know the formats
//! of bodies, the generated types, nor the code that computes.

mod misfit;
mod port;
mod sizes;

pub use self::misfit::{Misfit, TextFault};
pub use self::port::{InputFacts, Port, PortLists, Requests, near, only, shape_text};
pub use self::sizes::{EqualSizes, UnequalSizes};
use crate::model::Dtype;
use crate::text::{NAME_BYTES, quoted};

/// Dense tensor. Its elements are in row-major order and little-endian.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tensor {
    /// Name of the port (input or output) that the tensor belongs to.
    pub name: String,
    /// Type of the tensor's elements.
    pub dtype: Dtype,
    /// Dimensions of the tensor. Their product is the number of elements.
    pub shape: Vec<u64>,
    /// Bytes of the tensor's elements, without padding. An element that is a text is preceded by
    /// its length in four bytes.
    pub data: Vec<u8>,
}

/// Maximum number of nested lists that a tensor without elements may need when it is encoded as
/// lists.
const EMPTY_LISTS: u64 = 1 << 20;

/// Maximum number of dimensions of a tensor. An error about a tensor with more dimensions states
/// only their number, not the size of each.
const DIMENSIONS: usize = 64;

/// Puts tensors into the order of their ports, and checks that each tensor fits its port.
///
/// # Errors
/// Fails if a tensor is missing whose port is not optional, or if a tensor is given twice, belongs
/// to no port, or does not fit its port.
pub fn in_order(ports: &[Port], mut tensors: Vec<Tensor>) -> Result<Vec<Tensor>, Misfit> {
    let mut ordered = Vec::with_capacity(ports.len());
    for port in ports {
        let index = tensors.iter().position(|tensor| tensor.name == port.name);
        let Some(index) = index else {
            if port.optional {
                continue;
            }
            return Err(Misfit::Missing(port.name.clone()));
        };
        let tensor = tensors.swap_remove(index);
        tensor.fits(port)?;
        ordered.push(tensor);
    }
    match tensors.first() {
        None => Ok(ordered),
        Some(extra) => Err(Misfit::NoPort(quoted(&extra.name, NAME_BYTES))),
    }
}

impl Tensor {
    /// Checks that this tensor fits a port. The name of the tensor is not compared.
    ///
    /// # Errors
    /// Fails if the type, the shape, the number of bytes or a value does not fit the port.
    pub fn fits(&self, port: &Port) -> Result<(), Misfit> {
        let (name, shape) = (|| self.name.clone(), || self.shape.clone());
        if self.dtype != port.dtype {
            return Err(Misfit::Dtype {
                name: name(),
                found: self.dtype,
                expected: port.dtype,
            });
        }
        if self.shape.len() > DIMENSIONS {
            return Err(Misfit::ManyDimensions {
                name: name(),
                dimensions: self.shape.len(),
                port: Box::new(port.clone()),
            });
        }
        let fits = self.shape.len() == port.shape.len()
            && self
                .shape
                .iter()
                .zip(&port.shape)
                .all(|(have, want)| want.is_none_or(|want| want == *have));
        if !fits {
            return Err(Misfit::Shape {
                name: name(),
                shape: shape(),
                port: Box::new(port.clone()),
            });
        }
        let elements = self
            .shape
            .iter()
            .try_fold(1u64, |product, dimension| product.checked_mul(*dimension));
        match self.dtype {
            Dtype::Text => {
                let found = count_texts(&self.data).map_err(|(index, fault)| Misfit::Text {
                    name: name(),
                    index,
                    fault,
                })?;
                if Some(found) != elements {
                    return Err(Misfit::Texts {
                        name: name(),
                        shape: shape(),
                    });
                }
            }
            _ => {
                let bytes =
                    elements.and_then(|elements| elements.checked_mul(self.dtype.bytes() as u64));
                if bytes != Some(self.data.len() as u64) {
                    return Err(Misfit::Bytes {
                        name: name(),
                        bytes: self.data.len(),
                        shape: shape(),
                    });
                }
            }
        }
        // An empty tensor has no bytes that limit its other dimensions. Other code expects that
        // their product fits into 63 bits. When the tensor is encoded as lists, each dimension
        // before the first 0 multiplies the number of lists.
        let mut others = self.shape.iter().filter(|dimension| **dimension > 0);
        let others = others.try_fold(1u64, |product, dimension| product.checked_mul(*dimension));
        let lists = self
            .shape
            .iter()
            .take_while(|dimension| **dimension > 0)
            .try_fold(1u64, |product, dimension| {
                product
                    .checked_mul(*dimension)
                    .filter(|product| self.shape.iter().all(|d| *d > 0) || *product <= EMPTY_LISTS)
            });
        if lists.is_none() || others.is_none_or(|product| i64::try_from(product).is_err()) {
            return Err(Misfit::Empty {
                name: name(),
                shape: shape(),
            });
        }
        if self.dtype == Dtype::Bool && self.data.iter().any(|byte| *byte > 1) {
            return Err(Misfit::NotBool(name()));
        }
        Ok(())
    }
}

/// Returns the number of elements of the type `dtype` that `bytes` holds. Returns `None` if the
/// bytes end within an element, or hold an invalid text.
#[must_use]
pub fn count(dtype: Dtype, bytes: &[u8]) -> Option<u64> {
    if dtype != Dtype::Text {
        let width = dtype.bytes();
        return bytes
            .len()
            .is_multiple_of(width)
            .then_some((bytes.len() / width) as u64);
    }
    count_texts(bytes).ok()
}

/// Appends a text to the data of a text tensor as one element: the length of the text in four
/// bytes, and its UTF-8 bytes.
pub fn put_text(text: &str, data: &mut Vec<u8>) {
    // No body holds a text of more than 4 GiB. If one did, its length would be wrong here, and it
    // would not fit its port.
    data.extend_from_slice(&u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes());
    data.extend_from_slice(text.as_bytes());
}

/// Returns the number of texts in `data`, the data of a text tensor.
///
/// # Errors
/// Returns the index of the first element that is not a valid text, and what is wrong with it.
fn count_texts(mut data: &[u8]) -> Result<u64, (u64, TextFault)> {
    let mut count = 0;
    while !data.is_empty() {
        if text_from(&mut data).is_none() {
            let fault = match sized_text(data) {
                None => TextFault::CutOff,
                Some((text, _)) if str::from_utf8(text).is_ok() => TextFault::Nul,
                Some(_) => TextFault::NotUtf8,
            };
            return Err((count, fault));
        }
        count += 1;
    }
    Ok(count)
}

/// Splits the bytes of the first text from `data`, the data of a text tensor, and returns them with
/// the rest. Returns `None` if the data is empty or ends within the text.
fn sized_text(data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = data.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_le_bytes(*length)).ok()?)
}

/// Removes the first text from `bytes`, the data of a text tensor, and returns it. Returns `None`
/// if the data is empty or does not begin with a valid text.
pub fn text_from<'a>(bytes: &mut &'a [u8]) -> Option<&'a str> {
    let (text, rest) = sized_text(bytes)?;
    let text = std::str::from_utf8(text)
        .ok()
        .filter(|text| !text.contains('\0'))?;
    *bytes = rest;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_are_put_in_order_and_misfits_told() {
        let port = |name: &str, shape: &[Option<u64>]| Port::new(name, Dtype::U8, shape.to_vec());
        let ports = [port("a", &[None]), port("b", &[None, Some(2)])];
        let tensor = |name: &str, shape: &[u64], bytes: usize| Tensor {
            name: name.into(),
            dtype: Dtype::U8,
            shape: shape.into(),
            data: vec![0; bytes],
        };
        let (a, b) = (tensor("a", &[1], 1), tensor("b", &[2, 2], 4));
        assert_eq!(
            in_order(&ports, vec![b.clone(), a.clone()]),
            Ok(vec![a.clone(), b.clone()])
        );
        let check = |tensors: &[&Tensor], part: &str| {
            let refused = in_order(
                &ports,
                tensors.iter().map(|tensor| (*tensor).clone()).collect(),
            )
            .unwrap_err()
            .to_string();
            assert!(refused.contains(part) && refused.len() < 500, "{refused}");
        };
        check(&[&a], "there is no `b`");
        check(&[&a, &b, &a], "`a` is not a port, or is given twice");
        check(
            &[&a, &b, &tensor(&"c".repeat(1000), &[1], 1)],
            "is not a port, or is given twice",
        );
        check(
            &[&a, &b, &tensor("c\u{1b}", &[1], 1)],
            "`c\\u{1b}` is not a port",
        );
        check(
            &[
                &Tensor {
                    dtype: Dtype::I8,
                    ..a.clone()
                },
                &b,
            ],
            "is i8, and its port is u8",
        );
        check(&[&tensor("a", &[2], 1), &b], "has 1 byte, and");
        check(&[&a, &tensor("b", &[2], 2)], "the shape [2]");
        check(&[&a, &tensor("b", &[u64::MAX, 2], 2)], "has 2 bytes");
        check(
            &[&a, &tensor("b", &vec![1; 100_000], 1)],
            "100000 dimensions",
        );
        check(&[&a, &tensor("b", &[0, 3], 0)], "[N, 2]");
        let wide = Port::new("w", Dtype::U8, vec![None, None]);
        assert!(tensor("w", &[0, u64::MAX], 0).fits(&wide).is_err());
        assert_eq!(tensor("w", &[0, 3], 0).fits(&wide), Ok(()));
    }

    #[test]
    fn only_an_optional_tensor_may_be_left_out() {
        let port = |name: &str, optional| Port {
            optional,
            ..Port::new(name, Dtype::U8, vec![None])
        };
        let ports = [port("a", false), port("b", true), port("c", false)];
        let tensors = |names: &[&str]| {
            let tensor = |name: &&str| Tensor {
                name: (*name).to_owned(),
                dtype: Dtype::U8,
                shape: vec![1],
                data: vec![0],
            };
            names.iter().map(tensor).collect::<Vec<_>>()
        };
        let ordered = |names: &[&str]| {
            let ordered = in_order(&ports, tensors(names)).map_err(|misfit| misfit.to_string());
            ordered.map(|tensors| tensors.into_iter().map(|tensor| tensor.name).collect())
        };
        let found: Result<Vec<String>, _> = ordered(&["c", "a"]);
        assert_eq!(found, Ok(vec!["a".to_owned(), "c".to_owned()]));
        assert_eq!(ordered(&["c", "b", "a"]).map(|names| names.len()), Ok(3));
        assert_eq!(ordered(&["a", "b"]), Err("there is no `c`".to_owned()));
        assert!(ordered(&["a", "b", "b", "c"]).is_err());
        assert_eq!(only(&ports), None);
        assert_eq!(only(&ports[..2]).map(|(index, _)| index), Some(0));
        assert_eq!(only(&ports[1..2]), None);
    }

    #[test]
    fn texts_fit_by_their_number_and_are_read_back() {
        let mut data = Vec::new();
        ["a", "", "Zürich"]
            .iter()
            .for_each(|text| put_text(text, &mut data));
        let tensor = |shape: &[u64], data: &[u8]| Tensor {
            name: "t".into(),
            dtype: Dtype::Text,
            shape: shape.to_vec(),
            data: data.to_vec(),
        };
        let port = Port::new("t", Dtype::Text, vec![None]);
        assert_eq!(tensor(&[3], &data).fits(&port), Ok(()));
        assert!(tensor(&[2], &data).fits(&port).is_err());
        assert!(tensor(&[3], &data[..data.len() - 1]).fits(&port).is_err());
        assert!(
            tensor(&[1], b"\x01\0\0\0\xff").fits(&port).is_err(),
            "no UTF-8"
        );
        assert!(tensor(&[1], b"\x01\0\0\0\0").fits(&port).is_err(), "a NUL");
        assert!(tensor(&[1], b"\xff\xff\xff\xffa").fits(&port).is_err());
        let second_is = |text: &[u8]| {
            let data = [b"\x01\0\0\0a\x02\0\0\0", text].concat();
            tensor(&[2], &data).fits(&port).unwrap_err().to_string()
        };
        assert_eq!(
            second_is(b"\xff\xd8"),
            "element 1 of `t` is not UTF-8, and only texts are accepted"
        );
        assert_eq!(second_is(b"a\0"), "element 1 of `t` has a NUL");
        assert_eq!(second_is(b"a"), "element 1 of `t` is cut off");
        assert_eq!(tensor(&[0], b"").fits(&port), Ok(()));
        let mut rest = data.as_slice();
        assert_eq!(
            [text_from(&mut rest), text_from(&mut rest)],
            [Some("a"), Some("")]
        );
        assert_eq!(
            (text_from(&mut rest), text_from(&mut rest)),
            (Some("Zürich"), None)
        );
    }
}
