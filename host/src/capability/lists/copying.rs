//! Lists of many small items, copied from the guest's memory to the host.
//!
//! Owns the checks of a list's size before anything is copied. Must not know which host function
//! takes the list, or how the scorer gets the error for a list that is too large.

use scorebox_sandbox::Sandbox;
use wasmtime::StoreContextMut;
use wasmtime::component::{Lift, WasmList};

use crate::capability::bounds::{Bound, Exceeded};
use crate::redis::VALUE_LIMIT_BYTES;
use crate::redis::raw::{ARGUMENT_BYTES, COMMANDS_AT_ONCE, Command};

/// Wasmtime store of the guest's instance, which gives access to the guest's memory.
pub(super) type Store<'a> = StoreContextMut<'a, Sandbox>;

/// Copies the items of a list from the guest's memory. The inner error, which is returned to the
/// scorer, says that the list has more items than `bound` allows.
pub(super) fn items<T: Lift>(
    store: &mut Store<'_>,
    list: &WasmList<T>,
    bound: &Bound,
) -> wasmtime::Result<Result<Vec<T>, Exceeded>> {
    match bound.too_many(list.len()) {
        Some(exceeded) => Ok(Err(exceeded)),
        None => list.iter(store)?.collect::<wasmtime::Result<_>>().map(Ok),
    }
}

pub(super) fn pairs(entries: Vec<(Box<str>, Box<[u8]>)>) -> Vec<(String, Vec<u8>)> {
    entries
        .into_iter()
        .map(|(key, value)| (key.into(), value.into()))
        .collect()
}

/// Copies a list of Redis commands from the guest's memory. The number of commands is checked
/// before their arguments are read. The inner error, which is returned to the scorer, says which
/// limit the commands exceed.
pub(super) fn several(
    store: &mut Store<'_>,
    list: &WasmList<WasmList<WasmList<u8>>>,
    bound: &Bound,
) -> wasmtime::Result<Result<Vec<Command>, Exceeded>> {
    if list.len() > COMMANDS_AT_ONCE {
        return Ok(Err(Exceeded::Commands));
    }
    let lists = list.iter(&mut *store)?.collect::<wasmtime::Result<_>>()?;
    commands(store, lists, bound)
}

/// Copies Redis commands, each a list of arguments, from the guest's memory. The sizes of a
/// command's arguments are added to those of the commands before it, and checked, before its
/// arguments are copied, because many arguments may refer to the same bytes of the guest's memory.
/// The inner error, which is returned to the scorer, says which limit the commands exceed.
pub(super) fn commands(
    store: &mut Store<'_>,
    lists: Vec<WasmList<WasmList<u8>>>,
    bound: &Bound,
) -> wasmtime::Result<Result<Vec<Command>, Exceeded>> {
    if lists.iter().map(WasmList::len).sum::<usize>() > bound.items {
        return Ok(Err(Exceeded::Arguments(bound.items)));
    }
    let mut commands = Vec::with_capacity(lists.len());
    let mut bytes = 0usize;
    for list in lists {
        let arguments: Vec<WasmList<u8>> =
            list.iter(&mut *store)?.collect::<wasmtime::Result<_>>()?;
        if arguments
            .iter()
            .any(|argument| argument.len() > VALUE_LIMIT_BYTES)
        {
            return Ok(Err(Exceeded::Argument));
        }
        bytes = arguments.iter().fold(bytes, |bytes, argument| {
            bytes.saturating_add(argument.len())
        });
        if bytes > ARGUMENT_BYTES {
            return Ok(Err(Exceeded::ArgumentBytes));
        }
        commands.push(
            arguments
                .iter()
                .map(|argument| argument.as_le_slice(&*store).to_vec())
                .collect(),
        );
    }
    Ok(Ok(commands))
}
