//! Changes to the module of the pinned wheel.
//!
//! Owns the list of the changes and their check. Must not know how the module is run.
//!
//! Pointers have 32 bits in the sandbox, so numpy's default integer would have 32 bits, and sums
//! and products would wrap where they do not natively. numpy chooses its default integer by
//! constants in its machine code, and each change replaces one of them.

/// Change of some bytes of the module.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Patch {
    /// Place of the first byte in the module.
    pub(super) offset: usize,
    /// Bytes of the pinned wheel.
    pub(super) from: &'static [u8],
    /// Bytes of the pack, as many.
    pub(super) to: &'static [u8],
}

/// Changes to the module, in the order of their places. Each replaces an instruction `i32.const`
/// with numpy's number of a type: 7 is `long`, which has 32 bits here, and 9 is `long long`.
#[rustfmt::skip]
pub(super) const PATCHES: &[Patch] = &[
    Patch { offset: 0x4c02af, from: &[0x41, 0x07], to: &[0x41, 0x09] },
    Patch { offset: 0x4c3376, from: &[0x41, 0x07], to: &[0x41, 0x09] },
    Patch { offset: 0x4c33b7, from: &[0x41, 0x07], to: &[0x41, 0x09] },
    Patch { offset: 0x4c33d5, from: &[0x41, 0x07], to: &[0x41, 0x09] },
    Patch { offset: 0x4cc1f0, from: &[0x41, 0x07], to: &[0x41, 0x09] },
    Patch { offset: 0x662b90, from: &[0x41, 0x07], to: &[0x41, 0x09] },
    Patch { offset: 0x662ba5, from: &[0x41, 0x03], to: &[0x41, 0x07] },
];

/// The module does not have the bytes that a change replaces.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it has other bytes at {offset:#x} than the pinned wheel")]
pub struct PatchError {
    offset: usize,
}

/// Changes a module.
///
/// # Errors
/// Fails if the module does not have the bytes that a change replaces.
pub(super) fn apply(module: &mut [u8], patches: &[Patch]) -> Result<(), PatchError> {
    for patch in patches {
        let end = patch.offset.saturating_add(patch.from.len());
        match module.get_mut(patch.offset..end) {
            Some(bytes) if *bytes == *patch.from && patch.to.len() == bytes.len() => {
                bytes.copy_from_slice(patch.to);
            }
            _ => {
                return Err(PatchError {
                    offset: patch.offset,
                });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_expected_bytes_are_replaced() {
        let patch = Patch {
            offset: 1,
            from: b"bc",
            to: b"xy",
        };
        let mut module = *b"abcd";
        apply(&mut module, &[patch]).unwrap();
        assert_eq!(module, *b"axyd");
        assert_eq!(apply(&mut module, &[patch]), Err(PatchError { offset: 1 }));
        let outside = Patch { offset: 3, ..patch };
        assert_eq!(
            apply(&mut module, &[outside]),
            Err(PatchError { offset: 3 })
        );
    }
}
