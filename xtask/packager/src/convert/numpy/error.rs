//! Errors about files of NumPy.
//!
//! Owns the texts of the errors, and escapes and cuts the parts of a text that come from a file.
//! Must not know how a file is read.

use std::io;

use scorebox_host::text::{NAME_BYTES, quoted};
use zip::CompressionMethod;
use zip::result::ZipError;

use crate::intact::CUT_FIX;

/// Maximum length of a quoted message of the zip library, in bytes. The message may contain the
/// name of a member.
const MESSAGE_BYTES: usize = 1024;
/// Instruction in the error message about an array that a tensor cannot hold, and about a damaged
/// file.
const SAVE_FIX: &str =
    "save it again where it was made, with np.save or np.savez and a plain numeric dtype";
/// Instruction in the error message for a sparse matrix.
const SPARSE_FIX: &str = "save it as a dense array, `np.save('dense.npy', \
                          scipy.sparse.load_npz('sparse.npz').toarray())`, and convert that file";

/// Reason why an `.npy` or `.npz` file cannot be converted. The texts continue a sentence about the
/// file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file is not a zip archive.
    #[error("is not an .npz file: {0}")]
    NotArchive(#[source] ZipError),
    /// The file starts like a zip archive, and the directory at its end is missing or damaged.
    #[error("is an archive that was cut or damaged: {0}")]
    CutArchive(#[source] ZipError),
    /// The archive is a sparse matrix of SciPy.
    #[error("is a sparse matrix of SciPy, and a tensor is dense")]
    Sparse,
    /// The directory of the archive is damaged, or contradicts the members.
    #[error("is a damaged archive: {}", quoted(&source.to_string(), MESSAGE_BYTES))]
    DamagedArchive {
        /// Error of the zip library.
        source: ZipError,
    },
    /// Two members of the archive have bytes in common.
    #[error("is a damaged archive: its members share bytes")]
    OverlappingMembers,
    /// The archive does not contain an array.
    #[error("holds no array")]
    NoArray,
    /// The archive has more than 100,000 members.
    #[error("holds {count} members; at most {most} are read")]
    TooManyMembers {
        /// Number of members in the archive.
        count: usize,
        /// Maximum number of members that an archive may have.
        most: usize,
    },
    /// Two members of the archive have the same name.
    #[error("holds two members with one name")]
    DuplicateName,
    /// A member of the archive is refused, e.g. because it is not an array that NumPy wrote.
    #[error("its member `{}` {source}", quoted(member, NAME_BYTES))]
    Member {
        /// Name of the member, with its extension.
        member: String,
        /// Reason why the member is refused.
        source: MemberError,
    },
    /// An array in the file cannot be converted.
    #[error("`{}` {source}", quoted(array, NAME_BYTES))]
    Array {
        /// Name of the array.
        array: String,
        /// Reason why the array is refused.
        source: ArrayError,
    },
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// A member of the archive cannot be opened.
    #[error("cannot be read: {0}")]
    UnreadableMember(#[source] ZipError),
}

impl FileError {
    /// Returns the instruction with which a user can correct the `.npy` or `.npz` file.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Sparse => SPARSE_FIX,
            Self::CutArchive(_) => CUT_FIX,
            Self::Array { source, .. } => source.fix(),
            _ => SAVE_FIX,
        }
    }
}

impl ArrayError {
    /// Returns the instruction with which a user can correct the NumPy array.
    pub fn fix(&self) -> &'static str {
        match self {
            Self::Cut { .. } | Self::Header(HeaderError::Cut) => CUT_FIX,
            Self::Changed => "run the command again when no other program writes the file",
            _ => SAVE_FIX,
        }
    }
}

/// Reason why a member of an `.npz` archive is refused. The texts continue a sentence about the
/// member.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MemberError {
    /// A password is needed to read the member.
    #[error("is encrypted")]
    Encrypted,
    /// The member is not a file, but e.g. a folder or a symbolic link.
    #[error("is a folder or a link")]
    NotFile,
    /// The member is compressed with a method that NumPy does not use.
    #[error("is compressed by {0}; NumPy stores or deflates")]
    Compression(CompressionMethod),
    /// The name of the member does not end in `.npy`.
    #[error("is not an array: its name does not end in .npy")]
    NotArray,
    /// The name of the member is a path that could lead out of the archive, or that has a component
    /// `.`, an empty component, a backslash or a null character.
    #[error("has a name that leads out of the archive, or nowhere")]
    OutsideName,
    /// The name of the array is `__metadata__`, which the safetensors format reserves.
    #[error("has the name that safetensors keeps for itself")]
    ReservedName,
}

/// Reason why an array is refused. The texts continue a sentence about the array.
#[derive(Debug, thiserror::Error)]
pub enum ArrayError {
    /// The header of the array is invalid or not supported.
    #[error(transparent)]
    Header(#[from] HeaderError),
    /// The size of the array in the archive differs from the size in its header.
    #[error(
        "has {archive_bytes} bytes according to the archive, and {data_bytes} bytes of data \
         according to its own header"
    )]
    Size {
        /// Size of the member, including the header of the array, as the archive states it, in
        /// bytes.
        archive_bytes: u64,
        /// Size of all elements of the array, as its header states it, in bytes.
        data_bytes: usize,
    },
    /// The header of the array changed between two reads of the file.
    #[error("changed while it was read")]
    Changed,
    /// The elements of the array cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The array ends before its last element.
    #[error("holds {found_bytes} bytes of data, and its header says {data_bytes}")]
    Cut {
        /// Size of the elements that were found, in bytes.
        found_bytes: usize,
        /// Size of all elements of the array, as its header states it, in bytes.
        data_bytes: usize,
    },
    /// More bytes follow the last element of the array.
    #[error("holds more than the {data_bytes} bytes that its header says")]
    TooLong {
        /// Size of all elements of the array, as its header states it, in bytes.
        data_bytes: usize,
    },
    /// An element of a boolean array is neither 0 nor 1.
    #[error("holds a bool that is neither 0 nor 1")]
    NotBool,
}

/// Reason why the header of an array is refused. The texts continue a sentence about the array.
#[derive(Debug, thiserror::Error)]
pub enum HeaderError {
    /// The file does not start with the magic bytes of an `.npy` file.
    #[error("is not an .npy file: it does not begin like one")]
    NotArray,
    /// The version of the `.npy` format is not supported.
    #[error("is of version {major}.{minor} of the format; 1.0, 2.0 and 3.0 are read")]
    Version {
        /// Major version of the `.npy` format.
        major: u8,
        /// Minor version of the `.npy` format.
        minor: u8,
    },
    /// The header is longer than the 10,000 bytes that NumPy accepts.
    #[error("has a header of {header_bytes} bytes; at most {most_bytes} are read")]
    TooLong {
        /// Length of the header, as the file states it, in bytes.
        header_bytes: u64,
        /// Maximum length of a header that is accepted, in bytes.
        most_bytes: u64,
    },
    /// The file ends within the header.
    #[error("ends within its header")]
    Cut,
    /// The header cannot be read from the file.
    #[error("cannot be read: {0}")]
    Unreadable(#[source] io::Error),
    /// The header is not a dictionary as NumPy writes it.
    #[error("has a header that is not `{{'descr': …, 'fortran_order': …, 'shape': …}}`")]
    Malformed,
    /// The elements of the array are records with several fields.
    #[error("holds records, which tensors cannot hold: save each of their fields by itself")]
    Records,
    /// The elements of the array are pickled Python objects.
    #[error("holds Python objects, so it is a pickle, a program that nothing here runs")]
    Objects,
    /// The elements of the array have a type that a tensor cannot have.
    #[error(
        "holds {kind} (`{}`), which tensors cannot hold",
        quoted(descr, NAME_BYTES)
    )]
    ElementType {
        /// Description of the element type in the plural, e.g. `complex numbers`.
        kind: &'static str,
        /// NumPy's code of the element type, as the header states it, e.g. `<c16`.
        descr: String,
    },
    /// The size of a dimension does not fit into a `usize`.
    #[error(
        "has a dimension of {}, which no memory has",
        quoted(digits, NAME_BYTES)
    )]
    Dimension {
        /// Decimal digits of the dimension, as the header states them.
        digits: String,
    },
    /// The array has more than 64 dimensions.
    #[error("has more than {most} dimensions")]
    TooManyDimensions {
        /// Maximum number of dimensions that an array may have.
        most: usize,
    },
    /// The size of all elements of the array does not fit into a `usize`.
    #[error("has the shape {shape:?}, which is larger than any memory")]
    TooLarge {
        /// Dimensions of the array, as the header states them.
        shape: Vec<usize>,
    },
}
