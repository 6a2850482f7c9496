//! Host functions that take lists of many small items. The items are counted in the guest's memory,
//! before any of them is copied to the host.
//!
//! Owns the linking of these functions. Must not know what a function does; that is in the
//! implementation of the generated trait. An item takes some 50 bytes of the host's memory and 100
//! ns, even if it has few bytes in the guest's memory. Five million keys would block a thread for
//! half a second before a host function could refuse them.

mod copying;

use wasmtime::component::{Linker, LinkerInstance, Resource, WasmList};

use scorebox_sandbox::Sandbox;

use self::copying::{Store, commands, items, pairs, several};
use super::bounds::{self, Bound, Exceeded};
use super::{BucketHandle, ConnectionHandle, InstanceState, TensorHandle};
use crate::capability::bindings::capabilities::scorebox::scoring::{cache, metrics, model, redis};
use crate::capability::bindings::capabilities::wasi::keyvalue::{batch, store};
#[cfg(feature = "graphs")]
use {
    super::{ContextHandle, ValueHandle},
    crate::capability::bindings::capabilities::scorebox::scoring::graphs,
    crate::capability::bindings::capabilities::wasi::nn::graph::{
        self, ExecutionTarget, GraphEncoding,
    },
    crate::capability::bindings::capabilities::wasi::nn::inference,
};

/// Result of a host function. The outer error ends the scorer's call with a trap, and the inner
/// error is returned to the scorer.
type Answer<T, E> = wasmtime::Result<(Result<T, E>,)>;

/// Adds the functions of `wasi:keyvalue/batch` to a linker. They limit the number of items before a
/// list is copied to the host's memory, because many small items would take more memory there than
/// their bytes. Fails if the linker refuses a function.
pub(super) fn link_batch(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    type Entries = WasmList<(Box<str>, Box<[u8]>)>;
    let mut batch = linker.instance("wasi:keyvalue/batch@0.2.0-draft2")?;
    batch.func_wrap_async(
        "get-many",
        |mut store: Store<'_>, (bucket, keys): (Resource<BucketHandle>, WasmList<Box<str>>)| {
            Box::new(async move {
                let keys = match items(
                    &mut store,
                    &keys,
                    const { bounds::of("wasi:keyvalue/batch#get-many") },
                )? {
                    Ok(keys) => keys.into_iter().map(String::from).collect(),
                    Err(exceeded) => return refused(&exceeded),
                };
                Ok((batch::Host::get_many(state(&mut store), bucket, keys).await?,))
            })
        },
    )?;
    batch.func_wrap_async(
        "set-many",
        |mut store: Store<'_>, (bucket, entries): (Resource<BucketHandle>, Entries)| {
            Box::new(async move {
                let entries = match items(
                    &mut store,
                    &entries,
                    const { bounds::of("wasi:keyvalue/batch#set-many") },
                )? {
                    Ok(entries) => pairs(entries),
                    Err(exceeded) => return refused(&exceeded),
                };
                Ok((batch::Host::set_many(state(&mut store), bucket, entries).await?,))
            })
        },
    )?;
    batch.func_wrap_async(
        "delete-many",
        |mut store: Store<'_>, (bucket, keys): (Resource<BucketHandle>, WasmList<Box<str>>)| {
            Box::new(async move {
                let keys = match items(
                    &mut store,
                    &keys,
                    const { bounds::of("wasi:keyvalue/batch#delete-many") },
                )? {
                    Ok(keys) => keys.into_iter().map(String::from).collect(),
                    Err(exceeded) => return refused(&exceeded),
                };
                Ok((batch::Host::delete_many(state(&mut store), bucket, keys).await?,))
            })
        },
    )
}

/// Adds `set-many` of the interface `cache` to an instance of a linker, with a limit on the number
/// of items.
pub(super) fn link_cache(cache: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    type Arguments = (
        Resource<BucketHandle>,
        WasmList<(Box<str>, Box<[u8]>)>,
        Option<u64>,
    );
    cache.func_wrap_async(
        "set-many",
        |mut store: Store<'_>, (bucket, entries, ttl_ms): Arguments| {
            Box::new(async move {
                let bound = const { bounds::of("scorebox:scoring/cache#set-many") };
                let entries = match items(&mut store, &entries, bound)? {
                    Ok(entries) => pairs(entries),
                    Err(exceeded) => return refused(&exceeded),
                };
                Ok((cache::Host::set_many(state(&mut store), bucket, entries, ttl_ms).await?,))
            })
        },
    )
}

/// Adds the functions of the interface `redis` that take commands to an instance of a linker, with
/// limits on the number of commands and arguments.
pub(super) fn link_redis(connection: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    type One = WasmList<WasmList<u8>>;
    connection.func_wrap_async(
        "[method]connection.execute",
        |mut store: Store<'_>, (connection, command): (Resource<ConnectionHandle>, One)| {
            Box::new(async move {
                let bound =
                    const { bounds::of("scorebox:scoring/redis#[method]connection.execute") };
                let mut commands = match commands(&mut store, vec![command], bound)? {
                    Ok(commands) => commands,
                    Err(exceeded) => return denied(&exceeded),
                };
                let command = commands.pop().unwrap_or_default();
                Ok(
                    (
                        redis::HostConnection::execute(state(&mut store), connection, command)
                            .await?,
                    ),
                )
            })
        },
    )?;
    connection.func_wrap_async(
        "[method]connection.pipeline",
        |mut store: Store<'_>, (connection, list): (Resource<ConnectionHandle>, WasmList<One>)| {
            Box::new(async move {
                let bound =
                    const { bounds::of("scorebox:scoring/redis#[method]connection.pipeline") };
                let commands = match several(&mut store, &list, bound)? {
                    Ok(commands) => commands,
                    Err(exceeded) => return denied(&exceeded),
                };
                Ok((
                    redis::HostConnection::pipeline(state(&mut store), connection, commands)
                        .await?,
                ))
            })
        },
    )?;
    connection.func_wrap_async(
        "[method]connection.transaction",
        |mut store: Store<'_>, (connection, list): (Resource<ConnectionHandle>, WasmList<One>)| {
            Box::new(async move {
                let bound =
                    const { bounds::of("scorebox:scoring/redis#[method]connection.transaction") };
                let commands = match several(&mut store, &list, bound)? {
                    Ok(commands) => commands,
                    Err(exceeded) => return denied(&exceeded),
                };
                Ok((
                    redis::HostConnection::transaction(state(&mut store), connection, commands)
                        .await?,
                ))
            })
        },
    )
}

/// Adds the functions of the interface `metrics` to an instance of a linker. Only the first 64
/// attributes of a measurement are copied.
pub(super) fn link_metrics(metrics: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    type Attributes = WasmList<(Box<str>, Box<str>)>;
    fn first(
        store: &mut Store<'_>,
        attributes: &Attributes,
        bound: &Bound,
    ) -> wasmtime::Result<Vec<(String, String)>> {
        let found = attributes.iter(store)?.take(bound.items);
        found
            .map(|pair| pair.map(|(name, value)| (name.into(), value.into())))
            .collect()
    }
    metrics.func_wrap_async(
        "count",
        |mut store: Store<'_>, (name, delta, list): (String, u64, Attributes)| {
            Box::new(async move {
                let attributes = first(
                    &mut store,
                    &list,
                    const { bounds::of("scorebox:scoring/metrics#count") },
                )?;
                metrics::Host::count(state(&mut store), name, delta, attributes).await
            })
        },
    )?;
    metrics.func_wrap_async(
        "record-value",
        |mut store: Store<'_>, (name, value, list): (String, f64, Attributes)| {
            Box::new(async move {
                let attributes = first(
                    &mut store,
                    &list,
                    const { bounds::of("scorebox:scoring/metrics#record-value") },
                )?;
                metrics::Host::record_value(state(&mut store), name, value, attributes).await
            })
        },
    )
}

/// Adds `compute` of the interface `graphs` to an instance of a linker, with a limit on the number
/// of tensors.
#[cfg(feature = "graphs")]
pub(super) fn link_graphs(graphs: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    graphs.func_wrap_async(
        "compute",
        |mut store: Store<'_>, (graph, inputs): (String, WasmList<graphs::Tensor>)| {
            Box::new(async move {
                let bound = const { bounds::of("scorebox:scoring/graphs#compute") };
                let inputs = match items(&mut store, &inputs, bound)? {
                    Ok(inputs) => inputs,
                    Err(exceeded) => {
                        let error = graphs::Error::InvalidArgument(exceeded.to_string());
                        return Ok((Err(error),));
                    }
                };
                Ok((graphs::Host::compute(state(&mut store), graph, inputs).await?,))
            })
        },
    )
}

/// Adds `load` of `wasi:nn/graph` to a linker. The function always fails, so it copies nothing.
#[cfg(feature = "graphs")]
pub(super) fn link_graph(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    type Builders = WasmList<WasmList<u8>>;
    linker.allow_shadowing(true);
    linker
        .instance("wasi:nn/graph@0.2.0-rc-2024-10-28")?
        .func_wrap_async(
            "load",
            |mut store: Store<'_>,
             (_, encoding, target): (Builders, GraphEncoding, ExecutionTarget)| {
                Box::new(async move {
                    Ok(
                        (
                            graph::Host::load(state(&mut store), Vec::new(), encoding, target)
                                .await?,
                        ),
                    )
                })
            },
        )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Adds to a linker the function of `wasi:nn/inference` that takes a list of tensors, with a limit
/// on their number.
#[cfg(feature = "graphs")]
pub(super) fn link_inference(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    type Inputs = WasmList<(Box<str>, Resource<ValueHandle>)>;
    linker.allow_shadowing(true);
    linker
        .instance("wasi:nn/inference@0.2.0-rc-2024-10-28")?
        .func_wrap_async(
            "[method]graph-execution-context.compute",
            |mut store: Store<'_>, (context, inputs): (Resource<ContextHandle>, Inputs)| {
                Box::new(async move {
                    let bound = const {
                        bounds::of("wasi:nn/inference#[method]graph-execution-context.compute")
                    };
                    let inputs = items(&mut store, &inputs, bound)??;
                    let inputs = inputs
                        .into_iter()
                        .map(|(name, tensor)| (name.into(), tensor))
                        .collect();
                    Ok((inference::HostGraphExecutionContext::compute(
                        state(&mut store),
                        context,
                        inputs,
                    )
                    .await?,))
                })
            },
        )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Adds `tensor.rows` of the interface `model` to an instance of a linker, with a limit on the
/// number of rows.
pub(super) fn link_model(model: &mut LinkerInstance<'_, Sandbox>) -> wasmtime::Result<()> {
    model.func_wrap_async(
        "[method]tensor.rows",
        |mut store: Store<'_>, (tensor, indices): (Resource<TensorHandle>, WasmList<u64>)| {
            Box::new(async move {
                let bound = const { bounds::of("scorebox:scoring/model#[method]tensor.rows") };
                if bound.too_many(indices.len()).is_some() {
                    return Ok((Err(model::Error::TooLarge(
                        (bound.items * size_of::<u64>()) as u64,
                    )),));
                }
                let indices = indices
                    .as_le_slice(&store)
                    .iter()
                    .copied()
                    .map(u64::from_le)
                    .collect();
                Ok((model::HostTensor::rows(state(&mut store), tensor, indices).await?,))
            })
        },
    )
}

pub(super) fn state<'a>(store: &'a mut Store<'_>) -> &'a mut InstanceState {
    InstanceState::of_mut(store.data_mut())
}

fn refused<T>(exceeded: &Exceeded) -> Answer<T, store::Error> {
    Ok((Err(store::Error::Other(exceeded.to_string())),))
}

fn denied<T>(exceeded: &Exceeded) -> Answer<T, redis::Error> {
    Ok((Err(redis::Error::Denied(exceeded.to_string())),))
}
