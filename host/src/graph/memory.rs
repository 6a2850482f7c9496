//! A lack of memory, recognized by the error message of the code that ran out of memory.
//!
//! Owns the phrases of such messages. Must not know where a message comes from: the engine, the C++
//! library that it uses, or this program.

/// Phrases in error messages that show a lack of memory.
///
/// Each phrase means that no more memory was available, or that the size of an allocation
/// overflowed.
const NO_MEMORY: [&str; 8] = [
    "bad_alloc",
    "bad allocation",
    "bad_array_new_length",
    "memory allocation of",
    "Failed to allocate memory",
    "Cannot allocate memory",
    "out of memory",
    "storage size overflowed",
];

/// Returns true if `said`, a message of a program or a library, shows that it ran out of memory.
#[must_use]
pub fn is_out_of_memory(said: &str) -> bool {
    NO_MEMORY.iter().any(|sign| said.contains(sign))
}
