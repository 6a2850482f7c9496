//! One line of a `requirements.txt`.
//!
//! Owns which lines the packages of a script may have. A line that would run code of a package
//! outside of the sandbox is refused here. Must not know files.

/// Meaning of a line of a file of requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// Nothing that changes which packages are taken.
    Empty,
    /// Another file of requirements is read, which has this name.
    File(String),
    /// A file of constraints is read, which has this name.
    Constraints(String),
    /// Option for pip, in the form of a line.
    Option(String),
    /// Every package must have a digest.
    RequireHashes,
    /// A package in the form of PEP 508, with the digests that its file may have.
    Package {
        /// The package, such as `redis>=5`.
        text: String,
        /// Digests in the form `sha256:HEX`.
        hashes: Vec<String>,
    },
    /// A wheel on this machine, with the digests that it may have.
    Wheel {
        /// Path of the wheel, relative to the folder of the file.
        path: String,
        /// Digests in the form `sha256:HEX`.
        hashes: Vec<String>,
    },
}

/// Reason why a line of a file of requirements cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line has an option that only makes sense where packages are installed or built.
    #[error("has an option that a script's packages cannot have")]
    Option,
    /// The option needs a value, or its value is not one.
    #[error("has an option without a usable value")]
    Value,
    /// pip would replace a part of the line by an environment variable.
    #[error("has an environment variable, and would send its value to a server")]
    Variable,
    /// The package is a folder, an archive or a repository.
    #[error("is source code, whose build would run outside of the sandbox")]
    Source,
    /// The file is on another machine.
    #[error("names a file on another machine")]
    Remote,
    /// The digest is not one that pip accepts.
    #[error("has a digest that is not of the form sha256:HEX")]
    Hash,
}

impl LineError {
    /// Returns the instruction that fixes the line.
    pub fn fix(self) -> &'static str {
        match self {
            Self::Option | Self::Value => {
                "leave only the package, its version and its digests (`--hash`), or an option with its value: \
                 `-r FILE`, `-c FILE`, `--index-url URL`, `--extra-index-url URL`, `--trusted-host HOST`"
            }
            Self::Variable => {
                "remove the line, and name the index for pip itself, e.g. in the variable PIP_EXTRA_INDEX_URL"
            }
            Self::Source => {
                "name the package with its version, e.g. `redis==5.0.8`; or build a wheel of it (`pip wheel \
                 --no-deps`), and name the wheel's path, or its address as `NAME @ https://HOST/FILE.whl`"
            }
            Self::Remote => "copy the file next to this one, and name the copy",
            Self::Hash => "write the digest as `pip hash FILE` prints it, e.g. `--hash=sha256:…`",
        }
    }
}

/// Number of hex digits of each digest that pip accepts.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// Reads a line without its comment. Fails if the line cannot be used for a script in the sandbox.
pub fn parse(line: &str) -> Result<Line, LineError> {
    let line = line.trim();
    if line.is_empty() {
        return Ok(Line::Empty);
    }
    if line.starts_with('-') {
        return option(line);
    }
    let mut starts = line.match_indices("--").map(|(at, _)| at);
    let is_option = |at: &usize| {
        line.get(..*at)
            .is_some_and(|all| all.ends_with([' ', '\t']))
    };
    let end = starts.find(is_option).unwrap_or(line.len());
    let (text, options) = line.split_at(end);
    let (text, hashes) = (text.trim().to_owned(), hashes(options)?);
    if text.contains("${") {
        return Err(LineError::Variable);
    }
    // The marker of a package may contain any text.
    let package = text.split(';').next().unwrap_or_default().trim_end();
    if let Some(url) = address(package) {
        return match is_wheel_url(url) {
            true => Ok(Line::Package { text, hashes }),
            false => Err(LineError::Source),
        };
    }
    if !package.contains("://") && text.ends_with(".whl") {
        return Ok(Line::Wheel { path: text, hashes });
    }
    if package.starts_with('.') || package.contains(['/', '\\']) {
        return Err(LineError::Source);
    }
    Ok(Line::Package { text, hashes })
}

/// Reads a line that begins with an option.
fn option(line: &str) -> Result<Line, LineError> {
    let end = line.find([' ', '=', '\t']).unwrap_or(line.len());
    let (option, value) = line.split_at(end);
    let value = value.trim_start_matches(['=', ' ', '\t']);
    let given = || match value.is_empty() || value.starts_with('-') {
        true => Err(LineError::Value),
        false => Ok(value.to_owned()),
    };
    let file = || match value.contains("://") {
        true => Err(LineError::Remote),
        false => given(),
    };
    match option {
        "-r" | "--requirement" => Ok(Line::File(file()?)),
        "-c" | "--constraint" => Ok(Line::Constraints(file()?)),
        "-i" | "--index-url" | "--extra-index-url" | "--trusted-host" => {
            let value = given()?;
            let name = match option {
                "-i" => "--index-url",
                name => name,
            };
            match (value.contains("${"), value.contains(char::is_whitespace)) {
                (true, _) => Err(LineError::Variable),
                (false, true) => Err(LineError::Value),
                (false, false) => Ok(Line::Option(format!("{name} {value}"))),
            }
        }
        "--pre" => Ok(Line::Option("--pre".to_owned())),
        "--require-hashes" => Ok(Line::RequireHashes),
        // These options choose between wheels and source code, and only wheels are taken.
        "--prefer-binary" | "--only-binary" => Ok(Line::Empty),
        _ => Err(LineError::Option),
    }
}

/// Reads the options of a package, which may only be digests.
fn hashes(options: &str) -> Result<Vec<String>, LineError> {
    let options = options.replace("--hash=", "--hash ");
    let mut words = options.split_whitespace();
    let mut hashes = Vec::new();
    while let Some(word) = words.next() {
        if word != "--hash" {
            return Err(LineError::Option);
        }
        let hash = words.next().filter(|hash| is_hash(hash));
        hashes.push(hash.ok_or(LineError::Hash)?.to_owned());
    }
    Ok(hashes)
}

fn is_hash(hash: &str) -> bool {
    let digest = hash.split_once(':');
    digest.is_some_and(|(name, hex)| {
        DIGESTS.contains(&(name, hex.len())) && hex.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// Returns the address of a package in the form `NAME @ URL`.
fn address(package: &str) -> Option<&str> {
    let (name, url) = package.split_once('@')?;
    let is_name = |one: char| one.is_ascii_alphanumeric() || "._-[], \t".contains(one);
    (!name.is_empty() && name.chars().all(is_name)).then(|| url.trim())
}

/// Returns true if pip fetches a wheel from an address. From any other address it would build a
/// package. A file of this machine is named by its path, so that a change of it is noticed.
fn is_wheel_url(url: &str) -> bool {
    let is_fetched = ["https://", "http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme));
    let path = url.split(['?', '#']).next().unwrap_or_default();
    is_fetched && path.ends_with(".whl") && !url.contains(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str, hashes: &[&str]) -> Line {
        Line::Package {
            text: text.to_owned(),
            hashes: hashes.iter().map(|hash| (*hash).to_owned()).collect(),
        }
    }

    #[test]
    fn packages_wheels_and_options_are_read() {
        let check = |line: &str, expected: Line| assert_eq!(parse(line), Ok(expected), "{line}");
        check("  ", Line::Empty);
        check("redis>=5", package("redis>=5", &[]));
        check(
            "x[a,b] >= 1 ; sys_platform == \"a/b\"",
            package("x[a,b] >= 1 ; sys_platform == \"a/b\"", &[]),
        );
        let (first, second) = (format!("sha256:{:064x}", 1), format!("sha512:{:0128x}", 2));
        check(
            &format!("x==1 --hash={first}\t--hash {second}"),
            package("x==1", &[&first, &second]),
        );
        let url = "x @ https://h.example/x-1-py3-none-any.whl?sig=1#sha256=0";
        check(url, package(url, &[]));
        let wheel = Line::Wheel {
            path: "./my wheels/x-1-py3-none-any.whl".to_owned(),
            hashes: Vec::new(),
        };
        check("./my wheels/x-1-py3-none-any.whl", wheel);
        check("-r more.txt", Line::File("more.txt".to_owned()));
        check("--constraint=c.txt", Line::Constraints("c.txt".to_owned()));
        let index = Line::Option("--index-url https://h.example".to_owned());
        check("-i https://h.example", index);
        check("--pre", Line::Option("--pre".to_owned()));
        check("--only-binary :all:", Line::Empty);
        check("--require-hashes", Line::RequireHashes);
    }

    #[test]
    fn lines_that_would_run_or_send_something_are_refused() {
        let check =
            |line: &str, expected: LineError| assert_eq!(parse(line), Err(expected), "{line}");
        for line in [
            ".",
            "./own",
            "../own.tar.gz",
            "/srv/own",
            "own\\package",
            "git+https://h.example/y",
            "https://h.example/y.tar.gz",
            "https://u:p@h.example/y-1-py3-none-any.whl",
            "y @ git+https://h.example/y.git@v1",
            "y @ git+ssh://git@h.example/y-1-py3-none-any.whl",
            "y @ https://h.example/y.zip",
            "y@https://h.example/y.zip#y.whl",
            "y @ file:///croot/y/work",
            "y @ file:///srv/y-1-py3-none-any.whl",
            "y @ ./y",
        ] {
            check(line, LineError::Source);
        }
        for line in [
            "-e .",
            "--editable=.",
            "--find-links https://h.example",
            "--no-binary :all:",
            "-ihttps://h.example",
            "redis --global-option=x",
            "redis --hash=sha256:00 --config-settings=x",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
        check("--config-settings x", LineError::Option);
        check("redis --global-option=x", LineError::Option);
        check("--index-url", LineError::Value);
        check("--index-url --no-deps", LineError::Value);
        check("--index-url https://h.example --pre", LineError::Value);
        check(
            "--index-url https://${TOKEN}@h.example",
            LineError::Variable,
        );
        check("x @ https://h.example/${KEY}/x.whl", LineError::Variable);
        check("-r https://h.example/more.txt", LineError::Remote);
        check("redis --hash=md5:00", LineError::Hash);
        check("redis --hash=sha256:zz", LineError::Hash);
        check("redis --hash", LineError::Hash);
    }
}
