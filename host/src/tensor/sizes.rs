//! Dimensions of input ports whose sizes must be equal in a call: those that have the same name, or
//! the numbers of rows.
//!
//! Owns which dimensions belong to a group of equal sizes, their check, and the texts about them.
//! Must not know who names dimensions, or whose ports they are.

use std::collections::HashMap;

use super::Tensor;
use super::port::Port;
use crate::text::{NAME_BYTES, quoted};

/// Groups of dimensions of input ports. In one call, all dimensions of a group must have equal
/// sizes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EqualSizes {
    /// Name of each group of dimensions.
    names: Vec<SizeName>,
    /// For each port, in the order of the ports, and for each of its dimensions: the index in
    /// `names` of the dimension's group. `None` for a dimension in no group.
    shared: Vec<Vec<Option<usize>>>,
}

/// Name of a group of dimensions that must have equal sizes.
#[derive(Debug, Clone, PartialEq, Eq)]
enum SizeName {
    /// Name that the model's file gives to the dimensions.
    Dimension(String),
    /// The dimensions are the numbers of rows of one batch.
    Rows,
}

/// Names that exporters write for a dimension of any size. They say nothing about equality.
const PLACEHOLDERS: [&str; 7] = ["", "?", "-1", "None", "none", "unk", "unknown"];

/// Maximum number of dimensions that a text about one group of dimensions lists.
const MOST_LISTED: usize = 8;

/// Error because two dimensions have different sizes, although their sizes must be equal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {reason}", compared(found, first))]
pub struct UnequalSizes {
    found: Place,
    first: Place,
    reason: String,
}

/// Dimension of a tensor, with its size.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Place {
    input: String,
    axis: usize,
    size: u64,
}

impl EqualSizes {
    /// Creates a group for each name that several dimensions have, except for placeholders such as
    /// `?` and `None`. `dimensions` has the names of the dimensions of each input port. A dimension
    /// without a name has an empty one.
    #[must_use]
    pub fn named(dimensions: &[Vec<String>]) -> Self {
        let mut counts: HashMap<&str, usize> = HashMap::new();
        for name in dimensions.iter().flatten() {
            *counts.entry(name).or_default() += 1;
        }
        let mut sizes = Self::default();
        let mut indices: HashMap<&str, usize> = HashMap::new();
        for port in dimensions {
            let mut shared = Vec::with_capacity(port.len());
            for name in port {
                let is_shared = counts.get(name.as_str()).is_some_and(|count| *count > 1);
                if !is_shared || PLACEHOLDERS.contains(&name.as_str()) {
                    shared.push(None);
                    continue;
                }
                let index = *indices.entry(name).or_insert_with(|| {
                    sizes.names.push(SizeName::Dimension(name.clone()));
                    sizes.names.len() - 1
                });
                shared.push(Some(index));
            }
            sizes.shared.push(shared);
        }
        sizes
    }

    /// Creates one group for the number of rows, which is axis 0 of every input port of the scorer.
    /// With fewer than two ports, there is no group.
    #[must_use]
    pub fn of_rows(ports: &[Port]) -> Self {
        if ports.len() < 2 {
            return Self::default();
        }
        Self {
            names: vec![SizeName::Rows],
            shared: ports.iter().map(|_| vec![Some(0)]).collect(),
        }
    }

    /// Checks that the dimensions that must have equal sizes in one call do have equal sizes.
    /// `tensors` are in the order of `ports`, and may lack those of optional ports.
    ///
    /// # Errors
    /// Fails if two dimensions differ. The error names both dimensions and states their sizes.
    pub fn check(&self, ports: &[Port], tensors: &[Tensor]) -> Result<(), UnequalSizes> {
        if self.names.is_empty() {
            return Ok(());
        }
        let mut first: Vec<Option<(usize, usize)>> = vec![None; self.names.len()];
        let mut given = tensors.iter().enumerate().peekable();
        for (port, shared) in ports.iter().zip(&self.shared) {
            let Some((index, tensor)) = given.next_if(|(_, tensor)| tensor.name == port.name)
            else {
                continue;
            };
            for (axis, name) in shared.iter().enumerate() {
                let Some(slot) = name.and_then(|name| first.get_mut(name)) else {
                    continue;
                };
                let (known, known_axis) = *slot.get_or_insert((index, axis));
                let known = tensors.get(known).unwrap_or(tensor);
                if known.shape.get(known_axis) != tensor.shape.get(axis) {
                    return Err(UnequalSizes {
                        found: place(tensor, axis),
                        first: place(known, known_axis),
                        reason: self.reason(*name),
                    });
                }
            }
        }
        Ok(())
    }

    /// Returns the dimensions of `port`, which has the index `index`, such as `[batch, 4]`. A
    /// dimension that must be equal to others has the name of its group. Any other dimension has
    /// its size, or -1 if any size is accepted. Returns `None` if no dimension of the port must be
    /// equal to others.
    #[must_use]
    pub fn dimensions(&self, index: usize, port: &Port) -> Option<String> {
        let shared = self.shared.get(index)?;
        if self.names.is_empty() || shared.iter().all(Option::is_none) {
            return None;
        }
        let name = |(axis, size): (usize, &Option<u64>)| {
            let name = shared.get(axis).copied().flatten();
            match (name.and_then(|name| self.names.get(name)), size) {
                (Some(name), _) => name.text(),
                (None, Some(size)) => size.to_string(),
                (None, None) => "-1".to_owned(),
            }
        };
        let names: Vec<String> = port.shape.iter().enumerate().map(name).collect();
        Some(format!("[{}]", names.join(", ")))
    }

    /// Returns one sentence for each group of dimensions that must have equal sizes, for people who
    /// read the contract of a scorer with the input ports `ports`. Returns an empty text if there
    /// are no groups.
    #[must_use]
    pub fn described(&self, ports: &[Port]) -> String {
        let mut text = String::new();
        for (index, name) in self.names.iter().enumerate() {
            let mut places = Vec::new();
            for (port, shared) in ports.iter().zip(&self.shared) {
                for axis in (0..shared.len()).filter(|axis| shared.get(*axis) == Some(&Some(index)))
                {
                    places.push((axis, port.name.as_str()));
                }
            }
            if !text.is_empty() {
                text.push(' ');
            }
            let is_rows = places.iter().all(|(axis, _)| *axis == 0);
            if is_rows && places.len() == ports.len() {
                text.push_str("All inputs must have the same number of rows.");
                continue;
            }
            let listed = places.iter().take(MOST_LISTED);
            let listed: Vec<String> = listed
                .map(|(axis, port)| format!("axis {axis} of `{}`", quoted(port, NAME_BYTES)))
                .collect();
            let rest = if places.len() > MOST_LISTED {
                ", …"
            } else {
                ""
            };
            let (name, listed) = (name.text(), listed.join(", "));
            text.push_str(&format!(
                "The size `{name}` must be equal in {listed}{rest}."
            ));
        }
        text
    }

    fn reason(&self, name: Option<usize>) -> String {
        match name.and_then(|name| self.names.get(name)) {
            Some(name @ SizeName::Dimension(_)) => format!(
                "both are the size `{}` of the model, so they must be equal",
                name.text()
            ),
            Some(SizeName::Rows) | None => {
                "all inputs must have the same number of rows".to_owned()
            }
        }
    }
}

impl SizeName {
    fn text(&self) -> String {
        match self {
            Self::Dimension(name) => quoted(name, NAME_BYTES),
            Self::Rows => "rows".to_owned(),
        }
    }
}

fn place(tensor: &Tensor, axis: usize) -> Place {
    Place {
        input: quoted(&tensor.name, NAME_BYTES),
        axis,
        size: tensor.shape.get(axis).copied().unwrap_or_default(),
    }
}

/// Returns the part of an error text that states two different sizes, such as `` `b` has 1 row, and
/// `a` has 2``.
fn compared(found: &Place, first: &Place) -> String {
    let Place { input, axis, size } = found;
    if (*axis, first.axis) == (0, 0) {
        let rows = if *size == 1 { "row" } else { "rows" };
        return format!(
            "`{input}` has {size} {rows}, and `{}` has {}",
            first.input, first.size
        );
    }
    format!(
        "axis {axis} of `{input}` has the size {size}, and axis {} of `{}` has {}",
        first.axis, first.input, first.size
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Dtype;

    fn port(name: &str, shape: &[Option<u64>]) -> Port {
        Port::new(name, Dtype::U8, shape.to_vec())
    }

    fn tensor(name: &str, shape: &[u64]) -> Tensor {
        Tensor {
            name: name.into(),
            dtype: Dtype::U8,
            shape: shape.to_vec(),
            data: Vec::new(),
        }
    }

    fn named(names: &[&[&str]]) -> EqualSizes {
        let names = names
            .iter()
            .map(|port| port.iter().map(|name| (*name).to_owned()));
        EqualSizes::named(&names.map(Iterator::collect).collect::<Vec<_>>())
    }

    #[test]
    fn dimensions_with_one_name_have_one_size() {
        let ports = [port("left", &[None, None]), port("right", &[None, None])];
        let check = |names: [&[&str]; 2], right: &[u64], expected: Result<(), &str>| {
            let tensors = [tensor("left", &[2, 3]), tensor("right", right)];
            let checked = named(&names).check(&ports, &tensors);
            let checked = checked.map_err(|error| error.to_string());
            assert_eq!(checked, expected.map_err(str::to_owned));
        };
        check([&["batch", ""], &["batch", ""]], &[2, 9], Ok(()));
        check(
            [&["batch", ""], &["batch", ""]],
            &[1, 9],
            Err(
                "`right` has 1 row, and `left` has 2: both are the size `batch` of the model, so \
                 they must be equal",
            ),
        );
        check(
            [&["n", "k"], &["k", "n"]],
            &[3, 5],
            Err(
                "axis 1 of `right` has the size 5, and axis 0 of `left` has 2: both are the size \
                 `n` of the model, so they must be equal",
            ),
        );
        check([&["n", "k"], &["k", "n"]], &[3, 2], Ok(()));
        // A square matrix has one name twice.
        check(
            [&["", ""], &["m", "m"]],
            &[3, 4],
            Err(
                "axis 1 of `right` has the size 4, and axis 0 of `right` has 3: both are the size \
                 `m` of the model, so they must be equal",
            ),
        );
        check([&["None", "?"], &["None", "?"]], &[9, 9], Ok(()));
        check([&["a", "b"], &["c", "d"]], &[9, 9], Ok(()));
    }

    #[test]
    fn a_missing_optional_input_has_no_size() {
        let ports = ["a", "b", "c"].map(|name| port(name, &[None]));
        let sizes = named(&[&["n"], &["n"], &["n"]]);
        let check = |tensors: &[Tensor]| sizes.check(&ports, tensors).is_ok();
        assert!(check(&[tensor("a", &[2]), tensor("c", &[2])]));
        assert!(!check(&[tensor("a", &[2]), tensor("c", &[3])]));
        assert!(check(&[tensor("c", &[3])]));
        assert!(check(&[]));
    }

    #[test]
    fn a_batch_has_one_number_of_rows() {
        let ports = [port("x", &[None, None]), port("y", &[None])];
        let sizes = EqualSizes::of_rows(&ports);
        let check = |rows| sizes.check(&ports, &[tensor("x", &[2, 7]), tensor("y", &[rows])]);
        assert_eq!(check(2), Ok(()));
        assert_eq!(
            check(3).unwrap_err().to_string(),
            "`y` has 3 rows, and `x` has 2: all inputs must have the same number of rows"
        );
        assert_eq!(EqualSizes::of_rows(&ports[..1]), EqualSizes::default());
    }

    #[test]
    fn the_contract_names_shared_sizes() {
        let ports = [port("a", &[None, Some(4)]), port("b", &[None, None])];
        let sizes = named(&[&["n", ""], &["n", "k"]]);
        assert_eq!(sizes.dimensions(0, &ports[0]).as_deref(), Some("[n, 4]"));
        assert_eq!(sizes.dimensions(1, &ports[1]).as_deref(), Some("[n, -1]"));
        assert_eq!(
            sizes.described(&ports),
            "All inputs must have the same number of rows."
        );
        let sizes = named(&[&["", ""], &["k", "k"]]);
        assert_eq!(sizes.dimensions(0, &ports[0]), None);
        assert_eq!(
            sizes.described(&ports),
            "The size `k` must be equal in axis 0 of `b`, axis 1 of `b`."
        );
        assert_eq!(named(&[&["n"], &["m"]]).described(&ports), "");
    }
}
