//! The interfaces `wasi:keyvalue` and `cache`: stores by name.
//!
//! Must not know where a store is. Every error of a store may be shown to a scorer. If a store
//! cannot be reached, is full or denies access, the host also writes a line to the log, because a
//! scorer may ignore the error.

use std::time::Duration;

use wasmtime::component::Resource;

use super::bindings::CasHandle;
use super::bounds::{self, Size};
use super::state::InstanceState;
use crate::capability::bindings::capabilities::scorebox::scoring::cache;
use crate::capability::bindings::capabilities::wasi::keyvalue::store::{Error, KeyResponse};
use crate::capability::bindings::capabilities::wasi::keyvalue::{atomics, batch, store};
use crate::redis::{Condition, Lifetime, Store, StoreError};

impl CasHandle {
    /// Returns the size of the key and the value that this `cas` handle holds in the host's memory,
    /// in bytes.
    fn bytes(&self) -> usize {
        self.key.len() + self.current.as_ref().map_or(0, Vec::len)
    }
}

/// Maximum size of the keys and values that the open [`CasHandle`]s of one instance hold in the
/// host's memory, in bytes.
const HELD_BYTES: usize = 64 << 20;

/// Result of a host function. The outer error ends the scorer's call with a trap, and the inner
/// error is returned to the scorer.
type Answer<T> = wasmtime::Result<Result<T, Error>>;

/// Returns from a host function with an error for the scorer if the arguments exceed the function's
/// limits in `BOUNDS`. `$size` is the size of the arguments.
macro_rules! enter {
    ($state:expr, $function:literal, $size:expr) => {
        let size = $size;
        if let Err(exceeded) = $state.enter(const { bounds::of($function) }, size).await? {
            return Ok(Err(Error::Other(exceeded.to_string())));
        }
    };
}

impl InstanceState {
    /// Returns a clone of the store that a scorer's handle stands for. The store is cloned so that
    /// the table of handles is not borrowed while a call waits. The clone shares the connection.
    /// Fails if the handle is not open.
    fn store(&self, bucket: &Resource<Store>) -> wasmtime::Result<Store> {
        Ok(self.table.get(bucket)?.clone())
    }

    /// Keeps a `cas` handle for the scorer, so that the scorer can swap the value later. Returns an
    /// error to the scorer if its open `cas` handles would hold more than [`HELD_BYTES`].
    fn hold(&mut self, handle: CasHandle) -> Answer<Resource<CasHandle>> {
        let bytes = handle.bytes();
        if self.held_bytes + bytes > HELD_BYTES {
            return Ok(Err(Error::Other(format!(
                "open cas handles hold at most {HELD_BYTES} bytes; drop some"
            ))));
        }
        let resource = self.table.push(handle)?;
        self.held_bytes += bytes;
        Ok(Ok(resource))
    }

    fn release(&mut self, handle: Resource<CasHandle>) -> wasmtime::Result<CasHandle> {
        let handle = self.table.delete(handle)?;
        self.held_bytes -= handle.bytes();
        Ok(handle)
    }

    fn answer<T>(&self, result: Result<T, StoreError>) -> Answer<T> {
        Ok(result.map_err(|error| {
            let text = error.to_string();
            match error {
                StoreError::Disconnected(_) => self.log.warn("store", &text),
                StoreError::Full(_) => self.log.warn("store-full", &text),
                // The error for the scorer has no text.
                StoreError::Denied(_) => {
                    self.log.warn("store-denied", &text);
                    return Error::AccessDenied;
                }
                StoreError::Invalid(_) | StoreError::Refused(_) => {}
            }
            Error::Other(text)
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
        enter!(
            self,
            "wasi:keyvalue/store#[method]bucket.get",
            Size::of_pair(&key, 0)
        );
        let result = self.store(&bucket)?.get(&key).await;
        self.answer(result)
    }

    async fn set(&mut self, bucket: Resource<Store>, key: String, value: Vec<u8>) -> Answer<()> {
        enter!(
            self,
            "wasi:keyvalue/store#[method]bucket.set",
            Size::of_pair(&key, value.len())
        );
        let result = self
            .store(&bucket)?
            .set(&key, &value, None, Condition::Always)
            .await;
        self.answer(result.map(drop))
    }

    async fn delete(&mut self, bucket: Resource<Store>, key: String) -> Answer<()> {
        enter!(
            self,
            "wasi:keyvalue/store#[method]bucket.delete",
            Size::of_pair(&key, 0)
        );
        let result = self.store(&bucket)?.delete(&[key]).await;
        self.answer(result)
    }

    async fn exists(&mut self, bucket: Resource<Store>, key: String) -> Answer<bool> {
        enter!(
            self,
            "wasi:keyvalue/store#[method]bucket.exists",
            Size::of_pair(&key, 0)
        );
        let result = self.store(&bucket)?.exists(&key).await;
        self.answer(result)
    }

    async fn list_keys(
        &mut self,
        bucket: Resource<Store>,
        cursor: Option<String>,
    ) -> Answer<KeyResponse> {
        enter!(
            self,
            "wasi:keyvalue/store#[method]bucket.list-keys",
            Size::of_bytes(cursor.as_deref().map_or(0, str::len))
        );
        let result = self.store(&bucket)?.keys(cursor.as_deref()).await;
        self.answer(result.map(|page| KeyResponse {
            keys: page.keys,
            cursor: page.cursor,
        }))
    }

    async fn drop(&mut self, bucket: Resource<Store>) -> wasmtime::Result<()> {
        self.table.delete(bucket)?;
        Ok(())
    }
}

impl atomics::HostCas for InstanceState {
    async fn new(&mut self, bucket: Resource<Store>, key: String) -> Answer<Resource<CasHandle>> {
        enter!(
            self,
            "wasi:keyvalue/atomics#[static]cas.new",
            Size::of_pair(&key, 0)
        );
        let store = self.store(&bucket)?;
        let read = store.get(&key).await;
        Ok(match self.answer(read)? {
            Ok(current) => self.hold(CasHandle {
                store,
                key,
                current,
            })?,
            Err(error) => Err(error),
        })
    }

    async fn current(&mut self, handle: Resource<CasHandle>) -> Answer<Option<Vec<u8>>> {
        let bytes = self.table.get(&handle)?.bytes();
        enter!(
            self,
            "wasi:keyvalue/atomics#[method]cas.current",
            Size::of_bytes(bytes)
        );
        Ok(Ok(self.table.get(&handle)?.current.clone()))
    }

    async fn drop(&mut self, handle: Resource<CasHandle>) -> wasmtime::Result<()> {
        self.release(handle)?;
        Ok(())
    }
}

impl atomics::Host for InstanceState {
    async fn increment(&mut self, bucket: Resource<Store>, key: String, delta: i64) -> Answer<i64> {
        enter!(
            self,
            "wasi:keyvalue/atomics#increment",
            Size::of_pair(&key, 0)
        );
        let result = self.store(&bucket)?.increment(&key, delta, None).await;
        self.answer(result)
    }

    async fn swap(
        &mut self,
        handle: Resource<CasHandle>,
        value: Vec<u8>,
    ) -> wasmtime::Result<Result<(), atomics::CasError>> {
        let CasHandle {
            store,
            key,
            current,
        } = self.release(handle)?;
        let size = Size::of_pair(&key, value.len());
        if let Err(exceeded) = self
            .enter(const { bounds::of("wasi:keyvalue/atomics#swap") }, size)
            .await?
        {
            let error = Error::Other(exceeded.to_string());
            return Ok(Err(atomics::CasError::StoreError(error)));
        }
        let swapped = store.swap(&key, current.as_deref(), &value).await;
        let failed = match self.answer(swapped)? {
            Ok(true) => return Ok(Ok(())),
            Ok(false) => {
                let read = store.get(&key).await;
                match self.answer(read)? {
                    Ok(current) => match self.hold(CasHandle {
                        store,
                        key,
                        current,
                    })? {
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
    async fn get_many(
        &mut self,
        bucket: Resource<Store>,
        keys: Vec<String>,
    ) -> Answer<Vec<Option<(String, Vec<u8>)>>> {
        enter!(
            self,
            "wasi:keyvalue/batch#get-many",
            Size::of_pairs(keys.iter().map(|key| (key.as_str(), 0)))
        );
        let result = self.store(&bucket)?.get_many(&keys).await;
        let pair = |(key, value): (String, Option<Vec<u8>>)| value.map(|value| (key, value));
        self.answer(result.map(|values| keys.into_iter().zip(values).map(pair).collect()))
    }

    async fn set_many(
        &mut self,
        bucket: Resource<Store>,
        entries: Vec<(String, Vec<u8>)>,
    ) -> Answer<()> {
        enter!(
            self,
            "wasi:keyvalue/batch#set-many",
            Size::of_pairs(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.len()))
            )
        );
        let result = self.store(&bucket)?.set_many(entries, None).await;
        self.answer(result)
    }

    async fn delete_many(&mut self, bucket: Resource<Store>, keys: Vec<String>) -> Answer<()> {
        enter!(
            self,
            "wasi:keyvalue/batch#delete-many",
            Size::of_pairs(keys.iter().map(|key| (key.as_str(), 0)))
        );
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
        enter!(
            self,
            "scorebox:scoring/cache#set",
            Size::of_pair(&key, value.len())
        );
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
        enter!(
            self,
            "scorebox:scoring/cache#set-many",
            Size::of_pairs(
                entries
                    .iter()
                    .map(|(key, value)| (key.as_str(), value.len()))
            )
        );
        let result = self
            .store(&bucket)?
            .set_many(entries, ttl_ms.map(Duration::from_millis))
            .await;
        self.answer(result)
    }

    async fn increment(
        &mut self,
        bucket: Resource<Store>,
        key: String,
        delta: i64,
        ttl_ms: u64,
    ) -> Answer<i64> {
        enter!(
            self,
            "scorebox:scoring/cache#increment",
            Size::of_pair(&key, 0)
        );
        let result = self
            .store(&bucket)?
            .increment(&key, delta, Some(Duration::from_millis(ttl_ms)))
            .await;
        self.answer(result)
    }

    async fn lifetime_of(
        &mut self,
        bucket: Resource<Store>,
        key: String,
    ) -> Answer<cache::Lifetime> {
        enter!(
            self,
            "scorebox:scoring/cache#lifetime-of",
            Size::of_pair(&key, 0)
        );
        let result = self.store(&bucket)?.lifetime(&key).await;
        self.answer(result.map(|lifetime| match lifetime {
            Lifetime::Absent => cache::Lifetime::Absent,
            Lifetime::Unlimited => cache::Lifetime::Unlimited,
            Lifetime::Remaining(left) => {
                cache::Lifetime::Remaining(u64::try_from(left.as_millis()).unwrap_or(u64::MAX))
            }
        }))
    }

    async fn touch(
        &mut self,
        bucket: Resource<Store>,
        key: String,
        ttl_ms: Option<u64>,
    ) -> Answer<bool> {
        enter!(self, "scorebox:scoring/cache#touch", Size::of_pair(&key, 0));
        let result = self
            .store(&bucket)?
            .touch(&key, ttl_ms.map(Duration::from_millis))
            .await;
        self.answer(result)
    }
}
