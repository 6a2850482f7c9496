//! The mock host that is installed for a thread, and that answers the scorers of this thread.
//!
//! Owns the installation, the start of a scorer, and the functions by which a test reads what a
//! scorer did or changes an installed host. Must not know how a mock host is configured.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::ops::Deref;
use std::time::Duration;

use super::host::Host;
use super::state::{Capability, LogLine, Measurement, Phase};
use crate::{Result, Scorer, TensorScorer};

thread_local! {
    static INSTALLED: RefCell<Option<Host>> = const { RefCell::new(None) };
}

impl Host {
    /// Makes the host answer the scorers of this thread until the returned value is dropped.
    ///
    /// ```
    /// use scorebox_guest::model;
    /// use scorebox_guest::testing::Host;
    ///
    /// let host = Host::new().file("a", "1").install();
    /// assert_eq!(model::files(), ["a"]);
    /// drop(host);
    /// assert!(model::files().is_empty());
    /// ```
    #[must_use = "the host answers only until the returned value is dropped"]
    pub fn install(self) -> Installed {
        let before = INSTALLED.with(|installed| installed.replace(Some(self.clone())));
        Installed {
            host: self,
            before,
            of_one_thread: PhantomData,
        }
    }

    /// Creates an instance of a scorer of payloads as the real host does: calls `describe`, then
    /// `init`, and checks which capabilities they use. The host must be [installed](Self::install).
    ///
    /// ```
    /// use scorebox_guest::testing::{self, Host};
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
    /// let host = Host::new().install();
    /// let mut twice = host.start::<Twice>().unwrap();
    /// assert_eq!(testing::post(&mut twice, "2").unwrap(), "4.0");
    /// ```
    ///
    /// # Errors
    /// Fails if the scorer's `init` fails.
    ///
    /// # Panics
    /// Panics if `describe` calls the host. Unless the host was configured with
    /// [`without_snapshot`](Self::without_snapshot), also panics if `init` uses more than the model
    /// and the log. The real host refuses such a call, too.
    pub fn start<S: Scorer>(&self) -> Result<S> {
        self.within(Phase::Describe, S::describe);
        self.within(self.phase_of_init(), S::init)
    }

    /// Creates an instance of a scorer of tensors, as [`start`](Self::start) does for a scorer of
    /// payloads.
    ///
    /// ```
    /// use scorebox_guest::testing::Host;
    /// use scorebox_guest::{Dtype, Port, TensorSignature};
    /// # use scorebox_guest::{Inputs, Invocation, NamedTensor, Result, TensorScorer};
    /// # struct Same;
    /// # impl TensorScorer for Same {
    /// #     fn describe() -> TensorSignature {
    /// #         let port = Port::new("x", Dtype::F32, [None]);
    /// #         TensorSignature::new([port.clone()], [port])
    /// #     }
    /// #     fn init() -> Result<Self> { Ok(Self) }
    /// #     fn run(&mut self, _: &[Invocation], inputs: Inputs) -> Result<Vec<NamedTensor>> { Ok(inputs.0) }
    /// # }
    ///
    /// let host = Host::new().install();
    /// assert!(host.start_tensors::<Same>().is_ok());
    /// ```
    ///
    /// # Errors
    /// Fails if the scorer's `init` fails.
    ///
    /// # Panics
    /// Panics if `describe` calls the host. Unless the host was configured with
    /// [`without_snapshot`](Self::without_snapshot), also panics if `init` uses more than the model
    /// and the log. The real host refuses such a call, too.
    pub fn start_tensors<S: TensorScorer>(&self) -> Result<S> {
        self.within(Phase::Describe, S::describe);
        self.within(self.phase_of_init(), S::init)
    }

    /// Returns the lines that the scorer has written to the log.
    ///
    /// ```
    /// use scorebox_guest::log;
    /// use scorebox_guest::testing::Host;
    ///
    /// let host = Host::new().install();
    /// log::info!("ready");
    /// assert_eq!(host.log().len(), 1);
    /// ```
    #[must_use]
    pub fn log(&self) -> Vec<LogLine> {
        self.state().log.clone()
    }

    /// Returns the measurements that the scorer has made.
    ///
    /// ```
    /// use scorebox_guest::metrics;
    /// use scorebox_guest::testing::Host;
    ///
    /// let host = Host::new().install();
    /// metrics::count("predictions", 2, &[]);
    /// assert!(host.measurements()[0].is_count);
    /// ```
    #[must_use]
    pub fn measurements(&self) -> Vec<Measurement> {
        self.state().measurements.clone()
    }

    /// Returns the Redis commands that the scorer has sent, each as its name and its arguments.
    ///
    /// ```
    /// use scorebox_guest::redis::Connection;
    /// use scorebox_guest::testing::{Host, Value};
    ///
    /// let host = Host::new().redis("default", |_| Ok(Value::Nil)).install();
    /// Connection::lazy("default").execute(["DEL", "a"]).unwrap();
    /// assert_eq!(host.commands(), [["DEL", "a"]]);
    /// ```
    #[must_use]
    pub fn commands(&self) -> Vec<Vec<String>> {
        self.state().commands.clone()
    }

    /// Moves the clock of the mock host forward by `time`, so that keys of its stores expire. Only
    /// this function moves the clock.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use scorebox_guest::cache::{Bucket, Lifetime};
    /// use scorebox_guest::testing::Host;
    ///
    /// let host = Host::new().store("default").install();
    /// let bucket = Bucket::open("default").unwrap();
    /// bucket.set_for("a", "1", Duration::from_secs(10)).unwrap();
    /// host.advance(Duration::from_secs(4));
    /// assert!(matches!(bucket.lifetime("a").unwrap(), Lifetime::Remaining(6000)));
    /// ```
    pub fn advance(&self, time: Duration) {
        let mut state = self.state();
        state.now = state.now.saturating_add(time);
    }

    /// Makes every store unreachable if `is_away` is true, and reachable again if it is false.
    ///
    /// ```
    /// use scorebox_guest::Error;
    /// use scorebox_guest::cache::Bucket;
    /// use scorebox_guest::testing::Host;
    ///
    /// let host = Host::new().store("default").install();
    /// host.disconnect_stores(true);
    /// let failed: Error = Bucket::lazy("default").get("a").unwrap_err().into();
    /// assert!(matches!(failed, Error::Unavailable(_)));
    /// ```
    pub fn disconnect_stores(&self, is_away: bool) {
        self.state().is_away = is_away;
    }

    /// Returns the host that is installed for this thread, or an empty host if there is none.
    pub(crate) fn current() -> Self {
        INSTALLED.with(|installed| installed.borrow().clone().unwrap_or_default())
    }

    /// Returns the host that is installed for this thread, for a call of `capability`. Returns an
    /// empty host if none is installed.
    ///
    /// # Panics
    /// Panics if the function of the scorer that is running, e.g. `describe`, may not use
    /// `capability`.
    #[expect(clippy::panic, reason = "the real host traps, and here the test fails")]
    pub(crate) fn current_for(capability: Capability) -> Self {
        let host = Self::current();
        let refusal = host.state().phase.refusal(capability);
        match refusal {
            Some(refusal) => panic!("{refusal}"),
            None => host,
        }
    }

    fn phase_of_init(&self) -> Phase {
        match self.state().has_snapshot {
            true => Phase::Init,
            false => Phase::Run,
        }
    }

    /// Calls `function`, a function of a scorer, with the capabilities that it may use in `phase`.
    fn within<T>(&self, phase: Phase, function: fn() -> T) -> T {
        /// Guard for a call of a function of a scorer, e.g. `init`. When the guard is dropped, even
        /// by a panic, the mock host allows every capability again.
        struct Again<'a>(&'a Host);

        impl Drop for Again<'_> {
            fn drop(&mut self) {
                self.0.state().phase = Phase::Run;
            }
        }

        self.state().phase = phase;
        let _again = Again(self);
        function()
    }
}

/// A [`Host`] that answers the scorers of a thread. The host that was installed before answers
/// again when this value is dropped.
///
/// ```
/// use scorebox_guest::testing::{Host, Installed};
///
/// fn with_settings() -> Installed {
///     Host::new().setting("threshold", "0.5").install()
/// }
///
/// let host = with_settings();
/// assert!(host.log().is_empty());
/// ```
#[derive(Debug)]
pub struct Installed {
    host: Host,
    before: Option<Host>,
    /// Keeps the value on its thread: a host that is installed for a thread must be uninstalled by
    /// the same thread.
    of_one_thread: PhantomData<*const ()>,
}

impl Deref for Installed {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

impl Drop for Installed {
    fn drop(&mut self) {
        let before = self.before.take();
        // While a thread ends, the variable may be gone, and no scorer of the thread runs again.
        let _ = INSTALLED.try_with(|installed| *installed.borrow_mut() = before);
    }
}
