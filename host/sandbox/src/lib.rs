//! Type of the data in every wasmtime store, and WASI linked for it.
//!
//! Owns [`Sandbox`], the type for which wasmtime's generic code is compiled. Must not know what a
//! sandbox holds, nor whether WASI is open or closed to a guest.
//!
//! This is a separate crate because of its size. WASI has more than a hundred functions, most of
//! which are never called, and each is compiled anew for the type of the store. In this crate they
//! are compiled for size, which makes the host program of container images a twentieth smaller.

use std::any::Any;

use wasmtime::StoreContextMut;
use wasmtime::component::{Linker, Resource, WasmList};
use wasmtime_wasi::p2::DynPollable;
use wasmtime_wasi::p2::bindings::io::poll;
use wasmtime_wasi::{WasiCtxView, WasiView};

/// State of one instance of a component, in the one type for which Wasmtime's generic code is
/// compiled.
pub struct Sandbox(Box<dyn SandboxState>);

/// State of one instance of a component, as the host defines it. A [`Sandbox`] holds the state for
/// Wasmtime.
pub trait SandboxState: Any + Send {
    /// Returns the WASI state of the instance.
    fn wasi(&mut self) -> WasiCtxView<'_>;
}

impl Sandbox {
    /// Creates the sandbox that holds the state of one instance.
    pub fn new(state: impl SandboxState) -> Self {
        Self(Box::new(state))
    }

    /// Returns the state of the instance as a value of the type `S`, or `None` if the state has
    /// another type.
    #[must_use]
    pub fn get<S: SandboxState>(&self) -> Option<&S> {
        let state: &dyn Any = &*self.0;
        state.downcast_ref()
    }

    /// Returns a mutable reference to the state of the instance as a value of the type `S`, or
    /// `None` if the state has another type.
    pub fn get_mut<S: SandboxState>(&mut self) -> Option<&mut S> {
        let state: &mut dyn Any = &mut *self.0;
        state.downcast_mut()
    }
}

impl WasiView for Sandbox {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        self.0.wasi()
    }
}

/// Adds all of WASI 0.2 to a linker. A call of `poll` with more than `most_pollables` handles fails
/// before any handle is used.
///
/// # Errors
/// Fails if the linker already has a function of WASI.
pub fn link(linker: &mut Linker<Sandbox>, most_pollables: usize) -> wasmtime::Result<()> {
    wasmtime_wasi::p2::add_to_linker_async(linker)?;
    linker.allow_shadowing(true);
    linker.instance(POLL)?.func_wrap_async(
        "poll",
        move |mut store: StoreContextMut<'_, Sandbox>,
              (list,): (WasmList<Resource<DynPollable>>,)| {
            Box::new(async move {
                if list.len() > most_pollables {
                    let found = list.len();
                    return Err(wasmtime::Error::msg(format!(
                        "poll takes at most {most_pollables} handles, not {found}"
                    )));
                }
                let list = list
                    .iter(&mut store)?
                    .collect::<wasmtime::Result<Vec<_>>>()?;
                Ok((poll::Host::poll(store.data_mut().ctx().table, list).await?,))
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(())
}

/// Name of the WASI interface that has the function `poll`, with the version that Wasmtime
/// provides. A test of the whole host calls `poll` to check the name.
const POLL: &str = "wasi:io/poll@0.2.12";
