//! Imports that a guest may have, but may not call in one phase, e.g. in `describe`.
//!
//! Owns the definitions of these imports: each function ends the guest with a given text and the
//! import's name. Must not know which phase it is, or why the phase refuses an import.

use scorebox_sandbox::Sandbox;
use wasmtime::component::types::ComponentItem;
use wasmtime::component::{Component, Linker, ResourceType, Val};

/// Function that answers some calls of refused functions. It gets the name of the function in the
/// form of `BOUNDS`, and returns the result, or `None` if the call is refused.
pub(crate) type Exception = fn(&str) -> Option<Val>;

/// Defines the functions of every interface that `component` imports and for which `lends` returns
/// false, so that calling them ends the guest. The text of the error is `mark`, then the interface
/// and the function, then a backtick. A call that `exception` answers does not end the guest.
///
/// # Errors
/// Fails if the linker has another kind of item under the name of an interface, which would be a
/// mistake in this crate.
pub(crate) fn refuse(
    linker: &mut Linker<Sandbox>,
    component: &Component,
    lends: impl Fn(&str) -> bool,
    mark: &'static str,
    exception: Exception,
) -> wasmtime::Result<()> {
    let engine = linker.engine().clone();
    // An interface that uses a resource of another interface exports it again. For example,
    // `wasi:clocks/monotonic-clock` exports the `pollable` of `wasi:io/poll`. The resource stays
    // that of its first interface, because a definition here would be of another type.
    let mut known: Vec<ResourceType> = Vec::new();
    linker.allow_shadowing(true);
    for (interface, item) in component.component_type().imports(&engine) {
        let ComponentItem::ComponentInstance(instance) = item.ty else {
            continue;
        };
        let is_lent = lends(interface);
        let mut refused = if is_lent {
            None
        } else {
            Some(linker.instance(interface)?)
        };
        for (name, item) in instance.exports(&engine) {
            match (item.ty, &mut refused) {
                (ComponentItem::Resource(resource), refused) if !known.contains(&resource) => {
                    known.push(resource);
                    if let Some(refused) = refused {
                        // No guest can have a handle of the resource, because each function that
                        // would return one fails.
                        refused.resource(name, ResourceType::host::<()>(), |_, _| Ok(()))?;
                    }
                }
                (ComponentItem::ComponentFunc(_), Some(refused)) => {
                    let text = format!("{mark}{interface}#{name}`");
                    let package = interface.split('@').next().unwrap_or(interface);
                    let function = format!("{package}#{name}");
                    refused.func_new(name, move |_, _, _, results| {
                        match (exception(&function), results) {
                            (Some(answer), [result]) => {
                                *result = answer;
                                Ok(())
                            }
                            _ => Err(wasmtime::Error::msg(text.clone())),
                        }
                    })?;
                }
                _ => {}
            }
        }
    }
    linker.allow_shadowing(false);
    Ok(())
}

/// Returns the interface and the function whose call ended a guest, from the text of the guest's
/// error. `mark` is the value that was passed to [`refuse`]. Returns `None` if the guest ended for
/// another reason.
pub(crate) fn refused<'text>(text: &'text str, mark: &str) -> Option<&'text str> {
    text.split(mark)
        .nth(1)
        .and_then(|rest| rest.split('`').next())
}
