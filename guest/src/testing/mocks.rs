//! Mocks of the functions that a scorer imports. The mock host that the test installed answers
//! them.
//!
//! Owns the mocks of settings, log, measurements and graphs. Modules of `mocks` have those of the
//! model, the stores and Redis. The names and types are those of the generated bindings. Must not
//! know a test.

use crate::testing::host::Host;
use crate::testing::state::Capability;

pub(crate) use self::stores::{atomics, batch, cache, keyvalue};

pub(crate) mod model;
pub(crate) mod redis;
mod stores;

/// Mock of the interface wasi:config/store: the settings of the scorer.
pub(crate) mod config {
    use super::{Capability, Host};

    pub use crate::bindings::capabilities::wasi::config::store::Error;

    pub(crate) fn get(name: &str) -> Result<Option<String>, Error> {
        Ok(Host::current_for(Capability::Other)
            .state()
            .settings
            .get(name)
            .cloned())
    }

    pub(crate) fn get_all() -> Result<Vec<(String, String)>, Error> {
        let settings = Host::current_for(Capability::Other)
            .state()
            .settings
            .clone();
        Ok(settings.into_iter().collect())
    }
}

/// Mock of the interface wasi:logging/logging, which records log lines. A line is also printed to
/// standard error, so that a failed test shows it.
pub(crate) mod logging {
    use super::{Capability, Host};
    use crate::testing::LogLine;

    pub use crate::bindings::capabilities::wasi::logging::logging::Level;

    pub(crate) fn log(level: Level, context: &str, message: &str) {
        eprintln!("{level:?} {context}: {message}");
        Host::current_for(Capability::Log)
            .state()
            .log
            .push(LogLine {
                level,
                context: context.to_owned(),
                message: message.to_owned(),
            });
    }
}

/// Mock of the interface `metrics`, which records the measurements of the scorer.
pub(crate) mod metrics {
    use super::{Capability, Host};
    use crate::testing::Measurement;

    #[expect(
        clippy::cast_precision_loss,
        reason = "a counter beyond 2^53 is not counted in a test"
    )]
    pub(crate) fn count(name: &str, delta: u64, attributes: &[(String, String)]) {
        push(name, delta as f64, true, attributes);
    }

    pub(crate) fn record_value(name: &str, value: f64, attributes: &[(String, String)]) {
        push(name, value, false, attributes);
    }

    fn push(name: &str, value: f64, is_count: bool, attributes: &[(String, String)]) {
        Host::current_for(Capability::Other)
            .state()
            .measurements
            .push(Measurement {
                name: name.to_owned(),
                value,
                is_count,
                attributes: attributes.to_vec(),
            });
    }
}

/// Mock of the interface `graphs`. A function of the test computes a graph, and the description of
/// a graph has no ports.
pub(crate) mod graphs {
    use std::sync::Arc;

    use super::{Capability, Host};
    use crate::graphs::Outputs;

    pub use crate::bindings::capabilities::scorebox::scoring::graphs::{
        ElementType, Elements, Error, GraphInfo, Port, Tensor,
    };

    pub(crate) fn list() -> Vec<GraphInfo> {
        let host = Host::current_for(Capability::Other);
        let state = host.state();
        let info = |name: &String| GraphInfo {
            name: name.clone(),
            inputs: Vec::new(),
            outputs: Vec::new(),
        };
        state.graphs.keys().map(info).collect()
    }

    pub(crate) fn compute(name: &str, inputs: &[Tensor]) -> Result<Vec<Tensor>, Error> {
        // The lock is released first, because the function of a test may ask the host, too.
        let graph = Host::current_for(Capability::Other)
            .state()
            .graphs
            .get(name)
            .map(Arc::clone);
        let graph = graph.ok_or_else(|| Error::NotFound(name.to_owned()))?;
        let outputs = graph(&Outputs(inputs.to_vec()))?;
        Ok(outputs.into_iter().map(|output| output.0).collect())
    }
}
