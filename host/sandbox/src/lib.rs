//! What every store holds, and WASI joined to it.
//!
//! Owns [`Sandbox`], the type that wasmtime's generic code is compiled for. Must not know what is in one, nor whether WASI
//! is open or closed. A crate of its own since WASI is more than a hundred functions, most of them never called, each
//! compiled anew for the type of the store. Here they are compiled for size: the image's host is a twentieth smaller.

use std::any::Any;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::{WasiCtxView, WasiView};

/// The state of one instance, as wasmtime sees it.
pub struct Sandbox(Box<dyn Inhabitant>);

/// The state of one instance, as its owner sees it.
pub trait Inhabitant: Any + Send {
    /// What WASI works on.
    fn wasi(&mut self) -> WasiCtxView<'_>;
}

impl Sandbox {
    /// A sandbox for one instance.
    pub fn new(inhabitant: impl Inhabitant) -> Self {
        Self(Box::new(inhabitant))
    }

    /// Who lives in it; `None` if it was made with another type.
    #[must_use]
    pub fn get<I: Inhabitant>(&self) -> Option<&I> {
        let inhabitant: &dyn Any = &*self.0;
        inhabitant.downcast_ref()
    }

    /// The same, to change it.
    pub fn get_mut<I: Inhabitant>(&mut self) -> Option<&mut I> {
        let inhabitant: &mut dyn Any = &mut *self.0;
        inhabitant.downcast_mut()
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.0.wasi()
    }
}

/// Joins all of WASI 0.2. One call of `poll` takes at most so many handles: they are counted before one is looked at.
///
/// # Errors
/// The linker has some of it already.
pub fn link(linker: &mut Linker<Sandbox>, most_pollables: usize) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker.instance(POLL)?.func_wrap_async(
        "poll",
        move |mut store: StoreContextMut<'_, Sandbox>, (list,): (WasmList<Resource<DynPollable>>,)| {
            Box::new(async move {
                if list.len() > most_pollables {
                    let found = list.len();
                    return Err(wasmtime::Error::msg(format!(
                        "poll takes at most {most_pollables} handles, not {found}"
                    )));
                }
                let list = list.iter(&mut store)?.collect::<wasmtime::Result<Vec<_>>>()?;
                Ok((poll::Host::poll(store.data_mut().ctx().table, list).await?,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// With the version of the WASI that is joined. A test of the whole host calls it.
const POLL: &str = "wasi:io/poll@0.2.12";
