//! Builders for the signatures that `describe` returns.
//!
//! Owns the defaults of signatures. Must not check anything: the host and the packager check
//! signatures, for guests in any language.

use crate::{Dtype, Example, Payload, Port, Shape, Signature, TensorSignature};

impl Signature {
    /// Returns the signature of a scorer that takes and returns payloads of any media type.
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

    /// Returns the signature of a scorer that takes and returns JSON.
    #[must_use]
    pub fn json() -> Self {
        Self::any()
            .accepts(["application/json"])
            .produces(["application/json"])
    }

    /// Sets the media types that the scorer accepts, the preferred one first.
    #[must_use]
    pub fn accepts<const N: usize>(mut self, content_types: [&str; N]) -> Self {
        self.input.content_types = content_types.map(str::to_owned).to_vec();
        self
    }

    /// Sets the media types that the scorer produces, the preferred one first.
    #[must_use]
    pub fn produces<const N: usize>(mut self, content_types: [&str; N]) -> Self {
        self.output.content_types = content_types.map(str::to_owned).to_vec();
        self
    }

    /// Sets the JSON Schema (2020-12) of the input, as text.
    ///
    /// The host refuses a request that does not conform to the schema.
    #[must_use]
    pub fn input_schema(mut self, schema: impl Into<String>) -> Self {
        self.input.json_schema = Some(schema.into());
        self
    }

    /// Sets the JSON Schema (2020-12) of the output, as text.
    #[must_use]
    pub fn output_schema(mut self, schema: impl Into<String>) -> Self {
        self.output.json_schema = Some(schema.into());
        self
    }

    /// Adds an example of an input that `run` answers.
    ///
    /// The example has the first media type that the scorer accepts, so call
    /// [`accepts`](Self::accepts) first.
    #[must_use]
    pub fn input_example(mut self, name: &str, body: impl Into<Vec<u8>>) -> Self {
        self.input.add_example(name, body.into());
        self
    }

    /// Adds an example of an answer of `run`.
    ///
    /// The example has the first media type that the scorer produces, so call
    /// [`produces`](Self::produces) first.
    #[must_use]
    pub fn output_example(mut self, name: &str, body: impl Into<Vec<u8>>) -> Self {
        self.output.add_example(name, body.into());
        self
    }

    /// Declares that equal payloads always give equal answers, so that the host may answer from its
    /// prediction cache.
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
    /// Returns the signature of a tensor scorer with input and output ports. The scorer is neither
    /// batchable nor deterministic.
    pub fn new(inputs: impl Into<Vec<Port>>, outputs: impl Into<Vec<Port>>) -> Self {
        Self {
            inputs: inputs.into(),
            outputs: outputs.into(),
            batchable: false,
            deterministic: false,
            examples: Vec::new(),
        }
    }

    /// Declares that axis 0 of every port is a batch of independent rows, so that the host may join
    /// the rows of several calls.
    #[must_use]
    pub fn batchable(mut self) -> Self {
        self.batchable = true;
        self
    }

    /// Declares that equal tensors always give equal answers, so that the host may answer from its
    /// prediction cache.
    #[must_use]
    pub fn deterministic(mut self) -> Self {
        self.deterministic = true;
        self
    }

    /// Adds an example of an input, as the JSON that a caller would post.
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
    /// Returns an input or output port of a tensor scorer. `None` in `shape` is an open dimension,
    /// e.g. the batch.
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<Option<u64>>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }
}
