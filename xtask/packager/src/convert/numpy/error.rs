//! Errors of NumPy's files.
//!
//! Owns their texts, and escapes and cuts what a file says in them. Must not know how a file is
//! read.

use std::io;

use scorebox_host::text::{NAME_BYTES, quoted};
use zip::CompressionMethod;
use zip::result::ZipError;

/// Maximum length of a message of the zip library, in bytes. The message may name a member.
const MESSAGE_BYTES: usize = 1024;

/// Reason why a file cannot be converted. The texts continue a sentence about the file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is not a zip archive.
    #[error("is not an .npz file: {0}")]
    NotArchive(#[source] ZipError),
    /// The directory of the archive does not fit the members.
    #[error("is a damaged archive: {}", quoted(&source.to_string(), MESSAGE_BYTES))]
    DamagedArchive {
        /// Error of the zip library.
        source: ZipError,
    },
    /// Two members of the archive have bytes in common.
    #[error("is a damaged archive: its members share bytes")]
    OverlappingMembers,
    /// The archive has no members.
    #[error("holds no array")]
    NoArray,
    /// The archive has more members than are read.
    #[error("holds {count} members; at most {most} are read")]
    TooManyMembers {
        /// Number of members of the archive.
        count: usize,
        /// Maximum number of members that are read.
        most: usize,
    },
    /// Two members of the archive have the same name.
    #[error("holds two members with one name")]
    DuplicateName,
    /// A member of the archive is not an array that NumPy wrote.
    #[error("its member `{}` {source}", quoted(member, NAME_BYTES))]
    Member {
        /// Name of the member, with its extension.
        member: String,
        /// Reason why the member is refused.
        source: MemberError,
    },
    /// An array cannot be converted.
    #[error("`{}` {source}", quoted(array, NAME_BYTES))]
    Array {
        /// Name of the array.
        array: String,
        /// Reason why the array is refused.
        source: ArrayError,
    },
    /// The file cannot be read from its beginning.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// A member of the archive cannot be opened.
    #[error("cannot be read: {0}")]
    UnreadableMember(#[source] ZipError),
}

/// Reason why a member of an archive is refused. The texts continue a sentence about the member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// A password is needed to read the member.
    #[error("is encrypted")]
    Encrypted,
    /// The member is not a file.
    #[error("is a folder or a link")]
    NotFile,
    /// The member is compressed by a method that NumPy does not use.
    #[error("is compressed by {0}; NumPy stores or deflates")]
    Compression(CompressionMethod),
    /// The name of the member is not that of an array.
    #[error("is not an array: its name does not end in .npy")]
    NotArray,
    /// The name of the member is a path that leads out of the archive, or has an empty part.
    #[error("has a name that leads out of the archive, or nowhere")]
    OutsideName,
    /// The name of the array is the one that no tensor can have.
    #[error("has the name that safetensors keeps for itself")]
    ReservedName,
}

/// Reason why an array is refused. The texts continue a sentence about the array.
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    /// The header of the array is refused.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The archive and the header of the array state different sizes.
    #[error(
        "has {archive_bytes} bytes according to the archive, and {data_bytes} bytes of data \
         according to its own header"
    )]
    Size {
        /// Size of the member with its header, as the archive states it, in bytes.
        archive_bytes: u64,
        /// Size of all elements, as the header states it, in bytes.
        data_bytes: usize,
    },
    /// The header is not the one that was read before.
    #[error("changed while it was read")]
    Changed,
    /// The elements cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The array ends before its last element.
    #[error("holds {found_bytes} bytes of data, and its header says {data_bytes}")]
    Cut {
        /// Size of the elements that were read, in bytes.
        found_bytes: usize,
        /// Size of all elements, as the header states it, in bytes.
        data_bytes: usize,
    },
    /// More bytes follow the last element.
    #[error("holds more than the {data_bytes} bytes that its header says")]
    TooLong {
        /// Size of all elements, as the header states it, in bytes.
        data_bytes: usize,
    },
    /// A byte of a boolean array has a value that no boolean has.
    #[error("holds a bool that is neither 0 nor 1")]
    NotBool,
}

/// Reason why the header of an array is refused. The texts continue a sentence about the array.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The first bytes are not those of an `.npy` file.
    #[error("is not an .npy file: it does not begin like one")]
    NotArray,
    /// The version of the format is not one that is read.
    #[error("is of version {major}.{minor} of the format; 1.0, 2.0 and 3.0 are read")]
    Version {
        /// First number of the version.
        major: u8,
        /// Second number of the version.
        minor: u8,
    },
    /// The header is longer than any that NumPy reads.
    #[error("has a header of {header_bytes} bytes; at most {most_bytes} are read")]
    TooLong {
        /// Length of the header, as the file states it, in bytes.
        header_bytes: u64,
        /// Maximum length of a header that is read, in bytes.
        most_bytes: u64,
    },
    /// The file ends before the header does.
    #[error("ends within its header")]
    Cut,
    /// The header cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The header is not the dictionary that NumPy writes.
    #[error("has a header that is not `{{'descr': …, 'fortran_order': …, 'shape': …}}`")]
    Malformed,
    /// The elements have fields.
    #[error("holds records, which tensors cannot hold: save each of their fields by itself")]
    Records,
    /// The elements are pickled objects.
    #[error("holds Python objects, so it is a pickle, a program that nothing here runs")]
    Objects,
    /// The elements are of a type that no tensor has.
    #[error(
        "holds {kind} (`{}`), which tensors cannot hold",
        quoted(descr, NAME_BYTES)
    )]
    ElementType {
        /// Description of the elements.
        kind: &'static str,
        /// NumPy's name of the type, as the header states it.
        descr: String,
    },
    /// A dimension is larger than any number of elements in memory.
    #[error(
        "has a dimension of {}, which no memory has",
        quoted(digits, NAME_BYTES)
    )]
    Dimension {
        /// Digits of the dimension, as the header states them.
        digits: String,
    },
    /// The array has more dimensions than NumPy allows.
    #[error("has more than {most} dimensions")]
    TooManyDimensions {
        /// Maximum number of dimensions.
        most: usize,
    },
    /// All elements together are larger than any memory.
    #[error("has the shape {shape:?}, which is larger than any memory")]
    TooLarge {
        /// Dimensions of the array.
        shape: Vec<usize>,
    },
}
