//! The model's graphs: ONNX files that the host runs.
//!
//! Owns the conversion of Rust values to a graph's inputs, and of its outputs to Rust values. Must
//! not know which inference engine runs a graph. A graph runs in parallel with the calls of other
//! instances. At the deadline of the call, the host interrupts the scorer, also during a run.
//!
//! ```no_run
//! use scorebox_guest::graphs::{Graph, Input};
//!
//! # fn run() -> scorebox_guest::Result<()> {
//! let outputs = Graph::open("risk")?.run([
//!     Input::new("income", [1, 1], &[41_000_f32]),
//!     Input::texts("country", [1, 1], ["CH"]),
//! ])?;
//! let probabilities: &[f32] = &outputs.tensor("probabilities")?.values()?;
//! let labels = outputs.tensor("label")?.as_texts()?;
//! # Ok(())
//! # }
//! ```

use std::borrow::Cow;

use crate::imports::graphs as wit;
use crate::{Element, Error as Failure, OrProblem};

pub use wit::{ElementType, Error, GraphInfo, Port};

/// Returns a description of each graph of the model, sorted by name in byte order.
///
/// ```
/// # use scorebox_guest::{graphs::*, testing::Host};
/// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
/// # let _host = Host::new().graph("risk", y).install();
/// assert_eq!(list()[0].name, "risk");
/// ```
#[must_use]
pub fn list() -> Vec<GraphInfo> {
    wit::list()
}

/// A graph of the model: an ONNX file that the host runs.
///
/// ```
/// # use scorebox_guest::{graphs::*, testing::Host};
/// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
/// # let _host = Host::new().graph("risk", y).install();
/// let outputs = Graph::lazy("risk").run([Input::new("x", [1], &[0.5_f32])]).unwrap();
/// assert_eq!(outputs.iter().count(), 2);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Graph {
    name: String,
}

impl Graph {
    /// Opens the graph `name`. A graph's name is the path of its file in the model, without
    /// `.onnx`.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// assert!(Graph::open("risk").is_ok());
    /// assert!(matches!(Graph::open("other"), Err(Error::NotFound(_))));
    /// ```
    ///
    /// # Errors
    /// Fails if the model has no graph of this name.
    pub fn open(name: &str) -> Result<Self, Error> {
        let graph = Self::lazy(name);
        graph.info()?;
        Ok(graph)
    }

    /// Returns a handle to a graph that is looked up when it is first run. The name of a graph is
    /// the path of its file in the model, without `.onnx`.
    ///
    /// Use this function in `init`, which by default runs while the container image is built,
    /// without an inference engine. If the model has no graph of this name, the first run fails.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// let graph = Graph::lazy("risk");
    /// assert!(graph.run([Input::new("x", [1], &[0.5_f32])]).is_ok());
    /// ```
    #[must_use]
    pub fn lazy(name: &str) -> Self {
        Self {
            name: name.to_owned(),
        }
    }

    /// Returns the description of the graph: its name, inputs and outputs.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// assert_eq!(Graph::lazy("risk").info().unwrap().name, "risk");
    /// ```
    ///
    /// # Errors
    /// Fails if the model has no graph of this name.
    pub fn info(&self) -> Result<GraphInfo, Error> {
        let found = list().into_iter().find(|graph| graph.name == self.name);
        found.ok_or_else(|| Error::NotFound(self.name.clone()))
    }

    /// Runs the graph, and returns its outputs. `inputs` has one tensor for each input port, in any
    /// order. An input for which the ONNX file has a default value may be left out.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// let outputs = Graph::lazy("risk").run([Input::new("x", [1], &[0.5_f32])]).unwrap();
    /// assert_eq!(outputs.tensor("y").unwrap().shape(), [1, 2]);
    /// ```
    ///
    /// # Errors
    /// Fails if the model has no graph of this name, if `inputs` do not fit the graph, if the run
    /// fails, or if the outputs are larger than the host allows.
    pub fn run(&self, inputs: impl IntoIterator<Item = Input>) -> Result<Outputs, Error> {
        let inputs: Vec<_> = inputs.into_iter().map(|input| input.0).collect();
        wit::compute(&self.name, &inputs).map(Outputs)
    }
}

/// A tensor for an input port of a graph.
///
/// ```
/// # use scorebox_guest::{graphs::*, testing::Host};
/// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
/// # let _host = Host::new().graph("risk", y).install();
/// let income = Input::new("income", [2, 1], &[41_000_f32, 52_000.0]);
/// let country = Input::texts("country", [2, 1], ["CH", "DE"]);
/// ```
#[derive(Debug, Clone)]
pub struct Input(pub(crate) wit::Tensor);

impl Input {
    /// Returns a tensor of numbers or booleans for the input port `name`. `values` are in row-major
    /// order.
    ///
    /// If the number of values does not fit the shape, the run of the graph fails.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// let income = Input::new("income", [2, 1], &[41_000_f32, 52_000.0]);
    /// ```
    pub fn new<T: Element, const RANK: usize>(
        name: &str,
        shape: [usize; RANK],
        values: &[T],
    ) -> Self {
        Self::of(
            name,
            &shape,
            wit::Elements::Plain((T::DTYPE, T::write(values))),
        )
    }

    /// Returns a tensor of texts for the input port `name`. `texts` are in row-major order.
    ///
    /// If the number of texts does not fit the shape, the run of the graph fails.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// let country = Input::texts("country", [2, 1], ["CH", "DE"]);
    /// ```
    pub fn texts<S: Into<String>, const RANK: usize>(
        name: &str,
        shape: [usize; RANK],
        texts: impl IntoIterator<Item = S>,
    ) -> Self {
        Self::of(
            name,
            &shape,
            wit::Elements::Texts(texts.into_iter().map(Into::into).collect()),
        )
    }

    fn of(name: &str, shape: &[usize], elements: wit::Elements) -> Self {
        let shape = shape.iter().map(|size| *size as u64).collect();
        Self(wit::Tensor {
            name: name.to_owned(),
            shape,
            elements,
        })
    }
}

impl From<crate::NamedTensor> for Input {
    /// Converts a named tensor to an input of a graph with the same name, type, shape
    /// and elements.
    fn from(tensor: crate::NamedTensor) -> Self {
        let crate::NamedTensor {
            name,
            dtype,
            shape,
            data,
        } = tensor;
        Self(wit::Tensor {
            name,
            shape,
            elements: wit::Elements::Plain((dtype, data)),
        })
    }
}

/// Outputs of one run of a graph: one tensor for each output port, in the order of the ONNX file.
///
/// ```
/// # use scorebox_guest::{graphs::*, testing::Host};
/// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
/// # let _host = Host::new().graph("risk", y).install();
/// # let outputs = Graph::lazy("risk").run([]).unwrap();
/// let names: Vec<_> = outputs.iter().map(|output| output.name()).collect();
/// assert_eq!(names, ["y", "label"]);
/// ```
#[derive(Debug, Clone)]
pub struct Outputs(pub(crate) Vec<wit::Tensor>);

impl Outputs {
    /// Returns the tensor of the output port `name`.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert_eq!(outputs.tensor("y").unwrap().shape(), [1, 2]);
    /// assert_eq!(outputs.tensor("z").unwrap_err().problem().code, "no-such-output");
    /// ```
    ///
    /// # Errors
    /// Fails if the graph has no output port of this name.
    pub fn tensor(&self, name: &str) -> crate::Result<Output<'_>> {
        let found = self.iter().find(|output| output.name() == name);
        found.or_problem(|| {
            Failure::failed("no-such-output", "the graph has no such output").with_detail(name)
        })
    }

    /// Returns the tensors of all output ports, in the order of the ONNX file.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert_eq!(outputs.iter().count(), 2);
    /// ```
    pub fn iter(&self) -> impl Iterator<Item = Output<'_>> {
        self.0.iter().map(Output)
    }
}

/// A tensor that a run of a graph returned at an output port.
///
/// ```
/// # use scorebox_guest::{graphs::*, testing::Host};
/// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
/// # let _host = Host::new().graph("risk", y).install();
/// # let outputs = Graph::lazy("risk").run([]).unwrap();
/// let y = outputs.tensor("y").unwrap();
/// assert_eq!(*y.values::<f32>().unwrap(), [0.5, 1.0]);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Output<'a>(&'a wit::Tensor);

impl<'a> Output<'a> {
    /// Returns the name of the output port of this tensor.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert_eq!(outputs.iter().next().unwrap().name(), "y");
    /// ```
    #[must_use]
    pub fn name(self) -> &'a str {
        &self.0.name
    }

    /// Returns the dimensions of the tensor, whose elements are in row-major order. The result is
    /// empty for a scalar.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert_eq!(outputs.tensor("y").unwrap().shape(), [1, 2]);
    /// ```
    #[must_use]
    pub fn shape(self) -> &'a [u64] {
        &self.0.shape
    }

    /// Returns the type of the tensor's elements.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert!(matches!(outputs.tensor("label").unwrap().element(), ElementType::Text));
    /// ```
    #[must_use]
    pub fn element(self) -> ElementType {
        match &self.0.elements {
            wit::Elements::Plain((dtype, _)) => ElementType::Plain(*dtype),
            wit::Elements::Texts(_) => ElementType::Text,
        }
    }

    /// Returns the numbers or booleans of the tensor in row-major order. The elements are borrowed
    /// from the output, or copied if their bytes are not aligned for `T`.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert_eq!(*outputs.tensor("y").unwrap().values::<f32>().unwrap(), [0.5, 1.0]);
    /// assert!(outputs.tensor("y").unwrap().values::<i64>().is_err());
    /// ```
    ///
    /// # Errors
    /// Fails if the elements of the tensor are not of type `T`.
    pub fn values<T: Element>(self) -> crate::Result<Cow<'a, [T]>> {
        match &self.0.elements {
            wit::Elements::Plain((dtype, data)) if *dtype == T::DTYPE => Ok(T::read(data)),
            _ => Err(self.of_another_type(&T::DTYPE.to_string())),
        }
    }

    /// Returns the texts of the tensor in row-major order.
    ///
    /// ```
    /// # use scorebox_guest::{graphs::*, testing::Host};
    /// # let y = |_: &Outputs| Ok(vec![Input::new("y", [1, 2], &[0.5_f32, 1.0]), Input::texts("label", [1], ["no"])]);
    /// # let _host = Host::new().graph("risk", y).install();
    /// # let outputs = Graph::lazy("risk").run([]).unwrap();
    /// assert_eq!(outputs.tensor("label").unwrap().as_texts().unwrap(), ["no"]);
    /// ```
    ///
    /// # Errors
    /// Fails if the elements of the tensor are not texts.
    pub fn as_texts(self) -> crate::Result<&'a [String]> {
        match &self.0.elements {
            wit::Elements::Texts(texts) => Ok(texts),
            wit::Elements::Plain(_) => Err(self.of_another_type("text")),
        }
    }

    fn of_another_type(self, wanted: &str) -> Failure {
        let held = match self.element() {
            ElementType::Plain(dtype) => dtype.to_string(),
            ElementType::Text => "text".to_owned(),
        };
        Failure::failed("output-type", "the scorer read its graph's output wrongly")
            .with_detail(format!("`{}` holds {held}, not {wanted}", self.name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_come_back_as_what_they_are() {
        let inputs = [
            Input::new("x", [1, 2], &[1.5_f32, -2.0]),
            Input::new("flags", [2], &[true, false]),
            Input::texts("words", [2, 1], ["a", "Zürich"]),
        ];
        let outputs = Outputs(inputs.into_iter().map(|input| input.0).collect());
        let x = outputs.tensor("x").unwrap();
        assert_eq!(
            (x.shape(), &*x.values::<f32>().unwrap()),
            (&[1, 2][..], &[1.5, -2.0][..])
        );
        assert_eq!(
            *outputs.tensor("flags").unwrap().values::<bool>().unwrap(),
            [true, false]
        );
        assert_eq!(
            outputs.tensor("words").unwrap().as_texts().unwrap(),
            ["a", "Zürich"]
        );
        let detail = |failure: Failure| failure.problem().detail.clone().unwrap_or_default();
        assert_eq!(
            detail(x.values::<i64>().unwrap_err()),
            "`x` holds f32, not i64"
        );
        assert_eq!(detail(x.as_texts().unwrap_err()), "`x` holds f32, not text");
        assert_eq!(detail(outputs.tensor("y").unwrap_err()), "y");
    }
}
