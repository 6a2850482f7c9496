//! A script, its requests and its answers, and the reasons why a start or a call fails.
//!
//! Owns these types. Must not know how a script runs.

use std::path::PathBuf;
use std::sync::Arc;

use crate::pack::Pack;
use crate::sandbox::{FolderError, SharedLimit};
use crate::state::{StateError, StateImage};

/// Everything that all instances of one script share.
pub struct Script {
    /// Engine pack with the interpreter that runs the script.
    pub pack: Arc<Pack>,
    /// Folder of the script, which the script sees as `/app`.
    pub code: PathBuf,
    /// Name of the script in its folder, such as `score.py`.
    pub entry: String,
    /// Folder of the unpacked packages, which the script sees as `/packages`.
    pub packages: Option<PathBuf>,
    /// Folder of the model, which the script sees as `/model`.
    pub model: Option<PathBuf>,
    /// Variables of the script's environment.
    pub environment: Vec<(String, String)>,
    /// Maximum size of the memory of one instance, in bytes.
    pub memory_bytes: u64,
    /// Limit on the memory of all instances together, if there is one.
    pub shared_memory: Option<SharedLimit>,
    /// State image of the script, if one was taken when the app was packaged.
    pub state: Option<StateImage>,
    /// Files of the model whose estimators run as ONNX graphs.
    pub accelerated: Vec<String>,
}

/// Request to a script.
#[derive(Debug, Clone, Copy)]
pub struct Request<'a> {
    /// JSON object with the keys `id`, `source`, `method`, `path`, `query`, `headers` and
    /// `content_type`.
    pub attributes: &'a str,
    /// Body of the request.
    pub body: &'a [u8],
}

/// Answer of a script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status code that the script chose. It may be any number.
    pub status: u16,
    /// Headers that the script chose. They may have any characters.
    pub headers: Vec<(String, String)>,
    /// Media type of the body.
    pub content_type: String,
    /// Body of the answer.
    pub body: Vec<u8>,
}

/// Reason why an instance did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The script raised an exception when it was imported or in its `init`.
    #[error("the script did not start: {text}")]
    Raised {
        /// Traceback of Python.
        text: String,
    },
    /// The start took too long.
    #[error("the script did not start before its deadline")]
    TimedOut,
    /// The instance needs more memory than it may have.
    #[error("the script did not start: it needs more than {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// Maximum size of the memory of an instance, in bytes.
        limit_bytes: u64,
    },
    /// All instances together need more memory than they may have.
    #[error("the script did not start: the other instances have the memory that it needs")]
    MemoryTaken,
    /// The interpreter exited with this exit code, e.g. because the script called `os._exit`.
    #[error("the interpreter ended with the exit code {0} while the script started")]
    Exited(i32),
    /// The interpreter trapped.
    #[error("the interpreter trapped while the script started: {0}")]
    Trapped(String),
    /// A folder of the script cannot be opened.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The state image cannot be used.
    #[error(transparent)]
    State(#[from] StateError),
}

/// Reason why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The script raised an exception. The instance goes on.
    #[error("the script raised an exception: {text}")]
    Raised {
        /// Traceback of Python.
        text: String,
        /// True if the request caused the exception, because it does not fit the script's contract.
        is_input: bool,
    },
    /// The call took too long.
    #[error("the script did not answer before the deadline")]
    TimedOut,
    /// The interpreter ended because it could not get more memory.
    #[error("the script needs more memory than it may have")]
    OutOfMemory,
    /// The interpreter ended because the other instances have the memory that it needed.
    #[error("the other instances have the memory that the script needs")]
    MemoryTaken,
    /// The interpreter trapped.
    #[error("the interpreter trapped: {0}")]
    Trapped(String),
    /// The interpreter exited with this exit code, e.g. because the script called `os._exit`.
    #[error("the interpreter ended with the exit code {0}")]
    Exited(i32),
    /// The instance ended before the call.
    #[error("the instance has ended")]
    Lost,
}
