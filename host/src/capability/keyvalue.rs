//! `wasi:keyvalue` and `cache`: stores by name.
//!
//! Must not know where a store lives. Every error that a store gives is fit for a scorer, and every failure is also a
//! line in the log: a scorer may swallow it.

use std::time::Duration;

use wasmtime::component::Resource;

use super::InstanceState;
use crate::redis::{Condition, Lifetime, Store, StoreError};
use crate::scorer::bindings::capabilities::scorebox::scoring::cache;
use crate::scorer::bindings::capabilities::wasi::keyvalue::store::{Error, KeyResponse};
use crate::scorer::bindings::capabilities::wasi::keyvalue::{atomics, batch, store};

/// A key, and the value it had when it was read.
pub struct CasHandle {
    store: Store,
    key: String,
    current: Option<Vec<u8>>,
}

/// Most bytes that the values in [`CasHandle`]s of one instance hold of the host's memory.
const HELD_BYTES: usize = 64 << 20;

/// What a host function gives: the outer error traps, the inner is the scorer's.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

impl InstanceState {
    /// A clone, so that the table is free while the store is waited for. It shares the connection.
    fn store(&self, bucket: &Resource<Store>) -> wasmtime::Result<Store> {
        Ok(self.table.get(bucket)?.clone())
    }

    /// Keeps a value that was read for a swap.
    fn hold(&mut self, handle: CasHandle) -> Answer<Resource<CasHandle>> {
        let bytes = handle.current.as_ref().map_or(0, Vec::len);
        if self.held_bytes + bytes > HELD_BYTES {
            return Ok(Err(Error::Other(format!("open cas handles hold at most {HELD_BYTES} bytes; drop some"))));
        }
        let resource = self.table.push(handle)?;
        self.held_bytes += bytes;
        Ok(Ok(resource))
    }

    fn release(&mut self, handle: Resource<CasHandle>) -> wasmtime::Result<CasHandle> {
        let handle = self.table.delete(handle)?;
        self.held_bytes -= handle.current.as_ref().map_or(0, Vec::len);
        Ok(handle)
    }

    fn answer<T>(&self, result: Result<T, StoreError>) -> Answer<T> {
        Ok(result.map_err(|error| {
            if matches!(error, StoreError::Disconnected(_)) {
                self.log.warn("store", &error.to_string());
            }
            Error::Other(error.to_string())
        }))
    }
}

impl store::Host for InstanceState {
    async fn open(&mut self, identifier: String) -> Answer<Resource<Store>> {
        Ok(match self.shared.stores.get(&identifier) {
            Some(store) => Ok(self.table.push(store.clone())?),
            None => Err(Error::NoSuchStore),
        })
    }
}

impl store::HostBucket for InstanceState {
    async fn get(&mut self, bucket: Resource<Store>, key: String) -> Answer<Option<Vec<u8>>> {
        let result = self.store(&bucket)?.get(&key).await;
        self.answer(result)
    }

    async fn set(&mut self, bucket: Resource<Store>, key: String, value: Vec<u8>) -> Answer<()> {
        let result = self.store(&bucket)?.set(&key, &value, None, Condition::Always).await;
        self.answer(result.map(drop))
    }

    async fn delete(&mut self, bucket: Resource<Store>, key: String) -> Answer<()> {
        let result = self.store(&bucket)?.delete(&[key]).await;
        self.answer(result)
    }

    async fn exists(&mut self, bucket: Resource<Store>, key: String) -> Answer<bool> {
        let result = self.store(&bucket)?.exists(&key).await;
        self.answer(result)
    }

    async fn list_keys(&mut self, bucket: Resource<Store>, cursor: Option<String>) -> Answer<KeyResponse> {
        let result = self.store(&bucket)?.keys(cursor.as_deref()).await;
        self.answer(result.map(|page| KeyResponse { keys: page.keys, cursor: page.cursor }))
    }

    async fn drop(&mut self, bucket: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::HostCas for InstanceState {
    async fn new(&mut self, bucket: Resource<Store>, key: String) -> Answer<Resource<CasHandle>> {
        let store = self.store(&bucket)?;
        let read = store.get(&key).await;
        Ok(match self.answer(read)? {
            Ok(current) => self.hold(CasHandle { store, key, current })?,
            Err(error) => Err(error),
        })
    }

    async fn current(&mut self, handle: Resource<CasHandle>) -> Answer<Option<Vec<u8>>> {
        Ok(Ok(self.table.get(&handle)?.current.clone()))
    }

    async fn drop(&mut self, handle: Resource<CasHandle>) -> wasmtime::Result<()> {
        self.release(handle)?;
        Ok(())
    }
}

impl atomics::Host for InstanceState {
    async fn increment(&mut self, bucket: Resource<Store>, key: String, delta: i64) -> Answer<i64> {
        let result = self.store(&bucket)?.increment(&key, delta, None).await;
        self.answer(result)
    }

    async fn swap(
        &mut self,
        handle: Resource<CasHandle>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let CasHandle { store, key, current } = self.release(handle)?;
        let swapped = store.swap(&key, current.as_deref(), &value).await;
        let failed = match self.answer(swapped)? {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => {
                let read = store.get(&key).await;
                match self.answer(read)? {
                    Ok(current) => match self.hold(CasHandle { store, key, current })? {
                        Ok(fresh) => atomics::CasError::CasFailed(fresh),
                        Err(error) => atomics::CasError::StoreError(error),
                    },
                    Err(error) => atomics::CasError::StoreError(error),
                }
            }
            Err(error) => atomics::CasError::StoreError(error),
        };
        Ok(Err(failed))
    }
}

impl batch::Host for InstanceState {
    async fn get_many(&mut self, bucket: Resource<Store>, keys: Vec<String>) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        let result = self.store(&bucket)?.get_many(&keys).await;
        let pair = |(key, value): (String, Option<Vec<u8>>)| value.map(|value| (key, value));
        self.answer(result.map(|values| keys.into_iter().zip(values).map(pair).collect()))
    }

    async fn set_many(&mut self, bucket: Resource<Store>, entries: Vec<(String, Vec<u8>)>) -> Answer<()> {
        let result = self.store(&bucket)?.set_many(entries, None).await;
        self.answer(result)
    }

    async fn delete_many(&mut self, bucket: Resource<Store>, keys: Vec<String>) -> Answer<()> {
        let result = self.store(&bucket)?.delete(&keys).await;
        self.answer(result)
    }
}

impl cache::Host for InstanceState {
    async fn set(
        &mut self,
        bucket: Resource<Store>,
        key: String,
        value: Vec<u8>,
        options: cache::SetOptions,
    ) -> Answer<bool> {
        let condition = match options.condition {
            cache::Condition::Always => Condition::Always,
            cache::Condition::IfAbsent => Condition::IfAbsent,
            cache::Condition::IfPresent => Condition::IfPresent,
        };
        let ttl = options.ttl_ms.map(Duration::from_millis);
        let result = self.store(&bucket)?.set(&key, &value, ttl, condition).await;
        self.answer(result)
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Store>,
        entries: Vec<(String, Vec<u8>)>,
        ttl_ms: Option<u64>,
    ) -> Answer<()> {
        let result = self.store(&bucket)?.set_many(entries, ttl_ms.map(Duration::from_millis)).await;
        self.answer(result)
    }

    async fn increment(&mut self, bucket: Resource<Store>, key: String, delta: i64, ttl_ms: u64) -> Answer<i64> {
        let result = self.store(&bucket)?.increment(&key, delta, Some(Duration::from_millis(ttl_ms))).await;
        self.answer(result)
    }

    async fn lifetime_of(&mut self, bucket: Resource<Store>, key: String) -> Answer<cache::Lifetime> {
        let result = self.store(&bucket)?.lifetime(&key).await;
        self.answer(result.map(|lifetime| match lifetime {
            Lifetime::Absent => cache::Lifetime::Absent,
            Lifetime::Unlimited => cache::Lifetime::Unlimited,
            Lifetime::Remaining(left) => {
                cache::Lifetime::Remaining(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
            }
        }))
    }

    async fn touch(&mut self, bucket: Resource<Store>, key: String, ttl_ms: Option<u64>) -> Answer<bool> {
        let result = self.store(&bucket)?.touch(&key, ttl_ms.map(Duration::from_millis)).await;
        self.answer(result)
    }
}
