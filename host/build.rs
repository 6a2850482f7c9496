//! Linker flags for the host program of container images, which must be small because every cold
//! start pulls it.
//!
//! Owns four flags for the linker of the pinned toolchain (lld). Must not know the crates that are
//! linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let is_image = std::env::var_os("CARGO_FEATURE_COMPILER").is_none();
    if is_image && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        // Identical functions, of which generic code makes many, are kept once.
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
        // At this level the linker also merges a string with the end of a longer string.
        println!("cargo:rustc-link-arg-bins=-Wl,-O2");
        // A position-independent program relocates itself. The packed form of the list of
        // relocations has a fortieth of the usual size.
        //
        // The C library reads the packed form since glibc 2.36 (Debian 12, Ubuntu 24.04). The
        // packager checks this by running the program. A program that is linked dynamically uses
        // the C library of the base image, which may be older, so it does not get this flag.
        if std::env::var_os("CARGO_FEATURE_GRAPHS").is_none() {
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
        // A profile's `strip` does not apply to a package that has its own optimisation level.
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
    }
}
