//! One running interpreter with the author's script in it.
//!
//! Owns its start, its calls and their limits. Must not know pools, HTTP or what is outside.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::outside::Outside;
use crate::pack::Pack;

/// What all instances of one script share.
pub struct Script {
    /// Pack with the interpreter.
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
    /// State image, if the script was started where it was packaged.
    pub state: Option<PathBuf>,
    /// Files of the model whose estimators run as graphs.
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
    /// HTTP status code that the script chose.
    pub status: u16,
    /// Headers that the script chose.
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
        /// Traceback.
        text: String,
    },
    /// The start took too long.
    #[error("the script did not start before its deadline")]
    TimedOut,
    /// The instance needs more memory than it may have.
    #[error("the script did not start: it needs more than {limit_bytes} bytes of memory")]
    OutOfMemory {
        /// Maximum size of the memory, in bytes.
        limit_bytes: u64,
    },
    /// The interpreter ended.
    #[error("the interpreter ended with the exit code {0} while the script started")]
    Exited(i32),
    /// The interpreter trapped.
    #[error("the interpreter trapped while the script started: {0}")]
    Trapped(String),
}

/// Reason why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The script raised an exception. The instance goes on.
    #[error("the script raised an exception: {text}")]
    Raised {
        /// Traceback.
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
    /// The interpreter trapped.
    #[error("the interpreter trapped: {0}")]
    Trapped(String),
    /// The interpreter ended.
    #[error("the interpreter ended with the exit code {0}")]
    Exited(i32),
    /// The instance ended before the call.
    #[error("the instance has ended")]
    Lost,
}

/// Running interpreter with a script in it. It answers one call at a time.
pub struct Instance {
    contract: String,
    alive: bool,
}

impl Instance {
    /// Starts an interpreter. Restores the script's state image, or imports the script and runs its
    /// `init`.
    ///
    /// # Errors
    /// Fails if the script raises an exception, or reaches one of its limits.
    pub async fn start(
        _script: &Script,
        _outside: Arc<dyn Outside>,
        _deadline: Instant,
    ) -> Result<Self, StartError> {
        Err(StartError::Trapped("not written yet".to_owned()))
    }

    /// Runs the script for one request.
    ///
    /// # Errors
    /// Fails if the script raises an exception, or reaches one of its limits. After any failure but
    /// [`CallError::Raised`] the instance is not alive.
    pub async fn call(
        &mut self,
        _request: Request<'_>,
        _outside: Arc<dyn Outside>,
        _deadline: Instant,
    ) -> Result<Answer, CallError> {
        Err(CallError::Lost)
    }

    /// Returns true if the instance can answer calls.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        self.alive
    }

    /// Returns the contract of the script as a JSON object, or `{}` if it states none.
    #[must_use]
    pub fn contract(&self) -> &str {
        &self.contract
    }
}
