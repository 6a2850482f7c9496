//! Steps.
fn main() {
    divan::main();
}
