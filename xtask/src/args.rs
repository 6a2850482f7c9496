//! The command line of `cargo xtask`.
//!
//! Owns names, help and parsing of every command and flag. Must not know what the commands do.

mod identity;

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scorebox_host::precompiled::Cpu;

use crate::bench::BenchArgs;
use crate::convert::ConvertArgs;
use crate::deploy::{Pull, Target};
use crate::failure::EXIT_CODES;
use crate::functions_app::Connections;
use crate::soak::SoakArgs;

pub use self::identity::IdentityArgs;

/// Build, package, try and test Scorebox scorers.
///
/// Results go to standard output, everything else to standard error. Start with `cargo xtask demo`: it builds an
/// example scorer, packages it as an OCI image without Docker, runs that image's own files and scores 200 digits.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", after_help = EXIT_CODES, max_term_width = 110)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which a newcomer meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Check the toolchain, and add the wasm32-wasip2 target if it is missing.
    Setup(SetupArgs),
    /// Score real digits with an image that was built on the spot.
    Demo(DemoArgs),
    /// Turn what a library saved into what a scorer can ship: a pickled model into a graph, NumPy's arrays into tensors.
    ///
    /// Estimators and pipelines of scikit-learn, XGBoost and LightGBM are loaded, converted and compared by pinned Python
    /// libraries in a process of its own; what cannot be converted is refused with its name and the reason. A .npz becomes a
    /// safetensors file with a tensor for each of its arrays, a .npy one with a tensor of the file's name.
    Convert(Box<ConvertArgs>),
    /// Build a scorer into an app folder for `scorebox serve --app`.
    Build(BuildArgs),
    /// Build a scorer into an OCI image, and push it if asked.
    Package(PackageArgs),
    /// Send an image that was packaged before to a registry.
    ///
    /// Takes any layout of one image, as `package` and others write it: build once, look at it, then send it, to a second
    /// registry too. The digest stays the same everywhere.
    Push(PushArgs),
    /// Show what an image holds, and check that it is what it says it is.
    ///
    /// Reads every blob and checks every digest; compares labels, list of parts and statement with the files; with --key
    /// also checks signatures, and demands them. Exit code 0 only if nothing is wrong.
    Inspect(InspectArgs),
    /// Try the credentials for a registry, and say what they are granted.
    ///
    /// Begins an upload and ends it at once, and stores nothing: `docker login` or `az acr login --name NAME` store
    /// credentials where this finds them too. Exit code 0 means: everything that was asked about is granted.
    Login(LoginArgs),
    /// Print, or run, the `az` commands that make a function app of an image.
    ///
    /// Nothing happens unless --run is said: the script goes to standard output, to be read, kept or piped to `sh`. Secrets
    /// stand in it as variables of the environment; those that are needed are asked for at its top.
    Deploy(DeployArgs),
    /// Run every check and test; the last line is `N passed, N failed, N skipped`.
    Test(TestArgs),
    /// Hold the reader of invocations to its rules with random bodies, for a while.
    ///
    /// libFuzzer follows where the code branches, from the envelopes of the tests on; what it learns is kept in
    /// target/fuzz. Needs a C++ compiler.
    Fuzz(FuzzArgs),
    /// Measure the packaged host beside native code that does the same.
    ///
    /// Servers score the same handwritten digit over HTTP: the example `digits` from its image (warm, and with an instance
    /// for every call), and the native ceiling, which is the same arithmetic behind the same HTTP stack without a sandbox.
    /// They take turns within one run, and every ratio is of one round, so a machine that is slow for a while is slow for
    /// all.
    Bench(BenchArgs),
    /// Call hosts in every way at once for minutes or hours, and compare every answer.
    ///
    /// The paths are HTTP in three forms, invocations of Azure Functions with batches and parked messages, instances that
    /// are used again and instances for each call, a prediction cache whose Redis is killed now and then, and a graph.
    /// Memory, file descriptors and threads of each host are sampled. Exit code 1 means a wrong answer, a lost call or drift.
    Soak(SoakArgs),
    /// Check the house rules: dependency direction, module docs, the contract's hash.
    Tidy(TidyArgs),
}

/// Flags of `setup`.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// Also report the servers and tools that the tests use.
    #[arg(long)]
    pub tests: bool,
    /// Also fetch the library that runs ONNX graphs, with pip, into target/engine; what else needs it does so itself.
    #[arg(long)]
    pub graphs: bool,
    /// With --graphs: check this library instead of fetching it.
    #[arg(long, value_name = "FILE", requires = "graphs")]
    pub engine_library: Option<PathBuf>,
    /// Also install the Python libraries of `convert`, with pip, into target/convert-env; `convert` does so itself.
    #[arg(long)]
    pub convert: bool,
}

/// Flags of `build`.
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  cargo xtask build --manifest guest/examples/digits/scorebox.toml")]
pub struct BuildArgs {
    /// The scorer's scorebox.toml.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The app folder to write; an app that is there is replaced [default: target/apps/NAME].
    #[arg(long, value_name = "DIR")]
    pub app: Option<PathBuf>,
    /// The CPU that the component is compiled for: x86-64 runs everywhere; x86-64-v2, -v3 and -v4 need newer machines;
    /// native is the highest level that this machine has. The host refuses to start on a lesser machine.
    #[arg(long, value_name = "LEVEL", default_value = "x86-64")]
    pub cpu: Cpu,
    /// For a scorer with a graph: the library that runs it, with LICENSE and ThirdPartyNotices.txt beside it, instead of
    /// fetching it with pip.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
}

/// Flags of `package`.
#[derive(Debug, Args)]
#[command(
    after_help = format!("The same inputs give the same digest. Times in the image are SOURCE_DATE_EPOCH, or 1970 if that \
                        is unset.\n\n{CREDENTIALS}\n\nExamples:\n  cargo xtask package --manifest scorebox.toml\n  cargo xtask package \
                        --manifest scorebox.toml --push --registry 127.0.0.1:5000 --plain-http\n  cargo xtask package \
                        --manifest scorebox.toml --push --registry contoso.azurecr.io --dry-run \\\n      --base functions")
)]
pub struct PackageArgs {
    /// The scorer's scorebox.toml.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// The folder for the OCI layout; a layout that is there is replaced [default: target/images/NAME].
    #[arg(long, value_name = "DIR")]
    pub layout: Option<PathBuf>,
    /// Send the image to the registry.
    #[arg(long)]
    pub push: bool,
    /// With --push: ask what the registry has, say what would be sent, and send nothing.
    #[arg(long, requires = "push")]
    pub dry_run: bool,
    /// Host and port of the registry; wins over `package.registry`.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: Option<String>,
    /// The image's name in the registry; wins over `package.repository`.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// The tag beside the digest; wins over `package.tag`.
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Speak HTTP, not HTTPS, to the registry: for one on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Who asks the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// The image below ours: `scratch`, `functions` (mcr.microsoft.com/azure-functions/node:4-node22) or
    /// `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`; wins over `package.base`. Where it brings the Functions host, its command, user
    /// and ports stay; otherwise ours are set.
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Speak HTTP to the base's registry; with --plain-http it is so wherever base and image share one.
    #[arg(long)]
    pub base_plain_http: bool,
    /// With --push: also write the base's layers into the layout. Without --push they always are; with it they go from
    /// registry to registry, and the layout only names them.
    #[arg(long)]
    pub base_blobs: bool,
    /// How layers are compressed, the model's aside, which is compressed only if it shrinks well. zstd is smaller and sooner unpacked, but
    /// not every service that runs images reads it.
    #[arg(long, value_enum, default_value_t = Compressor::Gzip)]
    pub compression: Compressor,
    /// What is attached to the image: the list of its parts (CycloneDX) and the statement about its making (SLSA), or
    /// nothing. The image itself stays the same.
    #[arg(long, value_enum, default_value_t = Attest::All)]
    pub attest: Attest,
    /// A private key of the curve P-256, in PEM and without a password, that signs the image, for `cosign verify`, and the
    /// statement.
    #[arg(long, value_name = "FILE")]
    pub sign_key: Option<PathBuf>,
    /// The CPU that the component is compiled for: x86-64 runs everywhere; x86-64-v2, -v3 and -v4 need newer machines;
    /// native is the highest level that this machine has. The host refuses to start on a lesser machine.
    #[arg(long, value_name = "LEVEL", default_value = "x86-64")]
    pub cpu: Cpu,
    /// A `scorebox` program to put into the image instead of building it: a static one, or for a scorer with a graph one
    /// with the feature `graphs`.
    #[arg(long, value_name = "FILE")]
    pub host: Option<PathBuf>,
    /// For a scorer with a graph: the library that runs it, with LICENSE and ThirdPartyNotices.txt beside it, instead of
    /// fetching it with pip.
    #[arg(long, value_name = "FILE")]
    pub engine_library: Option<PathBuf>,
    /// What standard output holds: the digest reference alone, or a JSON object with every digest and size.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Flags of `push`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask push target/images/digits --registry contoso.azurecr.io --repository \
    scoring/digits\n  cargo xtask push target/images/digits --registry 127.0.0.1:5000 --repository digits --plain-http --output json"))]
pub struct PushArgs {
    /// The layout's folder.
    #[arg(value_name = "LAYOUT")]
    pub layout: PathBuf,
    /// Host and port of the registry.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub registry: String,
    /// The image's name in the registry.
    #[arg(long, value_name = "NAME")]
    pub repository: String,
    /// The tag beside the digest [default: the one that the layout gives it].
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,
    /// Ask what the registry has, say what would be sent, and send nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// Speak HTTP, not HTTPS, to the registry: for one on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Speak HTTP to the registry of the base whose layers the layout names and does not hold.
    #[arg(long)]
    pub base_plain_http: bool,
    /// Who asks the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// What standard output holds: the digest reference alone, or a JSON object with every digest and size.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Flags of `inspect`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask inspect target/images/digits\n  cargo xtask inspect \
    contoso.azurecr.io/scoring/digits:1.0 --key scorebox.pub\n  cargo xtask inspect 127.0.0.1:5000/digits:1.0 --plain-http --output json"))]
pub struct InspectArgs {
    /// The image, `HOST[:PORT]/NAME[:TAG][@sha256:HEX]`, or the folder of a layout.
    #[arg(value_name = "IMAGE")]
    pub image: String,
    /// A public key of the curve P-256, in PEM: what is signed must be signed with it, and must be there.
    #[arg(long, value_name = "FILE")]
    pub key: Option<PathBuf>,
    /// Speak HTTP, not HTTPS, to the registry: for one on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Who asks the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// What standard output holds: a table, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// Where credentials are looked for.
const CREDENTIALS: &str = "Credentials are looked for in this order, once the registry wants some:
  1. --username with --password-stdin
  2. SCOREBOX_REGISTRY_USERNAME and SCOREBOX_REGISTRY_PASSWORD
  3. Docker's configuration, $DOCKER_CONFIG/config.json or ~/.docker/config.json: the registry's helper in credHelpers,
     then credsStore, then auths (what docker login and az acr login write)
  4. for *.azurecr.io: an Entra access token for https://containerregistry.azure.net, in SCOREBOX_ENTRA_TOKEN or from
     az account get-access-token
  5. none: anonymous
1 and 2 are for the registry of the image; a base in another registry uses 3 to 5.
A registry may name a token service at another host. Credentials are sent there only if --trust-realm names that host, or
if it is the known one of Docker Hub, GitLab or DigitalOcean.";

/// Flags of `login`.
#[derive(Debug, Args)]
#[command(after_help = format!("{CREDENTIALS}\n\nExamples:\n  cargo xtask login --registry contoso.azurecr.io\n  \
    cargo xtask login --manifest scorebox.toml --output json\n  printf %s \"$PASSWORD\" | cargo xtask login \
    --registry contoso.azurecr.io --repository scoring/digits \\\n      --username ci --password-stdin"))]
pub struct LoginArgs {
    /// Host and port of the registry; wins over `package.registry`.
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "manifest")]
    pub registry: Option<String>,
    /// The repository whose rights are tried; wins over `package.repository`. Without one only the login is.
    #[arg(long, value_name = "NAME")]
    pub repository: Option<String>,
    /// A scorebox.toml that names registry and repository.
    #[arg(long, value_name = "FILE")]
    pub manifest: Option<PathBuf>,
    /// Speak HTTP, not HTTPS, to the registry: for one on your own machine.
    #[arg(long)]
    pub plain_http: bool,
    /// Who asks the registry.
    #[command(flatten)]
    pub identity: IdentityArgs,
    /// What standard output holds: one line, or one JSON object.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub output: Format,
}

/// What is attached to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Attest {
    /// List of parts and statement.
    All,
    /// Nothing.
    None,
}

/// What compresses layers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compressor {
    /// Read everywhere.
    Gzip,
    /// Read by newer runtimes.
    Zstd,
}

/// The form of a result on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people.
    Text,
    /// One JSON object.
    Json,
}

/// Flags of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Keep the host running and print a curl line to try, until Ctrl-C.
    #[arg(long)]
    pub serve: bool,
    /// The port to listen on [default: a free one].
    #[arg(long)]
    pub port: Option<u16>,
}

/// Flags of `deploy`.
#[derive(Debug, Args)]
#[command(after_help = "Example:
  cargo xtask deploy contoso.azurecr.io/risk@sha256:… --manifest scorebox.toml --target premium \\
      --group scoring --location westeurope --name contoso-risk --bicep risk.bicep")]
pub struct DeployArgs {
    /// The image, as `cargo xtask package --push` printed it.
    #[arg(value_name = "REGISTRY/REPOSITORY@sha256:HEX")]
    pub image: String,
    /// The scorer's scorebox.toml: its triggers and stores say which settings the app must have.
    #[arg(long, value_name = "FILE")]
    pub manifest: PathBuf,
    /// Where the app runs; Consumption and Flex Consumption take no images.
    #[arg(long, value_enum)]
    pub target: Target,
    /// The resource group; made if it is missing.
    #[arg(long, value_name = "NAME")]
    pub group: String,
    /// The region, e.g. westeurope.
    #[arg(long, value_name = "REGION")]
    pub location: String,
    /// The function app, which App Service serves at `https://NAME.azurewebsites.net`.
    #[arg(long, value_name = "NAME")]
    pub name: String,
    /// The storage account of the app itself [default: the app's name without `-`, and `data`].
    #[arg(long, value_name = "NAME")]
    pub storage_account: Option<String>,
    /// The plan [default: NAME-plan].
    #[arg(long, value_name = "NAME")]
    pub plan: Option<String>,
    /// The plan's size [default: EP1, or B1 for a dedicated plan].
    #[arg(long, value_name = "SKU")]
    pub sku: Option<String>,
    /// The environment of Container Apps [default: NAME-env].
    #[arg(long, value_name = "NAME")]
    pub environment: Option<String>,
    /// How the platform logs in to the registry.
    #[arg(long, value_enum, default_value_t = Pull::Identity)]
    pub pull: Pull,
    /// How the app logs in to the storage accounts and namespaces of its triggers.
    #[arg(long, value_enum, default_value_t = Connections::Strings)]
    pub connections: Connections,
    /// The base that `package --base` was told, where it is not the manifest's.
    #[arg(long, value_name = "REF")]
    pub base: Option<String>,
    /// Write a Bicep file too.
    #[arg(long, value_name = "FILE")]
    pub bicep: Option<PathBuf>,
    /// Run the commands; `az login` first.
    #[arg(long, conflicts_with = "dry_run")]
    pub run: bool,
    /// Print them only; as without --run.
    #[arg(long)]
    pub dry_run: bool,
}

/// Flags of `test`.
#[derive(Debug, Args)]
#[command(
    after_help = "The tests learn from the environment where things are: SCOREBOX_WORKSPACE, SCOREBOX_HOST_PROGRAM, \
                        SCOREBOX_XTASK, SCOREBOX_PROGRAMS, SCOREBOX_APPS. A test that cannot run appends its reason, \
                        one line, to the file named by SCOREBOX_SKIPPED_FILE."
)]
pub struct TestArgs {
    /// Run only the tests whose name holds one of these, and no other check.
    #[arg(long, value_name = "FILTER", num_args = 1..)]
    pub only: Vec<String>,
}

/// Flags of `fuzz`.
#[derive(Debug, Args)]
pub struct FuzzArgs {
    /// How long.
    #[arg(long, value_name = "SECONDS", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..))]
    pub seconds: u64,
}

/// Flags of `tidy`.
#[derive(Debug, Args)]
pub struct TidyArgs {
    /// Write the contract's hash to wit/CHANGES.md and the vendored files' hashes to wit/deps/deps.lock.
    #[arg(long)]
    pub bless: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
