//! Changes to the module of the pinned wheel, which give numpy integers of 64 bits.
//!
//! Owns the list of the changes and their check. Must not know how the changed module is run.
//!
//! Pointers have 32 bits in the sandbox, so numpy's default integer would have 32 bits, and sums
//! and products would wrap where they do not natively. With the changes, Python integers,
//! `dtype=int`, `arange` and sums have 64 bits. The C type `long` of 32 bits is left for indices:
//!
//! - Functions compute with 64 bits if they are given indices.
//! - A number that does not fit into an index is an error, and natively it fits.
//!
//! `world/scorebox_integers.py` does what can be done while numpy runs. The differential test is
//! `world/tests/compare_integers.py`.

mod bytes;
mod casts;
mod code;
mod promotion;

/// Change of some bytes of the module of CPython and numpy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    /// Offset in the module of the first byte that is replaced. If a function is replaced, the
    /// offset of the number that precedes its body and has the body's size.
    offset: usize,
    change: Change,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Change {
    /// Bytes of the module in the pinned wheel, and as many bytes that replace them in the pack.
    Bytes {
        from: &'static [u8],
        to: &'static [u8],
    },
    /// Text that is written over other texts of the module.
    Text(&'static str),
    /// Locals and code that replace those of a function of the module.
    Function(Vec<u8>),
}

/// Error of a module that does not have the bytes that a change replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has other bytes at {offset:#x} than the pinned wheel")]
pub struct PatchError {
    offset: usize,
}

/// Returns all changes to the module of the pinned wheel.
pub(super) fn all() -> Vec<Patch> {
    let mut patches = bytes::patches();
    patches.extend(casts::patches());
    patches.extend(promotion::patches());
    patches
}

/// Applies changes to a module of WebAssembly.
///
/// # Errors
/// Fails if the module does not have the bytes that a change replaces.
pub(super) fn apply(module: &mut [u8], patches: &[Patch]) -> Result<(), PatchError> {
    for Patch { offset, change } in patches {
        let other = PatchError { offset: *offset };
        let rest = module.get_mut(*offset..).ok_or(other)?;
        let applied = match change {
            Change::Bytes { from, to } => replace(rest, from, to),
            Change::Text(text) => replace_text(rest, text),
            Change::Function(new) => replace_function(rest, new),
        };
        applied.ok_or(other)?;
    }
    Ok(())
}

fn replace(rest: &mut [u8], from: &[u8], to: &[u8]) -> Option<()> {
    let bytes = rest.get_mut(..from.len())?;
    if *bytes != *from || to.len() != from.len() {
        return None;
    }
    bytes.copy_from_slice(to);
    Some(())
}

/// Writes a text over the texts at the start of `rest`. The new text may be longer than the first
/// of the old texts. Returns `None` if `rest` is too short, or has other bytes than ASCII there.
fn replace_text(rest: &mut [u8], text: &str) -> Option<()> {
    let bytes = rest.get_mut(..text.len())?;
    if !bytes.iter().all(|byte| byte.is_ascii()) {
        return None;
    }
    bytes.copy_from_slice(text.as_bytes());
    Some(())
}

/// Replaces the function at the start of `rest` by a shorter one. The rest of the old function
/// becomes instructions that do nothing and are never reached. Returns `None` if `rest` does not
/// start with a function, or if the new function is longer.
fn replace_function(rest: &mut [u8], new: &[u8]) -> Option<()> {
    let (size, start) = code::read_leb128(rest)?;
    let old = rest.get_mut(start..start.checked_add(size)?)?;
    let (end, body) = old.split_last_mut()?;
    let (kept, unreached) = body.split_at_mut_checked(new.len())?;
    if *end != code::END {
        return None;
    }
    kept.copy_from_slice(new);
    unreached.fill(code::NOP);
    if let Some(first) = unreached.first_mut() {
        *first = code::UNREACHABLE;
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(offset: usize) -> Patch {
        let (from, to) = (b"bc", b"xy");
        Patch {
            offset,
            change: Change::Bytes { from, to },
        }
    }

    #[test]
    fn only_expected_bytes_are_replaced() {
        let mut module = *b"abcd";
        apply(&mut module, &[patch(1)]).unwrap();
        assert_eq!(module, *b"axyd");
        for offset in [1, 3, 9] {
            assert_eq!(
                apply(&mut module, &[patch(offset)]),
                Err(PatchError { offset })
            );
        }
    }

    #[test]
    fn a_function_is_replaced_by_a_shorter_one() {
        let function = |new: &[u8]| Patch {
            offset: 1,
            change: Change::Function(new.to_vec()),
        };
        // The size of the function, no locals, three instructions, the end.
        let mut module = [9, 5, 0, 7, 7, 7, code::END, 9];
        apply(&mut module, &[function(&[0, 8])]).unwrap();
        let unreached = [code::UNREACHABLE, code::NOP];
        assert_eq!(
            module,
            [9, 5, 0, 8, unreached[0], unreached[1], code::END, 9]
        );
        let longer = apply(&mut module, &[function(&[0, 1, 2, 3, 4])]);
        assert_eq!(longer, Err(PatchError { offset: 1 }));
    }

    #[test]
    fn no_two_changes_begin_at_one_place() {
        let mut offsets: Vec<_> = all().iter().map(|patch| patch.offset).collect();
        let count = offsets.len();
        offsets.sort_unstable();
        offsets.dedup();
        assert_eq!(offsets.len(), count);
    }
}
