//! CPU levels that a pack can be compiled for.
//!
//! Owns which features of this machine each level needs. Must not know compilers. Code with an
//! instruction that the machine does not have would end the host.

/// Reason why this machine does not have a CPU level, with a fix. The text follows the name of the
/// level.
#[derive(Debug)]
pub(super) struct Unsupported(pub String);

/// Checks that this machine has a CPU level.
///
/// # Errors
/// Fails if the level is unknown, or if the machine does not have one of its features.
pub(super) fn check(level: &str) -> Result<(), Unsupported> {
    let features = match level {
        "x86-64-v2" => v2(),
        "x86-64-v3" => [v2(), v3()].concat(),
        _ => {
            let text = "this host does not know this CPU level; make the pack again";
            return Err(Unsupported(text.to_owned()));
        }
    };
    match features.iter().find(|(_, has)| !has) {
        None => Ok(()),
        Some((name, _)) => Err(Unsupported(format!(
            "this machine does not have {name}; run the host on a newer machine{}",
            match level {
                "x86-64-v3" => ", or package the app with `--cpu x86-64-v2`",
                _ => "",
            }
        ))),
    }
}

#[cfg(target_arch = "x86_64")]
fn v2() -> Vec<(&'static str, bool)> {
    vec![
        ("SSE3", is_x86_feature_detected!("sse3")),
        ("SSSE3", is_x86_feature_detected!("ssse3")),
        ("SSE4.1", is_x86_feature_detected!("sse4.1")),
        ("SSE4.2", is_x86_feature_detected!("sse4.2")),
        ("POPCNT", is_x86_feature_detected!("popcnt")),
        ("CMPXCHG16B", is_x86_feature_detected!("cmpxchg16b")),
    ]
}

#[cfg(target_arch = "x86_64")]
fn v3() -> Vec<(&'static str, bool)> {
    vec![
        ("AVX", is_x86_feature_detected!("avx")),
        ("AVX2", is_x86_feature_detected!("avx2")),
        ("BMI1", is_x86_feature_detected!("bmi1")),
        ("BMI2", is_x86_feature_detected!("bmi2")),
        ("LZCNT", is_x86_feature_detected!("lzcnt")),
        ("FMA", is_x86_feature_detected!("fma")),
    ]
}

#[cfg(not(target_arch = "x86_64"))]
fn v2() -> Vec<(&'static str, bool)> {
    vec![("an x86-64 CPU", false)]
}

#[cfg(not(target_arch = "x86_64"))]
fn v3() -> Vec<(&'static str, bool)> {
    v2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_levels_are_refused() {
        check("x86-64-v2").unwrap();
        for level in ["", "x86-64", "x86-64-v9", "aarch64"] {
            let Unsupported(problem) = check(level).unwrap_err();
            assert!(problem.contains("does not know"), "{level}: {problem}");
        }
    }
}
