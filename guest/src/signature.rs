//! Builders for the signatures that `describe` returns.
//!
//! Owns the default values of signatures. Must not check anything: the host and the packager check
//! signatures, for guests in any language.

use crate::{Dtype, Example, InputPort, Payload, Port, Shape, Signature, TensorSignature};

impl Signature {
    /// Returns a signature for a scorer that takes and returns payloads of any media type.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// assert!(Signature::any().input.content_types.is_empty());
    /// ```
    #[must_use]
    pub fn any() -> Self {
        let shape = Shape {
            content_types: Vec::new(),
            json_schema: None,
            examples: Vec::new(),
        };
        Self {
            input: shape.clone(),
            output: shape,
            deterministic: false,
        }
    }

    /// Returns a signature for a scorer that takes and returns JSON.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// assert_eq!(Signature::json().input.content_types, ["application/json"]);
    /// ```
    #[must_use]
    pub fn json() -> Self {
        Self::any()
            .accepts(["application/json"])
            .produces(["application/json"])
    }

    /// Sets the media types that the scorer accepts. The first one is the preferred one.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let pictures = Signature::any().accepts(["image/png", "image/jpeg"]);
    /// # assert_eq!(pictures.input.content_types.len(), 2);
    /// ```
    #[must_use]
    pub fn accepts<const N: usize>(mut self, content_types: [&str; N]) -> Self {
        self.input.content_types = content_types.map(str::to_owned).to_vec();
        self
    }

    /// Sets the media types that the scorer returns. The first one is the preferred one.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let table = Signature::json().produces(["text/csv"]);
    /// # assert_eq!(table.output.content_types, ["text/csv"]);
    /// ```
    #[must_use]
    pub fn produces<const N: usize>(mut self, content_types: [&str; N]) -> Self {
        self.output.content_types = content_types.map(str::to_owned).to_vec();
        self
    }

    /// Sets the JSON Schema (2020-12) of the input. `schema` is JSON text.
    ///
    /// The host refuses a JSON body that does not conform to the schema.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let signature = Signature::json().input_schema(r#"{"type": "array", "minItems": 1}"#);
    /// # assert!(signature.input.json_schema.is_some());
    /// ```
    #[must_use]
    pub fn input_schema(mut self, schema: impl Into<String>) -> Self {
        self.input.json_schema = Some(schema.into());
        self
    }

    /// Sets the JSON Schema (2020-12) of the output. `schema` is JSON text. The host shows the
    /// schema to callers, and does not check answers against it.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let signature = Signature::json().output_schema(r#"{"type": "number"}"#);
    /// # assert!(signature.output.json_schema.is_some());
    /// ```
    #[must_use]
    pub fn output_schema(mut self, schema: impl Into<String>) -> Self {
        self.output.json_schema = Some(schema.into());
        self
    }

    /// Adds an example of an input that [`run`](crate::Scorer::run) can score. `name` is the name
    /// of the example.
    ///
    /// The example has the first media type that the scorer accepts, or `application/octet-stream`
    /// if there is none. So call [`accepts`](Self::accepts) first.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let signature = Signature::json().input_example("two", "[1, 2]");
    /// assert_eq!(signature.input.examples[0].value.content_type, "application/json");
    /// ```
    #[must_use]
    pub fn input_example(mut self, name: &str, body: impl Into<Vec<u8>>) -> Self {
        self.input.add_example(name, body.into());
        self
    }

    /// Adds an example of an answer that [`run`](crate::Scorer::run) returns. `name` is the name of
    /// the example.
    ///
    /// The example has the first media type that the scorer returns, or `application/octet-stream`
    /// if there is none. So call [`produces`](Self::produces) first.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let signature = Signature::json().output_example("two", "3");
    /// # assert_eq!(signature.output.examples.len(), 1);
    /// ```
    #[must_use]
    pub fn output_example(mut self, name: &str, body: impl Into<Vec<u8>>) -> Self {
        self.output.add_example(name, body.into());
        self
    }

    /// Declares that equal payloads always give equal answers, whatever the facts about the call
    /// are. So the host may answer from its prediction cache.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// assert!(Signature::json().deterministic().deterministic);
    /// ```
    #[must_use]
    pub fn deterministic(mut self) -> Self {
        self.deterministic = true;
        self
    }
}

impl Shape {
    fn add_example(&mut self, name: &str, body: Vec<u8>) {
        let content_type = self
            .content_types
            .first()
            .map_or("application/octet-stream", String::as_str);
        self.examples.push(Example {
            name: name.to_owned(),
            value: Payload::new(content_type, body),
        });
    }
}

impl TensorSignature {
    /// Returns a signature for a tensor scorer with these input and output ports. The scorer is
    /// neither batchable nor deterministic. An input is an [`InputPort`], or a [`Port`] if there is
    /// nothing else to state about it.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let port = Port::new("x", Dtype::F32, [None]);
    /// let signature = TensorSignature::new([port.clone()], [port]);
    /// assert!(!signature.batchable);
    /// ```
    pub fn new<I: Into<InputPort>>(
        inputs: impl IntoIterator<Item = I>,
        outputs: impl Into<Vec<Port>>,
    ) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            outputs: outputs.into(),
            batchable: false,
            deterministic: false,
            examples: Vec::new(),
        }
    }

    /// Declares that the rows along axis 0 of every port are independent, so that the host may join
    /// the rows of several calls into one batch. The first dimension of every port must be `None`.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let port = Port::new("x", Dtype::F32, [None]);
    /// assert!(TensorSignature::new([port.clone()], [port]).batchable().batchable);
    /// ```
    #[must_use]
    pub fn batchable(mut self) -> Self {
        self.batchable = true;
        self
    }

    /// Declares that equal tensors always give equal answers, whatever the facts about the call
    /// are. So the host may answer from its prediction cache.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let port = Port::new("x", Dtype::F32, [None]);
    /// assert!(TensorSignature::new([port.clone()], [port]).deterministic().deterministic);
    /// ```
    #[must_use]
    pub fn deterministic(mut self) -> Self {
        self.deterministic = true;
        self
    }

    /// Adds an example of the inputs, as the JSON body that a caller would send. `name` is the name
    /// of the example.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let port = Port::new("x", Dtype::F32, [None]);
    /// let signature = TensorSignature::new([port.clone()], [port]);
    /// assert_eq!(signature.example("two", r#"{"x": [1, 2]}"#).examples.len(), 1);
    /// ```
    #[must_use]
    pub fn example(mut self, name: &str, json: impl Into<Vec<u8>>) -> Self {
        self.examples.push(Example {
            name: name.to_owned(),
            value: Payload::new("application/json", json),
        });
        self
    }
}

impl Port {
    /// Returns an input or output port of a tensor scorer. `None` in `shape` stands for a dimension
    /// of any size, e.g. the batch.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let rows_of_three = Port::new("rows", Dtype::F32, [None, Some(3)]);
    /// # assert_eq!(rows_of_three.shape.len(), 2);
    /// ```
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<Option<u64>>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }
}

impl From<Port> for InputPort {
    fn from(port: Port) -> Self {
        Self {
            name: port.name,
            dtype: port.dtype,
            shape: port.shape,
            missing: false,
            boolean: false,
            columns: Vec::new(),
        }
    }
}

/// If a section `[inputs.<name>]` in the `scorebox.toml` states a fact about an input, this fact
/// replaces the one that the scorer states. The host refuses the component if a fact does not fit
/// its port.
impl InputPort {
    /// Returns an input port of a tensor scorer. `None` in `shape` stands for a dimension of any
    /// size, e.g. the batch. At first, the input takes no missing values and no booleans as
    /// numbers, and its columns have no names.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// let rows_of_three = InputPort::new("rows", Dtype::F32, [None, Some(3)]);
    /// assert!(!rows_of_three.missing);
    /// ```
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<Option<u64>>>) -> Self {
        Port::new(name, dtype, shape).into()
    }

    /// Declares that elements of the input may be missing. A caller sends `null` in JSON for a
    /// missing element. The scorer gets NaN for it, so the port must have a floating-point type.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// assert!(InputPort::new("rows", Dtype::F32, [None]).missing().missing);
    /// ```
    #[must_use]
    pub fn missing(mut self) -> Self {
        self.missing = true;
        self
    }

    /// Declares that the input accepts `true` and `false` as 1 and 0. The port must have a numeric
    /// type.
    ///
    /// ```
    /// # use scorebox_guest::{Dtype, InputPort, Port, Signature, TensorSignature};
    /// assert!(InputPort::new("flags", Dtype::I64, [None]).boolean().boolean);
    /// ```
    #[must_use]
    pub fn boolean(mut self) -> Self {
        self.boolean = true;
        self
    }

    /// Sets the names of the columns of the input, in order. The port must have two dimensions. The
    /// first one counts the rows, and the last one counts the columns. With names, a caller may
    /// send a row as a JSON object from column name to value, and the model's metadata contains the
    /// names.
    ///
    /// If the last dimension of the port may have any size, the host sets it to the number of
    /// names. Otherwise, its size must be equal to the number of names.
    ///
    /// ```
    /// use scorebox_guest::{Dtype, InputPort, Port, TensorSignature};
    ///
    /// let people = InputPort::new("people", Dtype::F32, [None, Some(2)]);
    /// let signature = TensorSignature::new(
    ///     [people.missing().columns(["age", "income"])],
    ///     [Port::new("known", Dtype::I64, [None])],
    /// );
    /// assert!(signature.inputs[0].missing);
    /// ```
    #[must_use]
    pub fn columns<N: Into<String>>(mut self, names: impl IntoIterator<Item = N>) -> Self {
        self.columns = names.into_iter().map(Into::into).collect();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fact_that_is_not_declared_is_false() {
        let port = || InputPort::new("x", Dtype::F32, [None, Some(2)]);
        let plain = port();
        assert!(!plain.missing && !plain.boolean && plain.columns.is_empty());
        let all = port().missing().boolean().columns(["a", "b"]);
        assert!(all.missing && all.boolean);
        assert_eq!(all.columns, ["a", "b"]);
        let ports = [Port::new("x", Dtype::F32, [None])];
        let signature = TensorSignature::new(ports, []);
        assert!(!signature.inputs[0].missing);
    }
}
