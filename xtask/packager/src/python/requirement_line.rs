//! One line of a `requirements.txt`.
//!
//! Owns which lines the packages of a script may have. A line that would run code of a package
//! outside of the sandbox is refused here. Must not know files.

/// Meaning of a line of a file of requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The line does not change which packages are taken, e.g. because it is empty.
    Empty,
    /// The line names another file of requirements to read. The text is the name of that file.
    File(String),
    /// The line names a file of constraints to read. The text is the name of that file.
    Constraints(String),
    /// The line is an option for pip. The text is the option with its value, if it has one, e.g.
    /// `--index-url URL`.
    Option(String),
    /// The line demands a digest for every package.
    RequireHashes,
    /// The line names a package in the form of PEP 508, with the digests that its file may have.
    Package {
        /// The package, such as `redis>=5`.
        text: String,
        /// Digests that the package's file may have, e.g. `sha256:HEX`. Empty if any is accepted.
        hashes: Vec<String>,
    },
    /// The line names a wheel on this machine, with the digests that the wheel may have.
    Wheel {
        /// Path of the wheel, absolute or relative to the folder of the file of requirements.
        path: String,
        /// Digests that the wheel may have, e.g. `sha256:HEX`. Empty if any is accepted.
        hashes: Vec<String>,
    },
}

/// Reason why a line of a file of requirements cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LineError {
    /// The line has an option that is not supported for the packages of a script.
    #[error("has an option that is not supported here")]
    Option,
    /// The option in the line needs a value, but has none or an unusable one.
    #[error("has an option without a usable value")]
    Value,
    /// pip would replace a part of the line by the value of an environment variable.
    #[error("has an environment variable, whose value pip could send to a server")]
    Variable,
    /// The line names a folder, an archive or a repository, or has an address that is not that of a
    /// wheel on a web server.
    #[error("is source code, whose build would run outside of the sandbox")]
    Source,
    /// The file of requirements or constraints that the line names is on another machine.
    #[error("names a file on another machine")]
    Remote,
    /// A digest in the line is missing, or is not one that pip accepts.
    #[error("has a digest that is not of the form sha256:HEX")]
    Hash,
}

impl LineError {
    /// Returns the instruction in the error message, which says how to fix the refused line.
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

/// Digests that pip accepts: the name of each, and the number of its hex digits.
const DIGESTS: [(&str, usize); 3] = [("sha256", 64), ("sha384", 96), ("sha512", 128)];

/// Parses a line of a file of requirements, without the comment at its end. Fails if the line
/// cannot be used for a script in the sandbox.
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

/// Parses a line of a file of requirements that begins with an option. Fails if the option or its
/// value cannot be used.
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

/// Parses the options of a package in a line of a file of requirements, and returns the digests.
/// Fails if there is any option but `--hash`, or if a digest is missing or invalid.
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

/// Returns the address in a requirement of the form `NAME @ URL`. Returns `None` for another form.
fn address(package: &str) -> Option<&str> {
    let (name, url) = package.split_once('@')?;
    let is_name = |one: char| one.is_ascii_alphanumeric() || "._-[], \t".contains(one);
    (!name.is_empty() && name.chars().all(is_name)).then(|| url.trim())
}

/// Returns true if the URL is that of a wheel on a web server, because pip could build a package
/// from source code at another URL. A `file:` URL is refused even for a wheel. A wheel on this
/// machine must be named by its path, because only then its bytes decide whether packages that an
/// earlier command fetched are used again.
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
