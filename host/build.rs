//! How the image's host is linked: small, since every cold start pulls it.
//!
//! Owns four flags of the linker that the pinned toolchain brings (lld). Must not know the crates that are linked.

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    let is = |name: &str, value: &str| std::env::var(name).is_ok_and(|found| found == value);
    let is_image = std::env::var_os("CARGO_FEATURE_COMPILER").is_none();
    if is_image && is("CARGO_CFG_TARGET_OS", "linux") && is("CARGO_CFG_TARGET_ARCH", "x86_64") {
        // Functions that came out alike, of which generic code makes many, are kept once.
        println!("cargo:rustc-link-arg-bins=-Wl,--icf=all");
        // Texts that end alike are kept once.
        println!("cargo:rustc-link-arg-bins=-Wl,-O2");
        // A position-independent program relocates itself; this form of the list is a fortieth of the usual one's size.
        // A C library reads it from glibc 2.36 on: Debian 12, Ubuntu 24.04. The packager tries the program. A program that
        // is linked dynamically finds the base's C library, which may be older.
        if std::env::var_os("CARGO_FEATURE_GRAPHS").is_none() {
            println!("cargo:rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
        }
        // A profile's `strip` does not reach a package that has an optimisation level of its own.
        println!("cargo:rustc-link-arg-bins=-Wl,--strip-all");
    }
}
