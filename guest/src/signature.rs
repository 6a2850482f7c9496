//! Builders for the signatures that `describe` returns.
//!
//! Owns the defaults of signatures. Must not check anything: the host and the packager check
//! signatures, for guests in any language.

use crate::{Dtype, Example, Payload, Port, Shape, Signature, TensorSignature};

impl Signature {
    /// Returns a signature for a scorer that takes and returns payloads of any media type.
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
    #[must_use]
    pub fn json() -> Self {
        Self::any()
            .accepts(["application/json"])
            .produces(["application/json"])
    }

    /// Sets the media types that the scorer accepts. The first one is the preferred one.
    #[must_use]
    pub fn accepts<const N: usize>(mut self, content_types: [&str; N]) -> Self {
        self.input.content_types = content_types.map(str::to_owned).to_vec();
        self
    }

    /// Sets the media types that the scorer returns. The first one is the preferred one.
    #[must_use]
    pub fn produces<const N: usize>(mut self, content_types: [&str; N]) -> Self {
        self.output.content_types = content_types.map(str::to_owned).to_vec();
        self
    }

    /// Sets the JSON Schema (2020-12) of the input. `schema` is JSON text.
    ///
    /// The host refuses a request that does not conform to the schema.
    #[must_use]
    pub fn input_schema(mut self, schema: impl Into<String>) -> Self {
        self.input.json_schema = Some(schema.into());
        self
    }

    /// Sets the JSON Schema (2020-12) of the output. `schema` is JSON text.
    #[must_use]
    pub fn output_schema(mut self, schema: impl Into<String>) -> Self {
        self.output.json_schema = Some(schema.into());
        self
    }

    /// Adds an example of an input that [`run`](crate::Scorer::run) can score. `name` is the name
    /// of the example.
    ///
    /// The example has the first media type that the scorer accepts, so call
    /// [`accepts`](Self::accepts) first.
    #[must_use]
    pub fn input_example(mut self, name: &str, body: impl Into<Vec<u8>>) -> Self {
        self.input.add_example(name, body.into());
        self
    }

    /// Adds an example of an answer that [`run`](crate::Scorer::run) returns. `name` is the name of
    /// the example.
    ///
    /// The example has the first media type that the scorer returns, so call
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
    /// Returns a signature for a tensor scorer with these input and output ports. The scorer is
    /// neither batchable nor deterministic.
    pub fn new(inputs: impl Into<Vec<Port>>, outputs: impl Into<Vec<Port>>) -> Self {
        Self {
            inputs: inputs.into(),
            outputs: outputs.into(),
            batchable: false,
            deterministic: false,
            examples: Vec::new(),
        }
    }

    /// Declares that the rows along axis 0 of every port are independent, so that the host may join
    /// the rows of several calls into one batch.
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

    /// Adds an example of the inputs, as the JSON body that a caller would send. `name` is the name
    /// of the example.
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
    pub fn new(name: impl Into<String>, dtype: Dtype, shape: impl Into<Vec<Option<u64>>>) -> Self {
        Self {
            name: name.into(),
            dtype,
            shape: shape.into(),
        }
    }
}
