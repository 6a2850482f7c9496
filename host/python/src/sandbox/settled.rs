//! Functions of WASI that replace those of Wasmtime while a state image is taken, so that files
//! look the same in each run.
//!
//! Owns the inode numbers, the times, the numbers of hard links and the order of files as a script
//! sees them. Facts that the interpreter reads about a file stay in its memory even after this
//! memory is freed, and so get into the image. Must not know how an image is taken.
//!
//! An instance that serves calls sees the real times: Python compares the time of a folder with the
//! time that it remembers, and lists the folder again only if they differ.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use wasmtime::{Caller, Engine, Extern, Linker};
use wasmtime_wasi::p1::wasi_snapshot_preview1 as original;
use wiggle::GuestMemory;

use super::Sandbox;
use super::imports::{linker, range};
use super::waiting::{FAULT, WASI};

/// Offset of the inode number (`ino`) in a `filestat`, in bytes.
const NUMBER: usize = 8;
/// Offset of the kind of the file in a `filestat`, in bytes.
const KIND: usize = 16;
/// Number by which a `filestat` says that the file is a folder.
const FOLDER: u8 = 3;
/// Offset of the number of hard links (`nlink`) in a `filestat`, in bytes.
const NAMES: usize = 24;
/// Offset of the size of the file in a `filestat`, in bytes.
const SIZE: usize = 32;
/// Offset of the three times of the file in a `filestat`, in bytes.
const TIMES: usize = 40;
/// Size of a `filestat`, in which WASI describes a file, in bytes.
const STAT_BYTES: u32 = 64;
/// Size of the part of an entry of `fd_readdir` that precedes the name of the file, in bytes.
const ENTRY_BYTES: usize = 24;
/// Size of the first buffer for the entries of a folder, in bytes. The size is doubled until the
/// entries fit.
const FIRST_LIST_BYTES: u32 = 64 << 10;
/// Maximum size of the buffer for the entries of a folder, in bytes.
const LIST_BYTES: u32 = 64 << 20;

/// Error of WASI: a value is too large, here the size of the entries of a folder.
const OVERFLOW: i32 = 61;

/// Inode numbers that a script sees, by the inode numbers that the system gives to files. Files are
/// numbered in the order in which the script first saw them.
#[derive(Clone, Default)]
struct Numbers(Arc<Mutex<HashMap<u64, u64>>>);

/// Returns a linker for an interpreter whose state image is taken. It has functions for files that
/// answer the same in each run.
///
/// # Errors
/// Fails only if a function has another type than the one that it replaces.
pub(crate) fn settled_linker(engine: &Engine) -> wasmtime::Result<Linker<Sandbox>> {
    let mut linker = linker(engine)?;
    linker.allow_shadowing(true);
    let numbers = Numbers::default();
    let seen = numbers.clone();
    linker.func_wrap_async(
        WASI,
        "fd_filestat_get",
        move |mut caller: Caller<'_, Sandbox>, (file, place): (i32, i32)| {
            let seen = seen.clone();
            Box::new(async move {
                let Some((wasi, memory)) = parts(&mut caller) else {
                    return Ok(FAULT);
                };
                let mut guest = GuestMemory::Unshared(memory);
                let ended = original::fd_filestat_get(wasi, &mut guest, file, place).await?;
                Ok(seen.settle(&mut caller, place, ended))
            })
        },
    )?;
    let seen = numbers.clone();
    linker.func_wrap_async(
        WASI,
        "path_filestat_get",
        move |mut caller: Caller<'_, Sandbox>,
              (folder, flags, path, size, place): (i32, i32, i32, i32, i32)| {
            let seen = seen.clone();
            Box::new(async move {
                let Some((wasi, memory)) = parts(&mut caller) else {
                    return Ok(FAULT);
                };
                let mut guest = GuestMemory::Unshared(memory);
                let ended =
                    original::path_filestat_get(wasi, &mut guest, folder, flags, path, size, place);
                let ended = ended.await?;
                Ok(seen.settle(&mut caller, place, ended))
            })
        },
    )?;
    linker.func_wrap_async(
        WASI,
        "fd_readdir",
        move |mut caller: Caller<'_, Sandbox>,
              (folder, place, size, cookie, count): (i32, u32, u32, u64, u32)| {
            let numbers = numbers.clone();
            Box::new(async move {
                let entries = match entries(&mut caller, folder).await? {
                    Ok(entries) => entries,
                    Err(error) => return Ok(error),
                };
                let first = usize::try_from(cookie).unwrap_or(usize::MAX);
                let mut list = numbers.list(&entries, first);
                list.truncate(size as usize);
                let written = u32::try_from(list.len())?;
                let Some((_, memory)) = parts(&mut caller) else {
                    return Ok(FAULT);
                };
                for (place, bytes) in [
                    (range(place, written), list.as_slice()),
                    (range(count, 4), written.to_le_bytes().as_slice()),
                ] {
                    match memory.get_mut(place) {
                        Some(place) => place.copy_from_slice(bytes),
                        None => return Ok(FAULT),
                    }
                }
                Ok(0)
            })
        },
    )?;
    linker.allow_shadowing(false);
    Ok(linker)
}

/// Returns the WASI context and the memory of the interpreter that calls. Returns `None` if the
/// interpreter exports no memory.
fn parts<'a>(
    caller: &'a mut Caller<'_, Sandbox>,
) -> Option<(&'a mut wasmtime_wasi::p1::WasiP1Ctx, &'a mut [u8])> {
    let memory = caller.get_export("memory").and_then(Extern::into_memory)?;
    let (memory, sandbox) = memory.data_and_store_mut(caller);
    Some((&mut sandbox.wasi, memory))
}

/// File or folder in a folder, as `fd_readdir` lists it.
struct Entry {
    number: u64,
    kind: u8,
    /// Size of the name, in bytes.
    size: u32,
    name: Vec<u8>,
}

/// Reads all entries of a folder. Returns an error of WASI if the folder cannot be listed or has
/// too many entries.
async fn entries(
    caller: &mut Caller<'_, Sandbox>,
    folder: i32,
) -> wasmtime::Result<Result<Vec<Entry>, i32>> {
    let mut size = FIRST_LIST_BYTES;
    loop {
        // The list is written to a memory of its own, which has a place for its size at its end.
        let mut list = vec![0; size as usize + 4];
        let wasi = &mut caller.data_mut().wasi;
        let mut memory = GuestMemory::Unshared(&mut list);
        let length = size.cast_signed();
        let ended = original::fd_readdir(wasi, &mut memory, folder, 0, length, 0, length).await?;
        if ended != 0 {
            return Ok(Err(ended));
        }
        let written = list.get(size as usize..).and_then(|end| end.first_chunk());
        let written = written.map_or(0, |bytes| u32::from_le_bytes(*bytes));
        if written < size {
            return Ok(Ok(Entry::all(
                list.get(..written as usize).unwrap_or_default(),
            )));
        }
        if size >= LIST_BYTES {
            return Ok(Err(OVERFLOW));
        }
        size *= 2;
    }
}

impl Entry {
    /// Reads all entries from the list of a folder, and returns them in the order of their names.
    fn all(mut list: &[u8]) -> Vec<Self> {
        let mut entries = Vec::new();
        while let Some((entry, rest)) = Self::first(list) {
            entries.push(entry);
            list = rest;
        }
        entries.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        entries
    }

    fn first(list: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = list.split_at_checked(ENTRY_BYTES)?;
        let size = u32::from_le_bytes(*head.get(16..)?.first_chunk()?);
        let (name, rest) = rest.split_at_checked(size as usize)?;
        let entry = Self {
            number: u64::from_le_bytes(*head.get(8..)?.first_chunk()?),
            kind: *head.get(20)?,
            size,
            name: name.to_vec(),
        };
        Some((entry, rest))
    }
}

impl Numbers {
    fn of(&self, number: u64) -> u64 {
        // A panic cannot leave the map half changed.
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = seen.len() as u64 + 1;
        *seen.entry(number).or_insert(next)
    }

    /// Replaces what depends on the file system in the `filestat` at the address `place`: the inode
    /// number, the times and the number of hard links of a file, and the size of a folder. `ended`
    /// is the result of the function that wrote the `filestat`. An error, which is any number but
    /// 0, is returned, and nothing is replaced.
    fn settle(&self, caller: &mut Caller<'_, Sandbox>, place: i32, ended: i32) -> i32 {
        if ended != 0 {
            return ended;
        }
        let memory = parts(caller).map(|(_, memory)| memory);
        let stat =
            memory.and_then(|memory| memory.get_mut(range(place.cast_unsigned(), STAT_BYTES)));
        let Some(stat) = stat else {
            return FAULT;
        };
        let is_folder = stat.get(KIND) == Some(&FOLDER);
        let mut replace = |place: usize, new: &dyn Fn(u64) -> u64| {
            if let Some(value) = stat.get_mut(place..).and_then(<[u8]>::first_chunk_mut) {
                *value = new(u64::from_le_bytes(*value)).to_le_bytes();
            }
        };
        replace(NUMBER, &|number| self.of(number));
        replace(NAMES, &|_| 1);
        if is_folder {
            replace(SIZE, &|_| 0);
        }
        for time in 0..3 {
            replace(TIMES + time * size_of::<u64>(), &|_| 0);
        }
        0
    }

    /// Returns the entries of a folder from the entry `first` on, in the form in which `fd_readdir`
    /// of WASI writes them.
    fn list(&self, entries: &[Entry], first: usize) -> Vec<u8> {
        let mut list = Vec::new();
        for (entry, next) in entries.iter().zip(1u64..).skip(first) {
            list.extend(next.to_le_bytes());
            list.extend(self.of(entry.number).to_le_bytes());
            list.extend(entry.size.to_le_bytes());
            list.extend([entry.kind, 0, 0, 0]);
            list.extend(&entry.name);
        }
        list
    }
}
