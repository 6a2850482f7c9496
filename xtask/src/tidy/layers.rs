//! Rules that forbid some modules to mention some names.
//!
//! Owns the table of these rules, which states the architecture. Must not know any other check.

use super::finding::Finding;
use super::source_text::views;

/// A rule that forbids some files to mention some names.
struct Rule {
    /// Starts of the paths of the files to which the rule applies. An empty text means every file.
    within: &'static [&'static str],
    /// Paths of the files to which the rule does not apply.
    except: &'static [&'static str],
    /// Names, which are paths or words, that the files must not mention.
    banned: &'static [&'static str],
    /// True if the names are also forbidden in the contents of strings.
    strings: bool,
    why: &'static str,
}

/// Folders of the code that answers requests: the host and the crates that it is made of.
const HOST: &[&str] = &[
    "host/http2/",
    "host/manifest/",
    "host/python/",
    "host/sandbox/",
    "host/src/",
    "host/store/",
    "host/text/",
];

const RULES: &[Rule] = &[
    Rule {
        within: &["host/src/model", "host/src/graph"],
        except: &[],
        banned: &[
            "wasmtime",
            "wasmtime_wasi",
            "crate::engine",
            "crate::scorer",
            "crate::capability",
            "crate::trigger",
            "crate::server",
        ],
        strings: false,
        why: "model and graph know neither wasmtime nor the modules above them",
    },
    Rule {
        within: &["host/src/scorer", "host/src/codec"],
        except: &[],
        banned: &[
            "axum",
            "http",
            "hyper",
            "redis",
            "scorebox_store",
            "crate::redis",
            "crate::trigger",
            "crate::server",
            "crate::functions",
        ],
        strings: false,
        why: "a scorer and a codec know no HTTP, no envelope and no Redis",
    },
    Rule {
        within: &["host/src/capability"],
        except: &[],
        banned: &[
            "axum",
            "http",
            "hyper",
            "crate::trigger",
            "crate::server",
            "crate::functions",
        ],
        strings: false,
        why: "a capability adapts what is below it and knows nothing above it",
    },
    Rule {
        within: &["host/src/trigger", "host/src/functions"],
        except: &[],
        banned: &["wasmtime", "crate::server", "crate::capability"],
        strings: false,
        why: "a trigger makes invocations and knows neither the listener nor the guest's imports",
    },
    Rule {
        within: &["host/src/error", "host/src/deployment"],
        except: &[],
        banned: &[
            "axum",
            "crate::scorer",
            "crate::capability",
            "crate::trigger",
            "crate::server",
        ],
        strings: false,
        why: "deployment and error are below everything else",
    },
    Rule {
        within: HOST,
        // The host refuses these headers in answers of scorers, so `http_answer.rs` contains their
        // prefix.
        except: &["host/src/call/http_answer.rs", "host/src/trigger/http.rs"],
        banned: &["x-ms-"],
        strings: true,
        why: "trigger/http.rs alone knows Azure ML's headers",
    },
    Rule {
        within: HOST,
        // A probe's answer is not a scoring error.
        except: &["host/src/error.rs", "host/src/server/health.rs"],
        banned: &[
            "StatusCode::BAD_REQUEST",
            "StatusCode::UNPROCESSABLE_ENTITY",
            "StatusCode::PAYLOAD_TOO_LARGE",
            "StatusCode::UNSUPPORTED_MEDIA_TYPE",
            "StatusCode::INTERNAL_SERVER_ERROR",
            "StatusCode::SERVICE_UNAVAILABLE",
            "StatusCode::GATEWAY_TIMEOUT",
            "StatusCode::TOO_MANY_REQUESTS",
        ],
        strings: false,
        why: "error.rs alone chooses the status of a failure",
    },
    Rule {
        within: HOST,
        except: &[],
        banned: &["tracing::debug", "tracing::trace"],
        strings: false,
        why: "the build leaves such events out: scorebox_text::debug and trace write the lines",
    },
    Rule {
        within: &["host/", "xtask/", "guest/"],
        except: &[
            "host/python/src/make/compile.rs",
            "host/python/src/pack/machine_code.rs",
            "host/python/src/state/sharing.rs",
            "host/src/command/priority.rs",
            "host/src/compiled_cache.rs",
            "host/src/model/mapping.rs",
            "host/src/precompiled.rs",
        ],
        banned: &["unsafe"],
        strings: false,
        why: "only mapping weights and states, loading machine code and setting a time slice may be unsafe",
    },
    Rule {
        within: &["host/", "guest/"],
        except: &[],
        banned: &["oci_client", "reqwest", "scorebox_packager", "xtask"],
        strings: false,
        why: "the packager is the only code that speaks to a registry",
    },
    Rule {
        within: HOST,
        except: &[],
        banned: &["scorebox_guest"],
        strings: false,
        why: "the host never depends on the guest's crate",
    },
    Rule {
        within: &[
            "xtask/packager/src/image/container_config.rs",
            "xtask/packager/src/image/image_plan.rs",
            "xtask/packager/src/image/layer_plan.rs",
            "xtask/packager/src/image/mod.rs",
            "xtask/packager/src/image/paths.rs",
            "xtask/packager/src/image/plan.rs",
        ],
        except: &[],
        banned: &["scorebox_guest"],
        strings: false,
        why: "the image's plan never depends on the guest's crate",
    },
    Rule {
        within: &[
            "xtask/packager/src/image/base.rs",
            "xtask/packager/src/image/container_config.rs",
            "xtask/packager/src/image/image_plan.rs",
            "xtask/packager/src/image/layer_plan.rs",
            "xtask/packager/src/image/manifest.rs",
            "xtask/packager/src/image/mod.rs",
            "xtask/packager/src/image/paths.rs",
            "xtask/packager/src/image/plan.rs",
            "xtask/packager/src/image/system.rs",
            "xtask/packager/src/image/unfit.rs",
        ],
        except: &[],
        banned: &["std::fs", "std::env", "File::open", "tokio"],
        strings: false,
        why: "the image's plan is pure",
    },
];

/// Finds names in one file that a rule does not allow there. The unit tests in the file may mention
/// any names. `file` is the path relative to the workspace's root, and `text` is the content.
pub fn check(file: &str, text: &str) -> Vec<Finding> {
    let rules = RULES.iter().filter(|rule| {
        rule.within.iter().any(|prefix| file.starts_with(prefix)) && !rule.except.contains(&file)
    });
    if file.ends_with("/tests.rs") {
        return Vec::new();
    }
    let views = views(text);
    let mut findings = Vec::new();
    for rule in rules {
        let view = if rule.strings {
            &views.with_strings
        } else {
            &views.code
        };
        for (line, banned) in mentions(before_tests(view), rule.banned, rule.strings) {
            findings.push(Finding::new(
                file,
                line,
                format!("mentions `{banned}`"),
                rule.why,
            ));
        }
    }
    findings
}

/// Returns the part of a file's text before the module of unit tests, which is the last module in a
/// file. The declaration of a test module that has its own file does not count.
pub(super) fn before_tests(view: &str) -> &str {
    const ATTRIBUTE: &str = "\n#[cfg(test)]\nmod ";
    let has_body = |at: &usize| {
        let rest = view.get(at + ATTRIBUTE.len()..).unwrap_or_default();
        rest.lines().next().is_some_and(|line| line.ends_with('{'))
    };
    let mut modules = view.match_indices(ATTRIBUTE).map(|(at, _)| at);
    modules
        .find(has_body)
        .and_then(|end| view.get(..end))
        .unwrap_or(view)
}

/// Returns each name of `banned` that `view`, the text of a file, mentions, with the number of the
/// line. The result is in the order of the lines, and has a name once for each line. If `anywhere`
/// is false, only whole names are found.
pub(super) fn mentions<'a>(
    view: &str,
    banned: &[&'a str],
    anywhere: bool,
) -> Vec<(usize, &'a str)> {
    let mut found = Vec::new();
    for name in banned {
        let places = view
            .match_indices(name)
            .filter(|(at, _)| anywhere || is_whole(view, *at, name))
            .map(|(at, _)| at);
        let module = name.strip_prefix("crate::");
        let grouped = module.map(|module| grouped(view, module));
        let grouped = grouped.unwrap_or_default();
        found.extend(places.chain(grouped).map(|at| (line(view, at), *name)));
    }
    // The names in groups are found after the others, so equal findings are not next to each other.
    found.sort_unstable();
    found.dedup();
    found
}

/// Returns true if the match of `name` at the byte offset `at` is a whole name, not a part of a
/// longer one. The name of a crate must also be at the start of a path, as in `http::Request`, or
/// be all that is imported, as in `use http;`.
fn is_whole(view: &str, at: usize, name: &str) -> bool {
    let in_name = |c: char| c.is_alphanumeric() || c == '_';
    let before = view.get(..at).unwrap_or_default();
    let after = view.get(at + name.len()..).unwrap_or_default();
    if before.ends_with(in_name) || after.starts_with(in_name) {
        return false;
    }
    let is_crate = !name.contains("::") && name != "unsafe";
    !is_crate
        || (after.starts_with("::") && !before.ends_with([':', '.']))
        || is_import(before, after)
}

/// Returns true if the text before and after a name is that of an import of only this name, as in
/// `use http;`.
fn is_import(before: &str, after: &str) -> bool {
    before.ends_with("use ") && after.starts_with(';')
}

/// Returns the byte offsets at which `view` names a module directly in a `crate::{…}` group of
/// imports.
fn grouped(view: &str, module: &str) -> Vec<usize> {
    const OPEN: &str = "crate::{";
    let mut found = Vec::new();
    for (start, _) in view.match_indices(OPEN) {
        let (mut depth, mut name_start) = (0_usize, start + OPEN.len());
        for (offset, character) in view.get(name_start..).unwrap_or_default().char_indices() {
            let at = start + OPEN.len() + offset;
            if depth == 0 && matches!(character, ',' | '}') {
                let item = view.get(name_start..at).unwrap_or_default();
                let head = item.trim().split([':', ' ']).next().unwrap_or_default();
                if head == module {
                    found.push(name_start + item.len() - item.trim_start().len());
                }
                name_start = at + 1;
            }
            match character {
                '{' => depth += 1,
                '}' if depth == 0 => break,
                '}' => depth -= 1,
                _ => {}
            }
        }
    }
    found
}

fn line(view: &str, at: usize) -> usize {
    1 + view.get(..at).unwrap_or_default().matches('\n').count()
}

#[cfg(test)]
mod tests;
