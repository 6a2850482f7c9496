//! A function and its bindings.
//!
//! Owns what a function consists of. Must not know files, or how an envelope is decoded.

use crate::functions::route::Route;

/// Name of the output binding that receives a record of each call that can never be scored, or that
/// failed at its last delivery. The binding receives nothing else.
pub const PARK: &str = "park";

/// Name of an output binding whose value is the function's return value.
pub const RETURN: &str = "$return";

/// HTTP methods that a route in `customHandler.http.routes` accepts, and that an HTTP trigger
/// without a list of methods accepts.
pub(super) const ALL_METHODS: [&str; 7] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// One function of a function app, with its bindings.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name of the function: the name of its folder, or `http-handler` and a number for a route in
    /// `customHandler.http.routes`.
    pub name: String,
    /// Name of the trigger binding. The field `Data` of an envelope holds the value of the trigger
    /// under this name.
    pub trigger_name: String,
    /// Trigger that starts the function.
    pub trigger: TriggerBinding,
    /// Input bindings of the function, without its trigger.
    pub inputs: Vec<InputBinding>,
    /// Name of the function's HTTP output. `None` if the function has no HTTP output.
    pub http: Option<String>,
    /// Outputs that receive the results of successful calls.
    pub outputs: Vec<OutputBinding>,
    /// Output `park`, which receives a record of each call that can never be scored, or that failed
    /// at its last delivery. `None` if the function does not have this output.
    pub park: Option<OutputBinding>,
    /// Number of deliveries of a message after which the platform does not deliver it again.
    pub max_delivery_count: u32,
    /// Route on which the Functions host forwards HTTP requests to this function unchanged. `None`
    /// if it wraps the values of the trigger in envelopes.
    pub route: Option<Route>,
}

/// Trigger of a function, with the settings that the host needs to read an envelope, or to write
/// the envelope of a sample.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerBinding {
    /// A new or changed blob starts the function. The value of the trigger is base64, whatever
    /// `dataType` says.
    Blob {
        /// Path of the blobs that start the function: the container and the blob name, with
        /// placeholders such as `{name}`.
        path: String,
    },
    /// An HTTP request starts the function. The value of the trigger is a JSON object.
    Http,
    /// A message of a queue in a storage account starts the function. The value of the trigger is
    /// base64 if `data_type` is `Binary`, and otherwise a JSON string that holds the text as
    /// another JSON string.
    Queue {
        /// Value of `dataType` in the trigger binding.
        data_type: DataType,
    },
    /// A Service Bus message, or a batch of messages, starts the function.
    ServiceBus {
        /// True if `cardinality` is `many`, so that messages arrive in batches.
        many: bool,
        /// Value of `dataType` in the trigger binding.
        data_type: DataType,
    },
    /// The platform starts the function to warm up a new instance of the app.
    WarmUp,
}

/// Value of `dataType` in a trigger binding. It determines the form of a message in an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// `dataType` is `binary`: a message in an envelope is base64.
    Binary,
    /// `dataType` has a value other than `binary`: a message in an envelope is a JSON string that
    /// holds the text as another JSON string.
    Text,
    /// The binding does not have `dataType`: a single message in an envelope is a JSON string that
    /// holds the text as another JSON string. A message of a batch is the JSON value that the
    /// message holds.
    Unspecified,
}

/// Input binding of a function, other than its trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBinding {
    /// Name of the input binding. The field `Data` of an envelope holds the value of the input
    /// under this name.
    pub name: String,
}

/// Output binding of a function, other than its HTTP output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBinding {
    /// Name of the output in the field `Outputs` of an answer, or `$return` for the return value.
    pub name: String,
    /// Kind of data that the output accepts.
    pub kind: OutputKind,
}

/// Kind of data that the Functions host passes unchanged from an output to its destination.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// The output takes the bytes of a blob, as base64.
    Blob,
    /// The output takes a message that is the text of a JSON object.
    Message,
}
