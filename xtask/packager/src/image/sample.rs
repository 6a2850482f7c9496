//! Estimate of whether files are worth compressing.
//!
//! Owns the choice of the samples, and the limit that they must shrink to. Must not know what the
//! files are. Weights hardly compress: a network's float32 weights shrink to 0.94 of their size.
//! Compressing weights costs a second for each 40 MB when the image is built, and unpacking them
//! costs time at every pull. A forest of decision trees shrinks to a tenth of its size.

use std::fs::File;
use std::io::{self, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::DeflateEncoder;

const SAMPLE_BYTES: u64 = 64 << 10;
/// Number of samples that are read from each file to estimate how well it compresses. They are
/// evenly distributed. Their positions are fixed, so a file always gives the same samples.
const SAMPLES: u64 = 8;

/// Returns true if samples of the files shrink to half of their size or less at the fastest level
/// of gzip. Returns false if the files are empty. Fails if a file cannot be read.
pub fn shrinks<'a>(files: impl Iterator<Item = &'a Path>) -> io::Result<bool> {
    let mut read = 0;
    let mut out = DeflateEncoder::new(Counter(0), Compression::fast());
    for path in files {
        let file = File::open(path)?;
        let size = file.metadata()?.len();
        for index in 0..SAMPLES {
            let start = size / SAMPLES * index;
            // For a small file, the samples cover the whole file, each byte once.
            let length = SAMPLE_BYTES.min(if index + 1 == SAMPLES {
                size - start
            } else {
                size / SAMPLES
            });
            let mut sample = vec![0; usize::try_from(length).unwrap_or_default()];
            file.read_exact_at(&mut sample, start)?;
            out.write_all(&sample)?;
            read += length;
        }
    }
    Ok(out.finish()?.0 * 2 <= read && read > 0)
}

/// Writer that counts bytes and drops them. It measures the size of compressed data.
struct Counter(u64);

impl io::Write for Counter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_shrinks_and_noise_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| {
            let path = dir.path().join(name);
            std::fs::write(&path, bytes).unwrap();
            path
        };
        let mut state = 7_u32;
        let noise = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        let noise = put("noise", &noise.take(3 << 20).collect::<Vec<_>>());
        let text = put("text", &b"a tree, and another tree; ".repeat(100_000));
        let (short, empty) = (put("short", b"abc"), put("empty", b""));
        let check = |paths: &[&std::path::PathBuf], fits: bool| {
            assert_eq!(
                shrinks(paths.iter().map(|path| path.as_path())).unwrap(),
                fits,
                "{paths:?}"
            );
        };
        check(&[&text], true);
        check(&[&noise], false);
        check(&[&noise, &text], false);
        check(&[&short], false);
        check(&[&empty], false);
        check(&[&empty, &text], true);
    }
}
