//! The command line of `cargo xtask`.
//!
//! Owns names, help and parsing of every command and flag. Must not know what the commands do.

mod deploy;
mod identity;
mod package;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scorebox_host::precompiled::Cpu;

use crate::bench::BenchArgs;
use crate::convert::ConvertArgs;
use crate::failure::EXIT_CODES;
use crate::fuzz::FuzzArgs;
use crate::soak::SoakArgs;

pub use self::deploy::DeployArgs;
use self::identity::CREDENTIALS;
pub use self::identity::IdentityArgs;
pub use self::package::{Attest, Compressor, PackageArgs};

/// Build, package, try and test Scorebox scorers.
///
/// Results go to standard output, everything else to standard error. Start with `cargo xtask demo`:
/// it builds an example scorer, packages it as an OCI image without Docker, runs that image's own
/// files and scores 200 digits.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of `cargo xtask`, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the toolchain, and add the wasm32-wasip2 target if it is missing.
    Setup(SetupArgs),
    /// Build an example image and score 200 handwritten digits with it.
    Demo(DemoArgs),
    /// Convert a saved model or NumPy arrays into files that a scorer can ship.
    ///
    /// A pickled model becomes an ONNX graph. Estimators and pipelines of scikit-learn, XGBoost and
    /// LightGBM are loaded, converted and compared by pinned Python libraries in a separate
    /// process. A model that cannot be converted is refused with its name and the reason. NumPy
    /// arrays become tensors in a safetensors file: a .npz file gives one tensor for each of its
    /// arrays, a .npy file gives one tensor with the file's name.
    Convert(Box<ConvertArgs>),
    /// Build a scorer into an app folder for `scorebox serve --app`.
    Build(BuildArgs),
    /// Build a scorer into an OCI image, and push the image if --push is given.
    Package(PackageArgs),
    /// Push a packaged image to a registry.
    ///
    /// Takes any OCI layout of one image, as `package` and other tools write it. Build once,
    /// inspect the layout, then push it to as many registries as you like. The digest stays the
    /// same everywhere.
    Push(PushArgs),
    /// Show what an image holds, and verify its contents.
    ///
    /// Reads every blob and checks every digest. Compares the labels, the list of parts (an SBOM in
    /// CycloneDX) and the provenance statement (SLSA) with the files. With --key, signatures are
    /// required and checked as well. The exit code is 0 only if nothing is wrong.
    Inspect(InspectArgs),
    /// Try the credentials for a registry, and show what they allow.
    ///
    /// Begins an upload and cancels it at once, and stores nothing. To store credentials where this
    /// command finds them, use `docker login` or `az acr login --name NAME`. Exit code 0 means that
    /// everything that was asked for is granted.
    Login(LoginArgs),
    /// Print, or run, the `az` commands that create a function app from an image.
    ///
    /// Without --run nothing is executed: the script goes to standard output, to be read, saved or
    /// piped to `sh`. Secrets are variables of the environment. The script asks for the ones that
    /// it needs in its first lines.
    Deploy(DeployArgs),
    /// Run every check and test. The last line is `N passed, N failed, N skipped`.
    Test(TestArgs),
    /// Fuzz the readers of bytes that come from outside.
    ///
    /// libFuzzer starts from the corpus of each target and is guided by code coverage. What it
    /// learns is kept in target/fuzz. Prints one line for each target. Needs a C++ compiler.
    Fuzz(FuzzArgs),
    /// Compare the speed of the packaged host with native code that does the same work.
    ///
    /// All servers score the same handwritten digit over HTTP. They are the example `digits` from
    /// its image (once with warm instances, once with a new instance per request) and the native
    /// ceiling: a program that does the same arithmetic behind the same HTTP stack, without the
    /// host and its sandbox. The servers take turns within one run, and each ratio is of one round,
    /// so a machine that is slow for a while slows all of them.
    Bench(BenchArgs),
    /// Send requests of every kind to running hosts for minutes or hours, and compare every answer.
    ///
    /// The kinds are: HTTP with Azure ML's JSON, and with JSON or binary tensors of the Open
    /// Inference Protocol; Azure Functions invocations with batches, and with messages that
    /// cannot be scored and go to another queue; reused instances and an instance per request; a
    /// prediction cache whose Redis is killed now and then; and a graph. Memory, file descriptors
    /// and threads of each host are sampled. Exit code 1 means a wrong answer, a lost request or
    /// drift.
    Soak(SoakArgs),
    /// Check the rules of this repository: dependency direction, module docs, the hash of the WIT
    /// contract.
    Tidy(TidyArgs),
}

/// Flags of `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Also report which of the servers and tools that the tests use are installed.
    #[arg(long)]
    pub tests: bool,
    /// Also fetch ONNX Runtime, the library that runs graphs, with pip, into target/engine. Other
    /// commands that need the library fetch it themselves.
    #[arg(long)]
    pub graphs: bool,
    /// With --graphs: check this ONNX Runtime library instead of fetching one.
    #[arg(long, value_name = "FILE", requires = "graphs")]
    pub engine_library: Option<PathBuf>,
    /// Also install the Python libraries of `convert`, with pip, into target/convert-env. If they
    /// are missing, `convert` installs them itself.
    #[arg(long)]
    pub convert: bool,
}

/// Flags of `build`.
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  cargo xtask build --manifest guest/examples/digits/scorebox.toml"
)]
pub struct BuildArgs {
    /// Path of the scorer's scorebox.toml.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The app folder to write. An app that is already there is replaced [default:
    /// target/apps/NAME].
    #[arg(long, value_name = "DIR")]
    pub app: Option<PathBuf>,
    /// The CPU to compile the component for: x86-64 runs everywhere; x86-64-v2, -v3 and -v4 need
    /// newer machines; native is the highest level of this machine. The host refuses to start on a
    /// CPU below this level.
    #[arg(long, value_name = "LEVEL", default_value = "x86-64")]
    pub cpu: Cpu,
    /// For a scorer with a graph: the ONNX Runtime library that runs the graph, instead of fetching
    /// one with pip. LICENSE and ThirdPartyNotices.txt must be next to the library.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
}

/// Flags of `push`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask push target/images/digits --registry contoso.azurecr.io --repository \
    scoring/digits\n  cargo xtask push target/images/digits --registry 127.0.0.1:5000 --repository digits --plain-http --output json"))]
pub struct PushArgs {
    /// Folder of the OCI layout.
    #[arg(value_name = "LAYOUT")]
    pub layout: PathBuf,
    /// Host and port of the registry, e.g. 127.0.0.1:5000.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: String,
    /// Name of the image in the registry, e.g. scoring/digits.
    #[arg(long, value_name = "NAME")]
    pub repository: String,
    /// Tag of the image, in addition to its digest [default: the tag in the layout].
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Ask which blobs the registry has, print what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Use HTTP for the registry of the base image, if the layout names the base's layers without
    /// holding them.
    #[arg(long)]
    pub base_plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: the digest reference alone, or a JSON object with every digest
    /// and size.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask inspect target/images/digits\n  cargo xtask inspect \
    contoso.azurecr.io/scoring/digits:1.0 --key scorebox.pub\n  cargo xtask inspect 127.0.0.1:5000/digits:1.0 --plain-http --output json"))]
pub struct InspectArgs {
    /// The image, `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`, or the folder of an OCI layout.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// A public key of the curve P-256, in PEM. The image and its provenance statement must be
    /// signed with the private key that belongs to it.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: a table, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Flags of `login`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask login --registry contoso.azurecr.io\n  \
    cargo xtask login --manifest scorebox.toml --output json\n  printf %s \"$PASSWORD\" | cargo xtask login \
    --registry contoso.azurecr.io --repository scoring/digits \\\n      --username ci --password-stdin"))]
pub struct LoginArgs {
    /// Host and port of the registry, e.g. contoso.azurecr.io. Overrides `package.registry`.
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "manifest")]
    pub registry: Option<String>,
    /// The repository to try the rights for. Overrides `package.repository`. Without a repository
    /// only the login is tried.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// A scorebox.toml that names the registry and the repository.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Use HTTP instead of HTTPS for the registry, e.g. for a registry on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Credentials, trusted hosts and limits for the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// Format of standard output: one line, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Format of a command's result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Text for people to read.
    Text,
    /// One JSON object.
    Json,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the host running until Ctrl-C, and print a curl command to try.
    #[arg(long)]
    pub serve: bool,
    /// The port to listen on [default: a free port].
    #[arg(long)]
    pub port: Option<u16>,
}

/// Flags of `test`.
#[derive(Debug, Args)]
#[command(
    after_help = "The tests read the paths of these things from the environment: \
                  SCOREBOX_WORKSPACE, SCOREBOX_HOST_PROGRAM, SCOREBOX_XTASK, SCOREBOX_PROGRAMS, \
                  SCOREBOX_APPS. A test that cannot run appends its reason, one line, to the file \
                  named by SCOREBOX_SKIPPED_FILE.\n\nExamples:\n  cargo xtask test\n  \
                  cargo xtask test redis\n  cargo xtask test redis serving --only faults:: stops::"
)]
pub struct TestArgs {
    /// Areas of the whole-system tests to run, and no other check: functions, redis, packager,
    /// serving, models, meta. Each is a folder of tests/tests with one test program. Without an
    /// area, all tests and all other checks run.
    #[arg(value_name = "AREA", value_parser = crate::test::area)]
    pub areas: Vec<String>,
    /// Run only the tests whose path contains one of these texts, and no other check. The path of a
    /// test is MODULE::NAME without the area, so `stores::` runs a whole module. Write the areas
    /// before this flag, since it takes every word that follows.
    #[arg(long, value_name = "FILTER", num_args = 1..)]
    pub only: Vec<String>,
}

/// Flags of `tidy`.
#[derive(Debug, Args)]
pub struct TidyArgs {
    /// Write the contract's hash to wit/CHANGES.md and the vendored files' hashes to
    /// wit/deps/deps.lock.
    #[arg(long)]
    pub bless: bool,
}

#[cfg(test)]
mod tests;
