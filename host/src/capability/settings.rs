//! The interface `wasi:config`: the settings that the manifest gives the scorer.
//!
//! Must not know the environment variables of the process, which no scorer can read.

use super::state::InstanceState;
use crate::capability::bindings::capabilities::wasi::config::store::{Error, Host};

impl Host for InstanceState {
    async fn get(&mut self, key: String) -> wasmtime::Result<Result<Option<String>, Error>> {
        Ok(Ok(self.shared.config.get(&key).cloned()))
    }

    async fn get_all(&mut self) -> wasmtime::Result<Result<Vec<(String, String)>, Error>> {
        Ok(Ok(self.shared.config.clone().into_iter().collect()))
    }
}
