//! Tests of the reader of tar entries.

use super::*;

/// Returns the bytes of a tar entry: its header and its content, padded to whole blocks. `kind` is
/// the letter of the entry's type.
pub fn member(name: &[u8], kind: u8, content: &[u8]) -> Vec<u8> {
    member_sized(name, kind, content, content.len() as u64)
}

fn member_sized(name: &[u8], kind: u8, content: &[u8], size: u64) -> Vec<u8> {
    let mut header = tar::Header::new_ustar();
    header.as_mut_bytes()[..name.len()].copy_from_slice(name);
    header.as_mut_bytes()[156] = kind;
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    let mut bytes = header.as_bytes().to_vec();
    bytes.extend(content);
    bytes.resize(bytes.len().next_multiple_of(BLOCK_BYTES), 0);
    bytes
}

fn record(key: &str, value: &str) -> Vec<u8> {
    let rest = format!(" {key}={value}\n");
    let length = (rest.len()..)
        .find(|length| length.to_string().len() + rest.len() == *length)
        .unwrap();
    format!("{length}{rest}").into_bytes()
}

fn names(bytes: &[u8]) -> io::Result<Vec<String>> {
    let mut entries = Entries::new(bytes);
    let mut names = Vec::new();
    while let Some(entry) = entries.next()? {
        let mut content = Vec::new();
        entries.read_to_end(&mut content)?;
        names.push(format!(
            "{}={}",
            String::from_utf8_lossy(&entry.name),
            String::from_utf8_lossy(&content)
        ));
    }
    Ok(names)
}

#[test]
fn records_and_long_names_override_the_header() {
    let path = member(
        b"PaxHeaders/x",
        b'x',
        &[record("path", "real"), record("mtime", "1.5")].concat(),
    );
    let file = member(b"shown", b'0', b"12");
    assert_eq!(
        names(&[path.clone(), file.clone()].concat()).unwrap(),
        ["real=12"]
    );
    let long = member(b"././@LongLink", b'L', b"longer\0rest");
    // A long name of GNU takes precedence over a PAX record. A record with an empty value
    // counts as missing.
    assert_eq!(
        names(&[long, path, file.clone()].concat()).unwrap(),
        ["longer=12"]
    );
    let none = member(b"x", b'x', &record("path", ""));
    assert_eq!(names(&[none, file].concat()).unwrap(), ["shown=12"]);
    // The size in a record determines where the next header is.
    let size = member(b"x", b'x', &record("size", "2"));
    let lies = [
        size,
        member_sized(b"a", b'0', b"12", 0),
        member(b"b", b'0', b"3"),
    ]
    .concat();
    assert_eq!(names(&lies).unwrap(), ["a=12", "b=3"]);
}

#[test]
fn extension_header_has_a_bound_before_it_is_read() {
    for kind in [b'x', b'g', b'L', b'K'] {
        let error = names(&member_sized(b"x", kind, b"", 1 << 33))
            .unwrap_err()
            .to_string();
        assert!(error.contains("8589934592 bytes"), "{error}");
    }
}

#[test]
fn folders_and_links_have_no_bytes_whatever_they_say() {
    let folder = [
        member_sized(b"d/", b'5', b"", 512),
        member(b"f", b'0', b"x"),
    ]
    .concat();
    assert_eq!(names(&folder).unwrap(), ["d/=", "f=x"]);
    let old = [member(b"d/", 0, b""), member(b"f", 0, b"x")].concat();
    let kinds = |bytes: &[u8]| Entries::new(bytes).next().unwrap().unwrap().kind;
    assert_eq!(
        (kinds(&old), kinds(&member(b"f", 0, b"x"))),
        (EntryKind::Folder, EntryKind::File)
    );
}

#[test]
fn numbers_may_be_in_base_256() {
    let mut bytes = member(b"f", b'0', b"x");
    bytes[124..136].copy_from_slice(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    let sum: u32 = (0..512)
        .map(|at| {
            if (148..156).contains(&at) {
                32
            } else {
                u32::from(bytes[at])
            }
        })
        .sum();
    bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    assert_eq!(names(&bytes).unwrap(), ["f=x"]);
    assert!(
        !Entries::new(bytes.as_slice())
            .next()
            .unwrap()
            .unwrap()
            .is_plain
    );
}

#[test]
fn broken_archives_are_refused_and_the_end_is_seen() {
    let file = member(b"f", b'0', b"x");
    assert!(names(&file[..500]).is_err(), "half a header");
    assert!(
        names(&member_sized(b"f", b'0', b"x", 1 << 40)).is_err(),
        "cut content"
    );
    let mut other = file.clone();
    other[0] ^= 1;
    assert!(names(&other).is_err(), "wrong checksum");
    assert!(
        names(&[vec![0; 512], file.clone()].concat()).is_err(),
        "one empty block"
    );
    for kind in *b"S7V" {
        assert!(names(&member(b"f", kind, b"")).is_err(), "type {kind}");
    }
    let bad = member(b"x", b'x', b"99 path=x\n");
    assert!(
        names(&[bad, file.clone()].concat()).is_err(),
        "record with a wrong length"
    );

    let behind = [file, vec![0; 1024], member(b"g", b'0', b"x")].concat();
    assert_eq!(names(&behind).unwrap(), ["f=x"]);
    let rest = |bytes: &[u8]| {
        let mut entries = Entries::new(bytes);
        while entries.next().unwrap().is_some() {}
        entries.finish().unwrap().1
    };
    assert!(rest(&behind) && !rest(&behind[..2048]));
}
