//! A function and its bindings.
//!
//! Owns what a function consists of. Must not know files, or the form of an envelope.

use crate::functions::route::Route;

/// Name of an output binding that receives only the records of calls that can never be scored.
pub const PARK: &str = "park";

/// Name of a binding whose value is the function's return value.
pub const RETURN: &str = "$return";

/// HTTP methods of a route in `customHandler.http.routes`, and of a trigger that lists no methods.
pub(super) const ALL_METHODS: [&str; 7] =
    ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"];

/// One function of a function app, with its bindings.
#[derive(Debug, Clone)]
pub struct Function {
    /// Name of the function, which is the name of its folder.
    pub name: String,
    /// Name of the trigger, under which the `Data` of an envelope holds the trigger's value.
    pub trigger_name: String,
    /// Trigger that starts the function.
    pub trigger: TriggerBinding,
    /// Input bindings of the function, without its trigger.
    pub inputs: Vec<InputBinding>,
    /// Name of the function's HTTP output. `None` if the function has no HTTP output.
    pub http: Option<String>,
    /// Outputs that receive the results of successful calls.
    pub outputs: Vec<OutputBinding>,
    /// Output that receives the records of calls that can never be scored. `None` if the function
    /// has no output `park`.
    pub park: Option<OutputBinding>,
    /// Number of deliveries after which the platform gives up on a message.
    pub max_delivery_count: u32,
    /// Route to which the Functions host forwards requests unchanged. `None` if it wraps the values
    /// of the trigger in envelopes.
    pub route: Option<Route>,
}

/// Trigger of a function, with the settings that determine the form of its value in an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TriggerBinding {
    /// A new or changed blob. The value of the trigger is base64, whatever `dataType` says.
    Blob {
        /// Path of the blobs: the container and the blob name, with placeholders such as `{name}`.
        path: String,
    },
    /// An HTTP request. The value of the trigger is a JSON object.
    Http,
    /// A Service Bus message, or a batch of messages.
    ServiceBus {
        /// True if `cardinality` is `many`, so that messages come in batches.
        many: bool,
        /// Value of `dataType` in the trigger binding.
        data_type: DataType,
    },
    /// A call of the platform that warms up a new instance.
    WarmUp,
}

/// Value of `dataType` in a binding, on which the form of a message in an envelope depends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DataType {
    /// `dataType` is `binary`: the message is base64.
    Binary,
    /// `dataType` has any other value: the message is a JSON string that holds the text as another
    /// JSON string.
    Text,
    /// The binding has no `dataType`. A single message comes as text, and a message of a batch as
    /// the JSON value that the message holds.
    Unspecified,
}

/// Input binding of a function, other than its trigger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputBinding {
    /// Name of the input, under which the `Data` of an envelope holds its value.
    pub name: String,
}

/// Output binding of a function, other than its HTTP output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputBinding {
    /// Name of the output in the `Outputs` of an answer, or `$return` for the return value.
    pub name: String,
    /// Kind of data that the output accepts.
    pub kind: OutputKind,
}

/// Kind of data that an output passes on unchanged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OutputKind {
    /// Bytes of a blob, sent as base64.
    Blob,
    /// Text of a JSON object, sent as a message.
    Message,
}
