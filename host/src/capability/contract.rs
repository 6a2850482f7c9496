//! Linking of the contract's own interfaces, under the names of every version that the host serves.
//!
//! Owns the list of their functions. Must not know what a function does; that is in the
//! implementation of the generated trait. The linking is written by hand, because generated code
//! has the names of one version only. Code that is generated for a second version would contain
//! every function again, and make the host larger. A function that did not change between two
//! versions has equal types in both, and exists once in this file. `lists` has the functions that
//! take lists.

use scorebox_sandbox::Sandbox;
use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, LinkerInstance, Resource, ResourceType};

use super::lists::{self, state};
use super::{BucketHandle, ConnectionHandle, TensorHandle};
#[cfg(feature = "graphs")]
use crate::capability::bindings::capabilities::scorebox::scoring::graphs;
use crate::capability::bindings::capabilities::scorebox::scoring::{cache, model, redis};

/// Version of the contract in `wit/`, as it stands in the names of interfaces.
pub const CURRENT_VERSION: &str = "0.2.0";

/// Version of the contract before [`CURRENT_VERSION`]. The host also serves components that were
/// built against this version.
pub const PREVIOUS_VERSION: &str = "0.1.0";

/// Function that adds the functions of one interface to a linker.
type Link = fn(&mut Interface<'_>) -> wasmtime::Result<()>;

/// Interfaces of the contract that a scorer may import, and how each is linked.
const INTERFACES: &[(&str, Link)] = &[
    ("model", add_model),
    ("cache", link_cache),
    ("redis", link_redis),
    ("metrics", lists::link_metrics),
    #[cfg(feature = "graphs")]
    ("graphs", link_graphs),
];

/// Adds the functions of an interface of the contract to a linker if `is_imported` returns true for
/// the name of the interface. The name contains the version, e.g. `scorebox:scoring/model@0.2.0`.
/// `is_imported` is called for each interface in both versions that the host serves. Fails if two
/// functions have the same name, which would be a mistake in this file.
pub(super) fn link(
    linker: &mut Linker<Sandbox>,
    is_imported: &dyn Fn(&str) -> bool,
) -> wasmtime::Result<()> {
    for version in [CURRENT_VERSION, PREVIOUS_VERSION] {
        for (interface, link) in INTERFACES {
            let name = name(interface, version);
            if is_imported(&name) {
                link(&mut linker.instance(&name)?)?;
            }
        }
    }
    Ok(())
}

/// Adds the functions of the interface `model` to a linker, in every version that the host serves.
/// `init` may call them even while a container image is built.
#[cfg(feature = "compiler")]
pub(super) fn link_model(linker: &mut Linker<Sandbox>) -> wasmtime::Result<()> {
    let models = [CURRENT_VERSION, PREVIOUS_VERSION].map(|version| name("model", version));
    link(linker, &|interface| {
        models.iter().any(|name| name == interface)
    })
}

/// Wasmtime store of the instance whose guest calls a host function.
type Store<'a> = StoreContextMut<'a, Sandbox>;

/// One interface in a linker, to which host functions are added.
type Interface<'a> = LinkerInstance<'a, Sandbox>;

/// Returns the name of an interface of the contract with its version, as a component imports it.
fn name(interface: &str, version: &str) -> String {
    format!("scorebox:scoring/{interface}@{version}")
}

fn add_model(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    use model::{Host, HostTensor};

    type Part = (Resource<TensorHandle>, u64, u64);

    interface.resource_async(
        "tensor",
        ResourceType::host::<TensorHandle>(),
        |mut store: Store<'_>, handle| {
            Box::new(
                async move { HostTensor::drop(state(&mut store), Resource::new_own(handle)).await },
            )
        },
    )?;
    interface.func_wrap_async("info", |mut store: Store<'_>, (): ()| {
        Box::new(async move { Ok((Host::info(state(&mut store)).await?,)) })
    })?;
    interface.func_wrap_async("tensors", |mut store: Store<'_>, (): ()| {
        Box::new(async move { Ok((Host::tensors(state(&mut store)).await?,)) })
    })?;
    interface.func_wrap_async("files", |mut store: Store<'_>, (): ()| {
        Box::new(async move { Ok((Host::files(state(&mut store)).await?,)) })
    })?;
    interface.func_wrap_async(
        "read-file",
        |mut store: Store<'_>, (name, start, count): (String, u64, u64)| {
            Box::new(
                async move { Ok((Host::read_file(state(&mut store), name, start, count).await?,)) },
            )
        },
    )?;
    interface.func_wrap_async(
        "[static]tensor.open",
        |mut store: Store<'_>, (name,): (String,)| {
            Box::new(async move { Ok((HostTensor::open(state(&mut store), name).await?,)) })
        },
    )?;
    interface.func_wrap_async(
        "[method]tensor.info",
        |mut store: Store<'_>, (tensor,): (Resource<TensorHandle>,)| {
            Box::new(async move { Ok((HostTensor::info(state(&mut store), tensor).await?,)) })
        },
    )?;
    interface.func_wrap_async(
        "[method]tensor.bytes",
        |mut store: Store<'_>, (tensor, start, count): Part| {
            Box::new(async move {
                Ok((HostTensor::bytes(state(&mut store), tensor, start, count).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "[method]tensor.floats",
        |mut store: Store<'_>, (tensor, start, count): Part| {
            Box::new(async move {
                Ok((HostTensor::floats(state(&mut store), tensor, start, count).await?,))
            })
        },
    )?;
    lists::link_model(interface)
}

#[cfg(feature = "graphs")]
fn link_graphs(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    interface.func_wrap_async("list", |mut store: Store<'_>, (): ()| {
        Box::new(async move { Ok((graphs::Host::list(state(&mut store)).await?,)) })
    })?;
    lists::link_graphs(interface)
}

fn link_cache(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    use cache::Host;

    type Bucket = Resource<BucketHandle>;

    interface.func_wrap_async(
        "set",
        |mut store: Store<'_>,
         (bucket, key, value, options): (Bucket, String, Vec<u8>, cache::SetOptions)| {
            Box::new(async move {
                Ok((Host::set(state(&mut store), bucket, key, value, options).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "increment",
        |mut store: Store<'_>, (bucket, key, delta, ttl_ms): (Bucket, String, i64, u64)| {
            Box::new(async move {
                Ok((Host::increment(state(&mut store), bucket, key, delta, ttl_ms).await?,))
            })
        },
    )?;
    interface.func_wrap_async(
        "lifetime-of",
        |mut store: Store<'_>, (bucket, key): (Bucket, String)| {
            Box::new(async move { Ok((Host::lifetime_of(state(&mut store), bucket, key).await?,)) })
        },
    )?;
    interface.func_wrap_async(
        "touch",
        |mut store: Store<'_>, (bucket, key, ttl_ms): (Bucket, String, Option<u64>)| {
            Box::new(
                async move { Ok((Host::touch(state(&mut store), bucket, key, ttl_ms).await?,)) },
            )
        },
    )?;
    lists::link_cache(interface)
}

fn link_redis(interface: &mut Interface<'_>) -> wasmtime::Result<()> {
    use redis::HostConnection;

    interface.resource_async(
        "connection",
        ResourceType::host::<ConnectionHandle>(),
        |mut store: Store<'_>, handle| {
            Box::new(async move {
                HostConnection::drop(state(&mut store), Resource::new_own(handle)).await
            })
        },
    )?;
    interface.func_wrap_async(
        "[static]connection.open",
        |mut store: Store<'_>, (name,): (String,)| {
            Box::new(async move { Ok((HostConnection::open(state(&mut store), name).await?,)) })
        },
    )?;
    lists::link_redis(interface)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use wit_parser::{Resolve, TypeDefKind};

    use super::*;
    use crate::engine::{Allocation, engine};

    #[test]
    fn every_function_of_the_contract_is_linked_in_both_versions() {
        let mut resolve = Resolve::default();
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit");
        let (package, _) = resolve.push_dir(&folder).unwrap();
        let (package, mut found) = (&resolve.packages[package], 0);
        assert_eq!(
            package.name.version.as_ref().unwrap().to_string(),
            CURRENT_VERSION
        );
        let mut linker = Linker::new(&engine(Allocation::OnDemand).unwrap());
        link(&mut linker, &|_| true).unwrap();
        for (interface, id) in &package.interfaces {
            let is_export = matches!(interface.as_str(), "scorer" | "tensor-scorer");
            if is_export || (cfg!(not(feature = "graphs")) && interface == "graphs") {
                continue;
            }
            for version in [CURRENT_VERSION, PREVIOUS_VERSION] {
                let name = name(interface, version);
                // A linker refuses a second function or resource with the same name.
                for function in resolve.interfaces[*id].functions.keys() {
                    let mut interface = linker.instance(&name).unwrap();
                    let second = interface.func_wrap(function, |_, (): ()| Ok(()));
                    assert!(second.is_err(), "{name} has no `{function}`");
                    found += 1;
                }
                for (resource, id) in &resolve.interfaces[*id].types {
                    if resolve.types[*id].kind == TypeDefKind::Resource {
                        let mut interface = linker.instance(&name).unwrap();
                        let ty = ResourceType::host::<()>();
                        let second = interface.resource(resource, ty, |_, _| Ok(()));
                        assert!(second.is_err(), "{name} has no `{resource}`");
                    }
                }
            }
        }
        assert!(found > 30, "{found}");
    }
}
