//! Environment variables of the process, which differ between the platforms that run a scorer.
//!
//! Owns the names of the environment variables, and reads them. Must not know what the values are
//! used for. No error of this file shows the value of a variable, because it may hold a password.

use std::path::{Path, PathBuf};

use crate::access::Keys;
use crate::error::StartupError;
use crate::graph::LIBRARY;
use crate::manifest::StoreSection;
use crate::redis::{Credentials, Endpoint, Platform, URL_FORM};

/// Name of the environment variable that holds the port on which the Functions host asks its custom
/// handler to listen.
pub const PORT_VARIABLE: &str = "FUNCTIONS_CUSTOMHANDLER_PORT";

/// Name of the environment variable that holds the id of this process. The Functions host sets this
/// variable for each process that it starts, and no other platform does.
pub const WORKER_ID_VARIABLE: &str = "FUNCTIONS_CUSTOMHANDLER_WORKER_ID";

/// Name of the environment variable that holds the log filter: `level` or `target=level,…`. The
/// default is `info` for a server, and `warn` for other commands.
pub const LOG_VARIABLE: &str = "SCOREBOX_LOG";

/// Name of the environment variable that holds the log format: `text` or `json`. The default is
/// JSON for a server whose standard output is not a terminal, and text otherwise.
pub const LOG_FORMAT_VARIABLE: &str = "SCOREBOX_LOG_FORMAT";

/// Name of the environment variable that holds the path of the ONNX Runtime library. By default,
/// [`engine_library`] searches for the library.
pub const ENGINE_VARIABLE: &str = "SCOREBOX_ENGINE_LIBRARY";

/// Name of the environment variable that holds the path of the engine pack, which runs scripts. By
/// default, the pack of the image is used, or one in the user's cache folder.
pub const PACK_VARIABLE: &str = "SCOREBOX_PYTHON_PACK";

/// Name of the environment variable that makes each start hash the whole engine pack, if its value
/// is `true`.
pub const VERIFY_VARIABLE: &str = "SCOREBOX_PYTHON_VERIFY";

/// Name of the environment variable in which the installed tool names its version to the host that
/// it starts. The host refuses another version than its own.
///
/// This is not a setting: a user does not set it.
pub const TOOL_VARIABLE: &str = "SCOREBOX_TOOL_VERSION";

/// Name of the environment variable that holds the absolute path of the folder of compiled
/// components. If the variable is empty, compiled components are not cached.
pub const CACHE_VARIABLE: &str = "SCOREBOX_CACHE";

/// Name of the environment variable that holds the path of the user's cache folder (XDG Base
/// Directory Specification).
pub const USER_CACHE_VARIABLE: &str = "XDG_CACHE_HOME";

/// Name of the environment variable that holds the path of the user's home folder.
pub const HOME_VARIABLE: &str = "HOME";

/// Names of the environment variables that say something about this machine and nothing about the
/// deployment.
pub const MACHINE_VARIABLES: &[&str] = &[
    ENGINE_VARIABLE,
    PACK_VARIABLE,
    VERIFY_VARIABLE,
    CACHE_VARIABLE,
    USER_CACHE_VARIABLE,
    HOME_VARIABLE,
];

/// Environment variables by which a user or a platform configures the program: their names, the
/// commands that read them, and their meaning. A test checks that the page `host/docs/settings.md`
/// lists them.
pub const VARIABLES: &[(&str, &str, &str)] = &[
    (
        "`FUNCTIONS_CUSTOMHANDLER_PORT`",
        "`scorebox serve`",
        "the port if `--port` is not given; unset: 8080. If it is set, `/<function>` accepts \
         invocations, `limits.lame_duck` is 0 by default, and warnings and errors are logged to \
         standard error",
    ),
    (
        "`FUNCTIONS_APP_ROOT_PATH`",
        "`scorebox serve`, `invoke`, `check`",
        "the app's folder if `--app` is not given; the Functions host sets it",
    ),
    (
        "`FUNCTIONS_CUSTOMHANDLER_WORKER_ID`",
        "`scorebox serve`",
        "set by the Functions host; if it is set, a server that was asked to stop ends with exit \
         code 200 instead of 0, and warnings and errors are logged to standard error",
    ),
    (
        "`SCOREBOX_REDIS_URL`, or what `stores.<name>.url` names",
        "`scorebox serve`, `invoke`, `check`",
        "the Redis URL; unset: in memory",
    ),
    (
        "what `server.keys` names",
        "`scorebox serve`",
        "a key of the server, of 32 to 1024 visible ASCII characters; unset: ignored, if another one is set",
    ),
    (
        "`IDENTITY_ENDPOINT`, `IDENTITY_HEADER`; `AZURE_FEDERATED_TOKEN_FILE`, `AZURE_TENANT_ID`, \
         `AZURE_AUTHORITY_HOST`; `AZURE_CLIENT_ID`",
        "`scorebox serve`, `invoke`, `check`, for `?auth=entra`",
        "the source of tokens, as Azure's platforms set it",
    ),
    (
        "`SSL_CERT_FILE`",
        "`scorebox serve`, `invoke`, `check`, for `rediss://` without `?ca=`",
        "certificates, in PEM, that are trusted in place of the machine's",
    ),
    (
        "`SCOREBOX_ENGINE_LIBRARY`",
        "`scorebox`",
        "the library that runs graphs; unset: `lib/scorebox/` or `engine/` in one of the three \
         folders around the program, in an image `/usr/lib/scorebox`",
    ),
    (
        "`SCOREBOX_PYTHON_PACK`",
        "`scorebox`",
        "the folder of the engine pack, which runs scripts; unset: `/pack`, or else the last one \
         in `scorebox/python` in `$XDG_CACHE_HOME` or `~/.cache`",
    ),
    (
        "`SCOREBOX_PYTHON_VERIFY`",
        "`scorebox serve`, `invoke`",
        "`true`: each start hashes the whole engine pack, which takes 0.2 s; unset: a start \
         compares the recorded digest and the sizes of the files, and `check` hashes",
    ),
    (
        "`SCOREBOX_CACHE`",
        "`scorebox serve`, `invoke`, `check` of a host that compiles components",
        "the folder of compiled components, of at most 1 GiB, which only this user may write to; \
         empty: each start compiles; unset: `scorebox` in `$XDG_CACHE_HOME`, or else in \
         `~/.cache`. An image's host has no compiler and no cache",
    ),
    (
        "`SCOREBOX_LOG`",
        "`scorebox`",
        "a level, or e.g. `info,scorer=debug`; unset: `info` for `serve`, otherwise `warn`, and \
         the scorer's own lines from `info`",
    ),
    (
        "`SCOREBOX_LOG_FORMAT`",
        "`scorebox`",
        "`text` or `json`; unset: JSON for `serve` unless it writes to a terminal, otherwise text",
    ),
];

/// Function that returns the value of the environment variable with the given name. The function
/// returns `None` if the variable is not set, is not valid UTF-8, or is hidden from the app. Tests
/// pass a function of their own.
pub type Environment<'a> = &'a (dyn Fn(&str) -> Option<String> + Sync);

/// Returns the value of an environment variable of this process. Returns `None` if the variable is
/// not set or is not valid UTF-8.
#[must_use]
pub fn process(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Returns the port that the environment variable [`PORT_VARIABLE`] sets. Returns `None` if the
/// variable is unset or blank.
///
/// # Errors
/// Fails if the value of the variable is not a port number.
pub fn port(environment: Environment<'_>) -> Result<Option<u16>, StartupError> {
    let text = environment(PORT_VARIABLE).filter(|text| !text.trim().is_empty());
    let port = text.map(|text| text.trim().parse()).transpose();
    port.map_err(|_| StartupError::Environment {
        variable: PORT_VARIABLE.to_owned(),
        problem: "is not a port".to_owned(),
        fix: "write a number from 0 to 65535, or unset it".to_owned(),
    })
}

/// Returns true if the Functions host started this process. In this case, the Functions host starts
/// another process when this one ends.
#[must_use]
pub fn is_started_by_functions_host(environment: Environment<'_>) -> bool {
    environment(WORKER_ID_VARIABLE).is_some_and(|id| !id.trim().is_empty())
}

/// Returns true if the Functions host reads the output of this process. The Functions host logs
/// each line on standard output as information. It takes the level of a line on standard error from
/// the words of the line.
///
/// The Functions host sets the port and the id of its custom handler. Either of them is enough,
/// because a stand-in for that host may set the port alone. A value that is not a port was not set
/// by that host.
#[must_use]
pub fn is_read_by_functions_host(environment: Environment<'_>) -> bool {
    is_started_by_functions_host(environment) || matches!(port(environment), Ok(Some(_)))
}

/// Returns the path of the ONNX Runtime library, which runs graphs. The file may not exist.
///
/// If the environment variable [`ENGINE_VARIABLE`] is set and not blank, its value is the path. If
/// not, the library is searched for in `lib/scorebox/` and `engine/` below the program's folder and
/// the two folders above it. If it is not there, the path is in `/usr/lib/scorebox`, where a
/// container image has the library. A clone of the repository has it in `target/engine`.
#[must_use]
pub fn engine_library(environment: Environment<'_>) -> PathBuf {
    if let Some(path) = environment(ENGINE_VARIABLE).filter(|path| !path.trim().is_empty()) {
        return path.into();
    }
    let program = std::env::current_exe().unwrap_or_default();
    let around = program.ancestors().skip(1).take(3);
    let mut places = around
        .flat_map(|folder| ["lib/scorebox", "engine"].map(|name| folder.join(name).join(LIBRARY)));
    places
        .find(|place| place.is_file())
        .unwrap_or_else(|| Path::new("/usr/lib/scorebox").join(LIBRARY))
}

/// Returns the keys of the server, from the environment variables that `server.keys` names. A
/// variable that is not set is ignored, so that a key can be added or removed without building
/// another image.
///
/// # Errors
/// Fails if a variable holds something that cannot be a key, or if `variables` has names and none
/// of them is set: a server that should have keys must not serve without them.
pub fn keys(variables: &[String], environment: Environment<'_>) -> Result<Keys, StartupError> {
    let fail = |variable: &str, problem: &str| {
        StartupError::Environment {
        variable: variable.to_owned(),
        problem: problem.to_owned(),
        fix: "set it to a key of 32 to 1024 visible ASCII characters, such as `openssl rand -hex 32` prints"
            .to_owned(),
    }
    };
    let mut keys = Keys::default();
    for variable in variables {
        let Some(value) = environment(variable) else {
            continue;
        };
        // A file or a secret store often adds a line feed.
        keys.add(value.trim())
            .map_err(|problem| fail(variable, problem))?;
    }
    if keys.is_empty() && !variables.is_empty() {
        return Err(fail(
            &variables.join(", "),
            "is not set, and `server.keys` lets nobody call this server without a key",
        ));
    }
    Ok(keys)
}

/// Returns the folder of the engine pack that the environment variable [`PACK_VARIABLE`] names.
/// Returns `None` if the variable is unset or empty.
#[cfg(feature = "python")]
pub(crate) fn python_pack(environment: Environment<'_>) -> Option<PathBuf> {
    let named = environment(PACK_VARIABLE).filter(|folder| !folder.is_empty());
    named.map(PathBuf::from)
}

/// Returns the folder of the user's cache in which the packager keeps engine packs. Returns `None`
/// if neither `XDG_CACHE_HOME` nor `HOME` names an absolute folder.
#[cfg(feature = "python")]
pub(crate) fn python_packs(environment: Environment<'_>) -> Option<PathBuf> {
    let cache = environment(USER_CACHE_VARIABLE).map(PathBuf::from);
    let home = || Some(Path::new(&environment(HOME_VARIABLE)?).join(".cache"));
    let cache = cache.filter(|path| path.is_absolute()).or_else(home)?;
    let packs = cache.join("scorebox/python");
    packs.is_absolute().then_some(packs)
}

/// Returns true if the environment variable [`VERIFY_VARIABLE`] says that each start must hash the
/// whole engine pack.
#[cfg(feature = "python")]
pub(crate) fn verifies_pack(environment: Environment<'_>) -> bool {
    environment(VERIFY_VARIABLE).is_some_and(|value| value.trim() == "true")
}

/// Addresses of a store's Redis servers, and the credentials for them.
pub struct Connection {
    /// Addresses of the store's Redis servers, with TLS and the database.
    pub endpoint: Endpoint,
    /// Credentials with which the host logs in to the Redis server.
    pub credentials: Credentials,
}

/// Returns the addresses of a store's Redis servers, and the credentials for them. Returns `None`
/// if the store's environment variable is unset or blank, so the store is kept in memory.
///
/// # Errors
/// Fails if the store's environment variable holds something that is not a Redis URL.
pub fn store(
    section: &StoreSection,
    environment: Environment<'_>,
) -> Result<Option<Connection>, StartupError> {
    let value = |variable: &str| environment(variable).filter(|value| !value.trim().is_empty());
    let Some(url) = value(&section.url_variable) else {
        return Ok(None);
    };
    let mut endpoint = Endpoint::parse(&url).map_err(|problem| StartupError::Environment {
        variable: section.url_variable.clone(),
        problem: format!("is not a Redis URL: {problem}"),
        fix: format!("write {URL_FORM}"),
    })?;
    endpoint.default_client(value("AZURE_CLIENT_ID"));
    let credentials = Credentials::new(endpoint.source(|| platform(environment)));
    Ok(Some(Connection {
        endpoint,
        credentials,
    }))
}

/// Returns the platform that issues Microsoft Entra ID tokens to this process, from the environment
/// variables that Azure sets. Without these variables, the platform is a virtual machine.
fn platform(environment: Environment<'_>) -> Platform {
    let value = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
    if let (Some(endpoint), Some(header)) = (value("IDENTITY_ENDPOINT"), value("IDENTITY_HEADER")) {
        return Platform::AppService {
            endpoint,
            header: header.into(),
        };
    }
    if let (Some(token_file), Some(tenant)) = (
        value("AZURE_FEDERATED_TOKEN_FILE"),
        value("AZURE_TENANT_ID"),
    ) {
        let authority = value("AZURE_AUTHORITY_HOST")
            .unwrap_or("https://login.microsoftonline.com/".to_owned());
        return Platform::Workload {
            authority,
            tenant,
            token_file: token_file.into(),
        };
    }
    Platform::VirtualMachine
}

#[cfg(test)]
mod tests;
