//! The program `scorebox`: serves, calls and checks a scorer.
//!
//! Owns the command line. Must not know how anything is done: each command has its own file.

mod command;

use std::net::IpAddr;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};
use scorebox_host::engine::VERSION;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Run a scorer: a sandboxed WebAssembly component, Python script or ONNX graph, with its model.
///
/// An app is a folder that holds scorebox.toml, a scorer and a model. `scorebox build` creates one,
/// and an image from `scorebox package` holds one at /home/site/wwwroot.
#[derive(Parser)]
#[command(name = "scorebox", bin_name = "scorebox", version = VERSION, after_help = EXIT_CODES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXIT_CODES: &str = "\
Exit codes:
  0  done; a server: stopped by SIGTERM or SIGINT, calls in flight finished (200 if the Functions host started it: it
     leaves a handler that ended with 0 as it is)
  1  the host or the machine is at fault
  2  the command line
  3  scorebox.toml          4  component, script   5  the model
  6  init of the scorer     7  address or port     8  an environment variable
  9  host.json or a function.json
  10 check --connect: a store does not answer
  11 the library of the engine for graphs, or the engine pack for scripts
  invoke only: 20  the input   21  try later   22  out of time   23  the scorer

Environment:
  FUNCTIONS_CUSTOMHANDLER_PORT  the port, when --port is not given; set by the Functions host, whose invocations are then
                                answered at /FUNCTION
  SCOREBOX_LOG                  what is logged: a level, or e.g. info,scorer=debug
  SCOREBOX_LOG_FORMAT           text or json; unset: text on a terminal, JSON elsewhere
  SCOREBOX_ENGINE_LIBRARY       the library that runs graphs; unset: in ../lib/scorebox next to the
                                program's folder
  SCOREBOX_REDIS_URL            redis://… or rediss://… of a store that names no other variable; for ?auth=entra also the
                                variables in which Azure names its token service:
                                IDENTITY_ENDPOINT, IDENTITY_HEADER, AZURE_CLIENT_ID,
                                AZURE_TENANT_ID, AZURE_FEDERATED_TOKEN_FILE, AZURE_AUTHORITY_HOST";

#[derive(Subcommand)]
enum Command {
    /// Serve the scorer over HTTP until SIGTERM.
    ///
    /// POST /score and /api/ROUTE score a request. GET / answers at once, and GET /readyz succeeds
    /// when calls are answered. GET /openapi.json returns the scorer's contract. The log goes to
    /// standard output; if the Functions host started the program, warnings and errors go to
    /// standard error.
    Serve(Serve),
    #[cfg(feature = "compiler")]
    /// Score one input and print the answer, without a server. The host in an image does not have
    /// this command.
    ///
    /// With --trigger: create the invocation that the Functions host would send for each FILE, and
    /// print the response that it would get.
    #[command(after_help = INVOKE_EXAMPLES)]
    Invoke(Invoke),
    /// Load the app as `serve` would, init included, and print a report about it.
    Check(Check),
    #[cfg(feature = "graphs")]
    /// Load an ONNX file, run it once, and print its inputs and outputs as JSON.
    ///
    /// The input of the run is the sample, or zeros if there is no sample. A graph need not accept
    /// zeros. The file is loaded in a process of its own with limited memory, because native code
    /// runs it. `check` does this for each graph that the app can run.
    Graph(GraphFile),
}

#[cfg(feature = "compiler")]
const INVOKE_EXAMPLES: &str = "\
Examples:
  echo '{\"data\": [[1, 2]]}' | scorebox invoke --app DIR
  scorebox invoke --app DIR --trigger service-bus --attempt 10 message.json
  scorebox invoke --app DIR --trigger blob incoming/a.json";

#[derive(Args)]
struct AppFolder {
    /// Folder of the app, with scorebox.toml in it; host.json and each function.json are read, too.
    #[arg(
        long,
        value_name = "DIR",
        env = "FUNCTIONS_APP_ROOT_PATH",
        hide_env_values = true
    )]
    app: PathBuf,
}

#[derive(Args)]
struct Serve {
    #[command(flatten)]
    app: AppFolder,
    /// Address to listen on; 0.0.0.0 for all addresses.
    #[arg(long, value_name = "IP", default_value = "127.0.0.1")]
    address: IpAddr,
    /// Port to listen on, e.g. 8080; 0 for any free one, which the log names. If not given:
    /// FUNCTIONS_CUSTOMHANDLER_PORT, or else 8080.
    #[arg(long, value_name = "N")]
    port: Option<u16>,
}

#[cfg(feature = "compiler")]
#[derive(Args)]
struct Invoke {
    #[command(flatten)]
    app: AppFolder,
    /// File with the input, e.g. request.json; standard input if not given, or if it is `-`.
    #[arg(long, value_name = "FILE", conflicts_with = "trigger")]
    input: Option<PathBuf>,
    /// Media type of the input, e.g. application/json. If not given: application/json for an empty
    /// input, text that starts like JSON or a file that ends in .json, or else
    /// application/octet-stream.
    #[arg(long, value_name = "TYPE")]
    content_type: Option<String>,
    /// Create an invocation of the function with this trigger.
    #[arg(long, value_enum)]
    trigger: Option<Trigger>,
    /// With --trigger: name of the function, if several have this trigger.
    #[arg(long, value_name = "NAME", requires = "trigger")]
    function: Option<String>,
    /// With --trigger service-bus or queue: number of the message's delivery, from 1.
    #[arg(long, value_name = "N", requires = "trigger", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    attempt: u32,
    /// With --trigger: print the invocation, and score nothing.
    #[arg(long, requires = "trigger")]
    print_envelope: bool,
    /// With --trigger: one blob, message or request per file; all messages are one batch if the
    /// function takes batches. Standard input if no file is given.
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
}

#[cfg(feature = "compiler")]
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Trigger {
    /// Blob. The end of the file's path must fit the path of the trigger.
    Blob,
    /// HTTP request, in an envelope or forwarded unchanged, as the function is configured.
    Http,
    /// Message of a queue in a storage account.
    Queue,
    /// Service Bus message, or several messages in a batch.
    ServiceBus,
}

#[derive(Args)]
struct Check {
    #[command(flatten)]
    app: AppFolder,
    /// Print every setting, too: its value in this app, its default, and its effect.
    #[arg(long)]
    explain: bool,
    /// Connect to every store, too, as set in this environment, and print what answers. Without
    /// this option, no connection is made.
    #[arg(long)]
    connect: bool,
    #[cfg(any(feature = "compiler", feature = "graphs", feature = "python"))]
    /// File with an input and its expected answer, to try the scorer with: {"inputs": BODY,
    /// "outputs": ANSWER, "tolerance": 1e-4}. If not given: the manifest's package.sample, if there
    /// is one.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Format of the output.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    output: Format,
}

#[cfg(feature = "graphs")]
#[derive(Args)]
struct GraphFile {
    /// ONNX file to load, e.g. model.onnx.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// File with an input and its expected answer, as for `check`.
    #[arg(long, value_name = "FILE")]
    sample: Option<PathBuf>,
    /// Id of the process that waits for this one. This process ends when that process ends.
    #[arg(long, value_name = "PID", hide = true)]
    parent: Option<u32>,
    /// Maximum time for which this process may run, in milliseconds.
    #[arg(long, value_name = "MS", hide = true)]
    limit_ms: Option<u64>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// JSON, for scripts.
    Json,
    /// Text, for people.
    Text,
}

fn main() -> ExitCode {
    #[cfg(all(feature = "graphs", not(target_feature = "crt-static")))]
    scorebox_host::graph::allow_loading();
    // TLS to Redis uses the process-wide default provider. No other code sets it, so this call
    // cannot fail.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let _last_lines = scorebox_host::telemetry::LastLines;
    #[cfg(feature = "compiler")]
    if let Some(error) = command::other_tool() {
        return command::exit(&error);
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => return command::refused(&error),
    };
    match arguments.command {
        Command::Serve(serve) => command::serve::run(serve),
        #[cfg(feature = "compiler")]
        Command::Invoke(invoke) => command::invoke::run(invoke),
        Command::Check(check) => command::check::run(check),
        #[cfg(feature = "graphs")]
        Command::Graph(GraphFile {
            file,
            sample,
            parent,
            limit_ms,
        }) => {
            let limit = limit_ms.map(std::time::Duration::from_millis);
            command::graph::run(
                &file,
                sample.as_deref(),
                command::graph::Waiting { parent, limit },
            )
        }
    }
}

#[cfg(all(test, feature = "compiler", feature = "graphs"))]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn command_line_is_consistent() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_operators_page_has_the_commands() {
        let commands = scorebox_pages::commands(Arguments::command());
        scorebox_pages::check_part("host/docs/commands.md", "commands", &commands);
    }
}
