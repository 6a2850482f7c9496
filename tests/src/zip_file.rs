//! Zip archives that tests write, with true or false headers.
//!
//! Owns the part of the format that `.npz` files use, with every field as the test wants it. Must
//! not know which program reads them.

use flate2::{Compress, Compression, Crc, FlushCompress};

/// A member of a zip archive, with the fields of its headers as the test wants them.
#[derive(Debug, Clone)]
pub struct Member {
    /// Name of the member, in its local header and in its central directory header.
    pub name: String,
    /// Bytes of the member in the archive.
    pub packed: Vec<u8>,
    /// Number of the compression method: 0 is stored, 8 is deflated.
    pub method: u16,
    /// Flags of the member. Bit 0 means that it needs a password.
    pub flags: u16,
    /// Claimed size of the unpacked member, in bytes.
    pub size: u32,
    /// CRC-32 checksum of the member.
    pub crc: u32,
}

impl Member {
    /// Creates a member that is not compressed, with true headers.
    #[must_use]
    pub fn stored(name: &str, bytes: &[u8]) -> Self {
        let mut crc = Crc::new();
        crc.update(bytes);
        let size = u32::try_from(bytes.len()).expect("a test's member is small");
        Self {
            name: name.to_owned(),
            packed: bytes.to_vec(),
            method: 0,
            flags: 0,
            size,
            crc: crc.sum(),
        }
    }

    /// Creates a member that is compressed with deflate, with true headers.
    #[must_use]
    pub fn deflated(name: &str, bytes: &[u8]) -> Self {
        Self {
            packed: [flushed(bytes), END.to_vec()].concat(),
            method: 8,
            ..Self::stored(name, bytes)
        }
    }
}

/// Last block of a deflate stream, which is empty.
pub const END: [u8; 2] = [3, 0];

/// Returns `bytes` as deflate blocks that do not depend on earlier blocks, so that they can be
/// repeated.
///
/// # Panics
/// Panics if the compressor fails.
#[must_use]
pub fn flushed(bytes: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(bytes.len() / 2 + 1024);
    let mut compress = Compress::new(Compression::best(), false);
    compress
        .compress_vec(bytes, &mut packed, FlushCompress::Full)
        .expect("bytes can be deflated");
    assert_eq!(
        compress.total_in(),
        bytes.len() as u64,
        "all of it fits the buffer"
    );
    packed
}

/// Returns the bytes of a zip archive of the members.
///
/// # Panics
/// Panics if the archive is larger than 4 GiB.
#[must_use]
pub fn archive(members: &[Member]) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        let at = length(file.len());
        file.extend(
            [
                b"PK\x03\x04".as_slice(),
                &fields(member),
                member.name.as_bytes(),
                &member.packed,
            ]
            .concat(),
        );
        directory.extend(
            [
                b"PK\x01\x02".as_slice(),
                &20_u16.to_le_bytes(),
                &fields(member),
            ]
            .concat(),
        );
        // The ten zero bytes mean: an empty comment, the first disk and no attributes.
        directory.extend([[0; 10].as_slice(), &at, member.name.as_bytes()].concat());
    }
    let count = u16::try_from(members.len())
        .expect("a test's archive has few members")
        .to_le_bytes();
    let (start, size) = (length(file.len()), length(directory.len()));
    let end = [
        b"PK\x05\x06".as_slice(),
        &[0; 4],
        &count,
        &count,
        &size,
        &start,
        &[0; 2],
    ]
    .concat();
    [file, directory, end].concat()
}

fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes)
        .expect("a test's archive is small")
        .to_le_bytes()
}

/// Returns the fields that the local header and the central directory header of a member share:
/// from the required version to the length of the extra field.
fn fields(member: &Member) -> Vec<u8> {
    let short = |value: u16| value.to_le_bytes();
    let name = u16::try_from(member.name.len()).expect("a name is short");
    [
        short(20).as_slice(),
        &short(member.flags),
        &short(member.method),
        &[0; 4],
        &member.crc.to_le_bytes(),
        &length(member.packed.len()),
        &member.size.to_le_bytes(),
        &short(name),
        &short(0),
    ]
    .concat()
}
