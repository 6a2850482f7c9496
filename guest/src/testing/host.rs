//! The mock host that a test builds.
//!
//! Owns the functions with which a test configures the host. Must not know how the mocks implement
//! the interfaces that a scorer imports.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::model_folder::{self, Stored};
use super::redis_value::Value;
use super::state::{State, Store};
use crate::graphs::{self, Input, Outputs};
use crate::model::ModelInfo;
use crate::{Element, redis};

/// A host for a test: a model, stores, graphs and settings that the test chooses, and everything
/// that the scorer logs or measures.
///
/// The functions that take the host and return it configure it. [`install`](Self::install) makes it
/// answer the scorers of the thread.
///
/// ```
/// use scorebox_guest::config;
/// use scorebox_guest::cache::Bucket;
/// use scorebox_guest::testing::Host;
///
/// let host = Host::new().setting("threshold", "0.5").store("default").install();
/// assert_eq!(config::parsed("threshold").unwrap(), Some(0.5));
/// Bucket::open("default").unwrap().set("user:1", "41").unwrap();
/// assert!(host.log().is_empty());
/// ```
#[derive(Clone, Default)]
pub struct Host(Arc<Mutex<State>>);

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}

impl Host {
    /// Returns a host with an empty model and without stores, graphs and settings.
    ///
    /// ```
    /// use scorebox_guest::model;
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new().install();
    /// assert!(model::tensors().is_empty());
    /// ```
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the files of the folder `path` to the model, and the tensors of its `.safetensors`
    /// files. `path` may also be a single file. It is relative to the folder of the Cargo package,
    /// where Cargo starts tests. Hidden files are left out.
    ///
    /// ```
    /// use scorebox_guest::model;
    /// use scorebox_guest::testing::Host;
    ///
    /// let host = Host::new().model("src").unwrap();
    /// let _host = host.install();
    /// assert!(model::files().contains(&"lib.rs".to_owned()));
    /// ```
    ///
    /// # Errors
    /// Fails if a file cannot be read, or if a `.safetensors` file is damaged or has a tensor of an
    /// unknown type.
    pub fn model(self, path: impl AsRef<Path>) -> io::Result<Self> {
        let (files, tensors) = model_folder::read(path.as_ref())?;
        let mut state = self.state();
        for (name, bytes) in files {
            state.files.insert(name, Arc::new(bytes));
        }
        for (name, tensor) in tensors {
            state.tensors.insert(name, Arc::new(tensor));
        }
        drop(state);
        Ok(self)
    }

    /// Adds the tensor `name` to the model. `values` are its elements in row-major order.
    ///
    /// ```
    /// use scorebox_guest::model::Tensor;
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new().tensor("coef", [1, 2], &[0.5_f32, 2.0]).install();
    /// assert_eq!(Tensor::open("coef").unwrap().shape(), [1, 2]);
    /// ```
    #[must_use]
    pub fn tensor<T: Element, const RANK: usize>(
        self,
        name: &str,
        shape: [usize; RANK],
        values: &[T],
    ) -> Self {
        let tensor = Stored {
            dtype: T::DTYPE,
            shape: shape.iter().map(|size| *size as u64).collect(),
            bytes: T::write(values),
        };
        self.with(|state| {
            state.tensors.insert(name.to_owned(), Arc::new(tensor));
        })
    }

    /// Adds the file `name` to the model. `name` is a path relative to the folder of the model,
    /// with `/` between its parts.
    ///
    /// ```
    /// use scorebox_guest::model;
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new().file("labels.txt", "no\nyes").install();
    /// assert_eq!(model::read_file("labels.txt").unwrap(), b"no\nyes");
    /// ```
    #[must_use]
    pub fn file(self, name: &str, bytes: impl Into<Vec<u8>>) -> Self {
        let bytes = Arc::new(bytes.into());
        self.with(|state| {
            state.files.insert(name.to_owned(), bytes);
        })
    }

    /// Sets the facts about the model that [`model::info`](crate::model::info) returns.
    ///
    /// ```
    /// use scorebox_guest::model::{self, ModelInfo};
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new()
    ///     .model_info(ModelInfo {
    ///         name: "risk".to_owned(),
    ///         version: "7".to_owned(),
    ///         digest: String::new(),
    ///         labels: Vec::new(),
    ///     })
    ///     .install();
    /// assert_eq!(model::info().version, "7");
    /// ```
    #[must_use]
    pub fn model_info(self, info: ModelInfo) -> Self {
        self.with(|state| state.info = info)
    }

    /// Sets the setting `name` of the scorer, as `[config]` in `scorebox.toml` does.
    ///
    /// ```
    /// use scorebox_guest::config;
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new().setting("limit", "10").install();
    /// assert_eq!(config::parsed("limit").unwrap(), Some(10));
    /// ```
    #[must_use]
    pub fn setting(self, name: &str, value: &str) -> Self {
        self.with(|state| {
            state.settings.insert(name.to_owned(), value.to_owned());
        })
    }

    /// Adds an empty store of keys and values, as `[stores.<name>]` in `scorebox.toml` does. To
    /// write or read its values, a test opens the store with [`Bucket`](crate::cache::Bucket), as a
    /// scorer does.
    ///
    /// ```
    /// use scorebox_guest::cache::Bucket;
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new().store("default").install();
    /// assert_eq!(Bucket::open("default").unwrap().increment("calls", 1).unwrap(), 1);
    /// ```
    #[must_use]
    pub fn store(self, name: &str) -> Self {
        self.with(|state| {
            state.stores.insert(name.to_owned(), Store::default());
        })
    }

    /// Adds an empty store of keys and values. A key expires after `default_ttl` unless the scorer
    /// sets another expiry.
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use scorebox_guest::cache::Bucket;
    /// use scorebox_guest::testing::Host;
    ///
    /// let minute = Duration::from_secs(60);
    /// let host = Host::new().store_with_ttl("default", minute).install();
    /// let bucket = Bucket::open("default").unwrap();
    /// bucket.set("a", "1").unwrap();
    /// host.advance(minute);
    /// assert_eq!(bucket.get("a").unwrap(), None);
    /// ```
    #[must_use]
    pub fn store_with_ttl(self, name: &str, default_ttl: Duration) -> Self {
        self.with(|state| {
            let store = Store {
                default_ttl: Some(default_ttl),
                ..Store::default()
            };
            state.stores.insert(name.to_owned(), store);
        })
    }

    /// Adds a store that answers Redis commands by calling `answer`. The function gets the name of
    /// a command and its arguments. Bytes that are not UTF-8 become replacement characters.
    ///
    /// ```
    /// use scorebox_guest::redis::{Connection, Error};
    /// use scorebox_guest::testing::{Host, Value};
    ///
    /// let host = Host::new()
    ///     .redis("default", |command| match command {
    ///         ["HGETALL", "user:1"] => Ok(Value::map([("age", 41.into())])),
    ///         ["HGETALL", _] => Ok(Value::Array(Vec::new())),
    ///         _ => Err(Error::Denied(command.join(" "))),
    ///     })
    ///     .install();
    /// let reply = Connection::open("default").unwrap().execute(["HGETALL", "user:1"]).unwrap();
    /// assert_eq!(reply.value().field("age").and_then(|age| age.as_i64()), Some(41));
    /// assert_eq!(host.commands(), [["HGETALL", "user:1"]]);
    /// ```
    #[must_use]
    pub fn redis(
        self,
        name: &str,
        answer: impl Fn(&[&str]) -> Result<Value, redis::Error> + Send + Sync + 'static,
    ) -> Self {
        self.with(|state| {
            state.redis.insert(name.to_owned(), Arc::new(answer));
        })
    }

    /// Adds a graph to the model. `compute` is called for each run of the graph: it gets the
    /// inputs, which it reads like a scorer reads outputs, and returns the outputs.
    ///
    /// ```
    /// use scorebox_guest::graphs::{Graph, Input};
    /// use scorebox_guest::testing::Host;
    ///
    /// let _host = Host::new()
    ///     .graph("double", |inputs| {
    ///         let x = inputs.iter().next().and_then(|x| Some(x.values::<f32>().ok()?.into_owned()));
    ///         let twice: Vec<_> = x.unwrap_or_default().iter().map(|x| 2.0 * x).collect();
    ///         Ok(vec![Input::new("y", [twice.len()], &twice)])
    ///     })
    ///     .install();
    /// let outputs = Graph::lazy("double").run([Input::new("x", [1], &[4.0_f32])]).unwrap();
    /// assert_eq!(*outputs.tensor("y").unwrap().values::<f32>().unwrap(), [8.0]);
    /// ```
    #[must_use]
    pub fn graph(
        self,
        name: &str,
        compute: impl Fn(&Outputs) -> Result<Vec<Input>, graphs::Error> + Send + Sync + 'static,
    ) -> Self {
        self.with(|state| {
            state.graphs.insert(name.to_owned(), Arc::new(compute));
        })
    }

    /// Allows `init` to use every capability, as `snapshot = false` under `[scorer]` in
    /// `scorebox.toml` does.
    ///
    /// ```
    /// use scorebox_guest::cache::Bucket;
    /// use scorebox_guest::testing::Host;
    /// # use scorebox_guest::{Invocation, Json, Result, Scorer, Signature};
    /// # struct Stored(Bucket);
    /// # impl Scorer for Stored {
    /// #     type Input = Json<f64>;
    /// #     type Output = Json<f64>;
    /// #     fn describe() -> Signature { Signature::json().input_example("one", "1") }
    /// #     fn init() -> Result<Self> { Ok(Self(Bucket::open("default")?)) }
    /// #     fn run(&mut self, _: &Invocation, input: Json<f64>) -> Result<Json<f64>> { Ok(input) }
    /// # }
    ///
    /// let host = Host::new().store("default").without_snapshot().install();
    /// assert!(host.start::<Stored>().is_ok());
    /// ```
    #[must_use]
    pub fn without_snapshot(self) -> Self {
        self.with(|state| state.has_snapshot = false)
    }

    /// Locks the state of the host. A poisoned lock is used like any other: a test whose panic
    /// poisoned it leaves the state consistent.
    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with(self, change: impl FnOnce(&mut State)) -> Self {
        change(&mut self.state());
        self
    }
}
