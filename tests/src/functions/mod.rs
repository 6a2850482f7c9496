//! A Functions host for tests: starts the real `scorebox` as its custom handler and checks the
//! documented rules.
//!
//! Owns the handler's process and environment, its readiness, restarts and end. [`wire`] has the
//! requests, [`outputs`] has the host's treatment of an answer, [`values`] has the form of values,
//! and [`levels`] has the levels of log lines. The rules were read from the source of
//! Azure/azure-functions-host 4.1037, and [`recorded`] compares them with what this host did. Must
//! not know scorers.

pub mod app;
pub mod delivery;
pub mod json;
pub mod levels;
pub mod outputs;
pub mod recorded;
pub mod values;
pub mod wire;

use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::host::scorebox_alone;
use crate::log::Log;
use crate::redis::free_port;
use crate::wait;

use self::levels::Level;
use self::outputs::{Bound, Failed};

/// Maximum time from the start of a handler until it answers `GET /`.
const INITIALIZATION_TIMEOUT: Duration = Duration::from_secs(30);
const PING_INTERVAL: Duration = Duration::from_millis(25);

/// Timeout of an invocation in tests. The real Functions host uses `functionTimeout`.
const INVOCATION_TIMEOUT: Duration = Duration::from_secs(60);

/// A simulated Functions host with its handler, which is the real `scorebox`.
pub struct FunctionsHost {
    app: PathBuf,
    port: u16,
    variables: Vec<(String, String)>,
    handler: Mutex<Handler>,
    invocations: AtomicU64,
}

struct Handler {
    child: Child,
    log: Log,
    stderr: Log,
    counted_errors: u32,
}

/// Rule of the Functions host for a handler that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterExit {
    /// The handler is not started again, and every later invocation fails. The exit code was 0.
    GoneForGood,
    /// The handler is started again. The third exit that counts as an error within half an hour
    /// ends the Functions host.
    Restart {
        /// True if the exit counts as an error.
        counted: bool,
    },
}

impl AfterExit {
    /// Returns the rule for an exit code. `code` is `None` if a signal ended the handler.
    #[must_use]
    pub fn of(code: Option<i32>) -> Self {
        match code {
            Some(0) => Self::GoneForGood,
            Some(200) => Self::Restart { counted: false },
            _ => Self::Restart { counted: true },
        }
    }
}

impl FunctionsHost {
    /// Starts the handler in an app folder, and waits until it answers `GET /`.
    #[track_caller]
    #[must_use]
    pub fn start(app: &Path) -> Self {
        Self::start_with(app, &[])
    }

    /// Starts the handler in an app folder, with `variables` in addition to the documented
    /// environment variables, and waits until it answers `GET /`.
    #[track_caller]
    #[must_use]
    pub fn start_with(app: &Path, variables: &[(&str, &str)]) -> Self {
        let port = free_port();
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let host = documented_environment(app, port);
        let variables: Vec<_> = host.into_iter().chain(variables).collect();
        let handler = Mutex::new(Handler::start(&variables));
        let host = Self {
            app: app.to_path_buf(),
            port,
            variables,
            handler,
            invocations: AtomicU64::new(0),
        };
        host.wait_until_it_answers();
        host
    }

    /// Returns the port on which the handler listens, on this machine.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Sends SIGTERM to the handler, which the real Functions host never does.
    pub fn terminate(&self) {
        let pid = rustix::process::Pid::from_child(&self.handler().child);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM)
            .expect("the handler runs");
    }

    /// Waits until the handler ends by itself, and returns its exit code. Returns `None` if a
    /// signal ended it.
    #[track_caller]
    pub fn wait_for_exit(&self) -> Option<i32> {
        let ended = wait::within(wait::LIMIT, || {
            self.handler()
                .child
                .try_wait()
                .expect("a child can be waited for")
        });
        ended
            .unwrap_or_else(|| panic!("the handler does not end: {}", self.log()))
            .code()
    }

    /// Returns the content of the `function.json` of a function.
    #[must_use]
    pub fn bindings(&self, function: &str) -> Value {
        bindings(&self.app, function)
    }

    /// Returns the content of `host.json`.
    #[must_use]
    pub fn host_json(&self) -> Value {
        let text = std::fs::read_to_string(self.app.join("host.json")).expect("the app has it");
        serde_json::from_str(&text).expect("it is JSON")
    }

    /// Sends an invocation of a function to the handler, and treats the answer as the Functions
    /// host does.
    ///
    /// # Errors
    /// Fails if the invocation fails in the Functions host.
    pub fn invoke(&self, function: &str, body: &[u8]) -> Result<Bound, Failed> {
        let number = self.invocations.fetch_add(1, Ordering::Relaxed);
        let id = format!("00000000-0000-4000-8000-{number:012x}");
        let answer = wire::post(self.port, function, &id, body, INVOCATION_TIMEOUT)
            .map_err(Failed::NoAnswer)?;
        outputs::bind(&self.bindings(function), &answer)
    }

    /// Returns the lines that the handler has written so far: first those on standard output, then
    /// those on standard error, which has the warnings and errors.
    #[must_use]
    pub fn log(&self) -> String {
        let handler = self.handler();
        [handler.log.text(), handler.stderr.text()].join("\n")
    }

    /// Waits until a line of the handler contains `words`.
    #[track_caller]
    pub fn wait_for_log(&self, words: &str) {
        let found = wait::within(wait::LIMIT, || self.log().contains(words).then_some(()));
        assert!(found.is_some(), "no `{words}` in {}", self.log());
    }

    /// Returns the lines that the handler has written so far, each with the level that the
    /// Functions host gives to it.
    #[must_use]
    pub fn leveled_log(&self) -> Vec<(Level, String)> {
        let handler = self.handler();
        let lines = |text: String| text.lines().map(str::to_owned).collect::<Vec<_>>();
        let stdout = lines(handler.log.text()).into_iter();
        let stderr = lines(handler.stderr.text()).into_iter();
        stdout
            .map(|line| (Level::Information, line))
            .chain(stderr.map(|line| (levels::of_stderr(&line), line)))
            .collect()
    }

    /// Asserts that the handler has written only log lines so far, in JSON, and that each has the
    /// level of the Functions host that fits its own level.
    #[track_caller]
    pub fn check_levels(&self) {
        for (level, line) in self.leveled_log() {
            let parsed: Value =
                serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"));
            let expected = match parsed["level"].as_str() {
                Some("ERROR") => Level::Error,
                Some("WARN") => Level::Warning,
                _ => Level::Information,
            };
            assert_eq!(level, expected, "{line}");
        }
    }

    /// Returns the id of the handler's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.handler().child.id()
    }

    /// Kills the handler without a warning, as the Functions host does, and starts another on the
    /// same port.
    #[track_caller]
    pub fn kill_and_restart(&self) {
        {
            let mut handler = self.handler();
            handler.child.kill().expect("it runs");
            let status = handler.child.wait().expect("a child can be waited for");
            let AfterExit::Restart { counted } = AfterExit::of(status.code()) else {
                panic!("{status}")
            };
            let errors = handler.counted_errors + u32::from(counted);
            assert!(errors < 3, "the third error ends the host");
            *handler = Handler {
                counted_errors: errors,
                ..Handler::start(&self.variables)
            };
        }
        self.wait_until_it_answers();
    }

    #[track_caller]
    fn wait_until_it_answers(&self) {
        let deadline = Instant::now() + INITIALIZATION_TIMEOUT;
        while wire::ping(self.port).is_err() {
            assert!(
                Instant::now() < deadline,
                "the handler does not answer: {}",
                self.log()
            );
            std::thread::sleep(PING_INTERVAL);
        }
    }

    fn handler(&self) -> std::sync::MutexGuard<'_, Handler> {
        self.handler
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Handler {
    #[track_caller]
    fn start(variables: &[(String, String)]) -> Self {
        let mut child = scorebox_alone("serve")
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the handler can be started");
        let log = Log::of(child.stdout.take().expect("it is piped"));
        let stderr = Log::of(child.stderr.take().expect("it is piped"));
        Self {
            child,
            log,
            stderr,
            counted_errors: 0,
        }
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        let mut handler = self.handler();
        drop(handler.child.kill());
        drop(handler.child.wait());
    }
}

/// Returns the documented environment variables of a handler.
#[must_use]
pub fn documented_environment(app: &Path, port: u16) -> Vec<(String, String)> {
    let id = "9e1b2c3d-0000-4000-8000-000000000000";
    let app = app.to_str().expect("tests have plain paths");
    [
        ("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string()),
        ("FUNCTIONS_HTTPWORKER_PORT", port.to_string()),
        ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", id.to_owned()),
        ("FUNCTIONS_HTTPWORKER_ID", id.to_owned()),
        ("FUNCTIONS_APP_ROOT_PATH", app.to_owned()),
        // The Functions host passes on its own environment, secrets included.
        (
            "AzureWebJobsStorage",
            "DefaultEndpointsProtocol=https;AccountKey=c3RvcmFnZS1rZXk=".to_owned(),
        ),
        ("FUNCTIONS_WORKER_RUNTIME", "custom".to_owned()),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .to_vec()
}

/// Returns the content of `function.json` of a function in an app folder.
#[must_use]
pub fn bindings(app: &Path, function: &str) -> Value {
    let text = std::fs::read_to_string(app.join(function).join("function.json"))
        .expect("the function has its file");
    serde_json::from_str(&text).expect("it is JSON")
}
