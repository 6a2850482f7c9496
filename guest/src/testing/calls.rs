//! Calls of a scorer in a test.
//!
//! Owns the default facts about a call, the calls of a scorer's functions, and the check of tensors
//! against the ports. Must not know the mock host.

use crate::{
    Answer, Dtype, Error, HttpRequest, Inputs, Invocation, NamedTensor, Payload, Port, Result,
    Scorer, Source, TensorScorer, export,
};

/// Returns the facts about a direct call, like one of `scorebox invoke`: the source is
/// [`direct`](Source::Direct), and there are no attributes. There is no deadline, although every
/// call of the real host has one.
///
/// ```
/// use scorebox_guest::AttributeValue;
/// use scorebox_guest::testing;
///
/// let mut call = testing::call();
/// call.attributes.push(("x-tenant".to_owned(), AttributeValue::Text("a".to_owned())));
/// assert_eq!(call.attribute("x-tenant").as_deref(), Some("a"));
/// ```
#[must_use]
pub fn call() -> Invocation {
    Invocation {
        id: "test".to_owned(),
        source: Source::Direct,
        attempt: 1,
        deadline_ms: None,
        http: None,
        attributes: Vec::new(),
    }
}

/// Returns the facts about a call that came by HTTP. `method` is the method of the request, e.g.
/// `POST`. `target` is its path, followed by `?` and the query if it has one.
///
/// ```
/// use scorebox_guest::testing;
///
/// let call = testing::request("POST", "/score?version=7");
/// assert_eq!(call.parameter("version").as_deref(), Some("7"));
/// ```
#[must_use]
pub fn request(method: &str, target: &str) -> Invocation {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    Invocation {
        source: Source::Http,
        http: Some(HttpRequest {
            method: method.to_owned(),
            path: path.to_owned(),
            query: query.to_owned(),
        }),
        ..call()
    }
}

/// Scores a payload as the host does: reads the input of the scorer, calls `run`, and writes the
/// answer. The payload is not checked against the schema of the signature.
///
/// ```
/// use scorebox_guest::testing;
/// # use scorebox_guest::{Invocation, Payload, Result, Scorer, Signature};
/// # struct Echo;
/// # impl Scorer for Echo {
/// #     type Input = Payload;
/// #     type Output = Payload;
/// #     fn describe() -> Signature { Signature::any() }
/// #     fn init() -> Result<Self> { Ok(Self) }
/// #     fn run(&mut self, _: &Invocation, input: Payload) -> Result<Payload> { Ok(input) }
/// # }
///
/// let picture = Payload::new("image/png", [137, 80, 78, 71]);
/// let answer = testing::score(&mut Echo, &testing::call(), picture).unwrap();
/// assert_eq!((answer.status, answer.payload.body.len()), (None, 4));
/// ```
///
/// # Errors
/// Fails if the payload does not hold an input of the scorer, if `run` fails, or if the answer
/// cannot be written.
pub fn score<S: Scorer>(scorer: &mut S, call: &Invocation, payload: Payload) -> Result<Answer> {
    export::score(scorer, call, payload)
}

/// Scores a body of JSON, and returns the body of the answer as text.
///
/// ```
/// use scorebox_guest::testing;
/// # use scorebox_guest::{Invocation, Json, Result, Scorer, Signature};
/// # struct Twice;
/// # impl Scorer for Twice {
/// #     type Input = Json<f64>;
/// #     type Output = Json<f64>;
/// #     fn describe() -> Signature { Signature::json().input_example("one", "1") }
/// #     fn init() -> Result<Self> { Ok(Self) }
/// #     fn run(&mut self, _: &Invocation, Json(x): Json<f64>) -> Result<Json<f64>> { Ok(Json(2.0 * x)) }
/// # }
///
/// assert_eq!(testing::post(&mut Twice, "1.5").unwrap(), "3.0");
/// assert_eq!(testing::post(&mut Twice, "{").unwrap_err().problem().code, "invalid-json");
/// ```
///
/// # Errors
/// Fails if [`score`] fails, or if the body of the answer is not UTF-8.
pub fn post<S: Scorer>(scorer: &mut S, body: &str) -> Result<String> {
    let answer = score(scorer, &call(), Payload::new("application/json", body))?;
    String::from_utf8(answer.payload.body)
        .map_err(|error| Error::failed("not-text", "the answer is not text").with_detail(error))
}

/// Scores every example of an input in the scorer's signature, and drops the answers. Call it in a
/// test, because every scorer must answer its own examples.
///
/// ```
/// use scorebox_guest::testing;
/// # use scorebox_guest::{Invocation, Json, Result, Scorer, Signature};
/// # struct Twice;
/// # impl Scorer for Twice {
/// #     type Input = Json<f64>;
/// #     type Output = Json<f64>;
/// #     fn describe() -> Signature { Signature::json().input_example("one", "1") }
/// #     fn init() -> Result<Self> { Ok(Self) }
/// #     fn run(&mut self, _: &Invocation, Json(x): Json<f64>) -> Result<Json<f64>> { Ok(Json(2.0 * x)) }
/// # }
///
/// testing::score_examples(&mut Twice).unwrap();
/// ```
///
/// # Errors
/// Fails if an example cannot be scored. The error is that of the first such example.
pub fn score_examples<S: Scorer>(scorer: &mut S) -> Result<()> {
    for example in S::describe().input.examples {
        score(scorer, &call(), example.value)?;
    }
    Ok(())
}

/// Scores tensors as the host does: checks the inputs against the ports of the signature, calls
/// `run` for one call, and checks the outputs. The number of columns that a port names is not
/// checked.
///
/// ```
/// use scorebox_guest::testing;
/// use scorebox_guest::{Dtype, NamedTensor, Port, TensorSignature};
/// # use scorebox_guest::{Inputs, Invocation, Result, TensorScorer};
/// # struct Sum;
/// # impl TensorScorer for Sum {
/// #     fn describe() -> TensorSignature {
/// #         TensorSignature::new(
/// #             [Port::new("x", Dtype::F32, [None, Some(2)])],
/// #             [Port::new("sum", Dtype::F32, [None])],
/// #         )
/// #     }
/// #     fn init() -> Result<Self> { Ok(Self) }
/// #     fn run(&mut self, _: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> {
/// #         let x = inputs.tensor("x")?.values::<f32>()?;
/// #         let sums: Vec<f32> = x.chunks_exact(2).map(|row| row.iter().sum()).collect();
/// #         Ok(vec![NamedTensor::new("sum", [sums.len()], &sums)])
/// #     }
/// # }
///
/// let rows = NamedTensor::new("x", [2, 2], &[1.0_f32, 2.0, 3.0, 4.0]);
/// let outputs = testing::score_tensors(&mut Sum, [rows]).unwrap();
/// assert_eq!(*outputs[0].values::<f32>().unwrap(), [3.0, 7.0]);
/// let wide = NamedTensor::new("x", [1, 3], &[1.0_f32, 2.0, 3.0]);
/// let refused = testing::score_tensors(&mut Sum, [wide]).unwrap_err();
/// assert_eq!(refused.problem().code, "unfit-input");
/// ```
///
/// # Errors
/// Fails with the code `unfit-input` if the inputs do not fit the input ports, with the code
/// `unfit-output` if the outputs do not fit the output ports, and with the error of `run` if `run`
/// fails.
pub fn score_tensors<S: TensorScorer>(
    scorer: &mut S,
    inputs: impl IntoIterator<Item = NamedTensor>,
) -> Result<Vec<NamedTensor>> {
    let signature = S::describe();
    let ports: Vec<_> = signature
        .inputs
        .iter()
        .map(|port| Port::new(port.name.as_str(), port.dtype, port.shape.as_slice()))
        .collect();
    let inputs = fitted(&ports, inputs.into_iter().collect())
        .map_err(|why| Error::rejected("unfit-input", why))?;
    let outputs = scorer.run(&[call()], Inputs(inputs))?;
    fitted(&signature.outputs, outputs).map_err(|why| Error::failed("unfit-output", why))
}

/// Returns the tensors in the order of the ports. If there is not exactly one tensor for each port,
/// or if a tensor does not fit its port, returns the reason as the error.
fn fitted(ports: &[Port], mut tensors: Vec<NamedTensor>) -> Result<Vec<NamedTensor>, String> {
    let mut sorted = Vec::new();
    for port in ports {
        let place = tensors.iter().position(|tensor| tensor.name == port.name);
        let Some(place) = place else {
            return Err(format!("no tensor `{}`", port.name));
        };
        let tensor = tensors.swap_remove(place);
        if let Some(why) = misfit(port, &tensor) {
            return Err(format!("`{}` {why}", port.name));
        }
        sorted.push(tensor);
    }
    match tensors.first() {
        Some(tensor) => Err(format!("no port `{}`", tensor.name)),
        None => Ok(sorted),
    }
}

fn misfit(port: &Port, tensor: &NamedTensor) -> Option<String> {
    if tensor.dtype != port.dtype {
        return Some(format!("holds {}, not {}", tensor.dtype, port.dtype));
    }
    let has_rank = tensor.shape.len() == port.shape.len();
    let mut sizes = tensor.shape.iter().zip(&port.shape);
    if !has_rank || !sizes.all(|(size, wanted)| wanted.is_none_or(|wanted| wanted == *size)) {
        return Some(format!("has the shape {:?}", tensor.shape));
    }
    let count = tensor
        .shape
        .iter()
        .try_fold(1_u64, |count, size| count.checked_mul(*size));
    let bytes = count.and_then(|count| count.checked_mul(element_bytes(tensor.dtype)));
    (bytes != Some(tensor.data.len() as u64))
        .then(|| format!("has {} bytes, which its shape does not", tensor.data.len()))
}

fn element_bytes(dtype: Dtype) -> u64 {
    super::model_folder::width(dtype)
}
