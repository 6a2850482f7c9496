//! Makes a real pack. This takes minutes, so it runs only when it is asked for.

#![cfg(feature = "compiler")]

use std::path::PathBuf;
use std::time::Instant;

use scorebox_python::make::{self, Cpu};
use scorebox_python::{Pack, Proof};

/// Makes a pack in the folder `SCOREBOX_TEST_PACK` from the wheels in `SCOREBOX_TEST_WHEELS`.
#[tokio::test]
#[ignore = "takes minutes and 2.5 GB of memory, and needs the wheels in SCOREBOX_TEST_WHEELS"]
async fn a_pack_is_made_and_can_be_opened() {
    let folder = |name: &str| PathBuf::from(std::env::var(name).unwrap());
    let (wheels, pack) = (folder("SCOREBOX_TEST_WHEELS"), folder("SCOREBOX_TEST_PACK"));
    std::fs::create_dir_all(&pack).unwrap();
    let start = Instant::now();
    let mut progress = |step| eprintln!("{:6.1} s: {step}", start.elapsed().as_secs_f64());
    let record = make::make(&wheels, Cpu::V2, &pack, &mut progress)
        .await
        .unwrap();
    eprintln!("{:6.1} s: done", start.elapsed().as_secs_f64());
    let opened = Pack::open(&pack, Proof::Whole).unwrap();
    assert_eq!(*opened.record(), record);
    for library in [
        "numpy",
        "pandas",
        "scikit-learn",
        "redis",
        "inference-schema",
    ] {
        assert!(record.libraries.contains_key(library), "{library}");
    }
}
