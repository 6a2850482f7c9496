//! Mapping a part of a file over a part of an interpreter's memory.
//!
//! Owns the `unsafe` call, and what makes it safe. Must not know what the file holds, nor which
//! parts are mapped.

#![allow(unsafe_code, reason = "mapping over memory; the proof is at the block")]

use std::fs::File;
use std::ops::Range;

use rustix::mm::{MapFlags, ProtFlags, mmap};
use wasmtime::{Memory, Store};

use super::PAGE_BYTES;
use crate::sandbox::Sandbox;

/// Replaces the bytes `range` of a memory with those of a file from `place` on. Instances and
/// processes share the pages of the file until they write to them. A write does not reach the file.
///
/// # Errors
/// Fails if the range is not in the memory, if the range or `place` is not aligned to pages, or if
/// the system does not map the file.
pub(super) fn map(
    store: &mut Store<Sandbox>,
    memory: Memory,
    range: Range<usize>,
    file: &File,
    place: u64,
) -> wasmtime::Result<()> {
    let data = memory
        .data_mut(store)
        .get_mut(range)
        .ok_or_else(too_large)?;
    let page = PAGE_BYTES as usize;
    let are_pages = data.as_ptr().addr().is_multiple_of(page) && data.len().is_multiple_of(page);
    wasmtime::ensure!(
        are_pages,
        "a part of the state image does not begin or end with a page"
    );
    // SAFETY: the bytes belong to the linear memory, which nobody else refers to while the store is
    // borrowed. They are whole pages of a mapping of Wasmtime that is readable and writable there,
    // and stay so: a memory of 32 bits has its 4 GiB of addresses from the start and never moves,
    // and the allocator of this engine unmaps all of them when the instance ends. The new bytes are
    // data for the sandbox, so any value is sound, and one that another process changes, too. A
    // file that is cut ends the process at its next access; the page on instances says that the
    // state of a served app is never changed in place, and in an image it is in a read-only layer.
    // Packs are for x86-64, where the system has pages of this size.
    unsafe {
        mmap(
            data.as_mut_ptr().cast(),
            data.len(),
            ProtFlags::READ | ProtFlags::WRITE,
            MapFlags::PRIVATE | MapFlags::FIXED,
            file,
            place,
        )
    }?;
    Ok(())
}

/// Returns the error for a state image with pages beyond the end of the memory of the interpreter.
pub(super) fn too_large() -> wasmtime::Error {
    wasmtime::Error::msg("the state image is larger than the memory")
}
