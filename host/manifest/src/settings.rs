//! Every key of `scorebox.toml`, with its form, its default and the reason for it.
//!
//! Owns the one table that the parser of the manifest, `scorebox check --explain` and the page
//! `host/docs/settings.md` follow. This file is long because it is a table. Must not know the types
//! that the values become.

/// One key of `scorebox.toml`, with the form of its value, its default and its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setting {
    /// Full name of the key, such as `limits.memory`. The part `<name>` stands for a name that the
    /// author chooses.
    pub key: &'static str,
    /// Form of the value, such as `number`.
    pub form: &'static str,
    /// Default of the key, as it would be written in `scorebox.toml`, but without quotation marks
    /// around a text. Empty if the key is required, or if its absence has a meaning of its own. The
    /// field `why` explains this meaning.
    pub default: &'static str,
    /// Effect of the key, and the reason for its default.
    pub why: &'static str,
}

/// Every key of `scorebox.toml`, in the order of the sections of the file.
pub const SETTINGS: &[Setting] = &[
    setting(
        "scorer.name",
        "a-z, 0-9, -",
        "",
        "Required. Names the scorer in logs, OpenAPI, key prefixes and the image.",
    ),
    setting(
        "scorer.version",
        "text",
        "",
        "A version of your choice; `model.info`, OpenAPI and the image's labels show it.",
    ),
    setting(
        "scorer.component",
        "\"FILE.wasm\" or a source",
        "",
        "A component, or the source that `scorebox build` makes it of: `{ cargo = \"FOLDER\" }` for \
         Rust, `{ componentize-py = \"app.py\" }` for Python, `{ componentize-js = \"app.js\" }` or \
         `{ quickjs = \"app.js\" }` for JavaScript, `{ command = [\"make\"], output = \
         \"FILE.wasm\" }` for anything else. Without it and without a script, the host serves the \
         model's graph.",
    ),
    setting(
        "scorer.script",
        "FILE.py",
        "",
        "A script with `init` and `run`, as Azure ML runs it, in place of a component: CPython runs it \
         in the sandbox. The modules of its folder are packaged with it.",
    ),
    setting(
        "scorer.requirements",
        "requirements.txt or conda.yml",
        "",
        "The packages that the script imports. NumPy, pandas, SciPy and scikit-learn are part of the \
         engine; any other package must be pure Python.",
    ),
    setting(
        "scorer.accelerate",
        "true or false",
        "false",
        "If true, an estimator that `scorebox convert` can convert runs as a graph in the host when \
         the script loads it. Off by default, because a graph may round differently.",
    ),
    setting(
        "scorer.tracebacks",
        "true or false",
        "false",
        "If true, the answer to a call that the script fails contains the traceback. Off by default, \
         because a traceback shows code and data to callers. The log has every traceback.",
    ),
    setting(
        "scorer.deterministic",
        "true or false",
        "false",
        "True if the script answers equal requests with equal answers, which [prediction_cache] needs. \
         A component states this itself.",
    ),
    setting(
        "scorer.graph",
        "file of the model, without .onnx",
        "",
        "The graph to serve if there is no component and the model holds several.",
    ),
    setting(
        "scorer.model",
        "folder or file",
        "",
        "Without it the scorer has no model: no tensors and no files.",
    ),
    setting(
        "scorer.snapshot",
        "true or false",
        "true",
        "If true, the packager runs `init`, so that no start has to. `init` may then use only the \
         model and the log, and must drop every handle.",
    ),
    setting(
        "scorer.labels.<name>",
        "text",
        "",
        "A label that `model.info` gives to the scorer, e.g. the training run.",
    ),
    setting(
        "inputs.<name>.missing",
        "true or false",
        "false",
        "If true, null in this input is a missing value: NaN in an input of floating point, the \
         empty text in an input of texts. Most models fail on missing values, or answer garbage.",
    ),
    setting(
        "inputs.<name>.boolean",
        "true or false",
        "false",
        "If true, this input of numbers takes true and false as 1 and 0.",
    ),
    setting(
        "inputs.<name>.columns",
        "list of names",
        "",
        "Names of the columns of this matrix, in order: callers may then send rows by name. \
         Without it the columns have no names.",
    ),
    setting(
        "requests.nan_literals",
        "true or false",
        "false",
        "If true, NaN, Infinity and -Infinity are taken as numbers in JSON, which does not have \
         them. NaN is a missing value.",
    ),
    setting(
        "requests.unknown_columns",
        "\"refuse\" or \"ignore\"",
        "refuse",
        "Effect of a key in a row that is not the name of a column. It is refused by default, \
         because it may be a misspelled name.",
    ),
    setting(
        "contract.unstable",
        "list of features",
        "[]",
        "Unstable features of the contract that the component may use. The current version of the \
         contract has none.",
    ),
    setting(
        "answers.cookies",
        "true or false",
        "false",
        "If true, the scorer may set cookies (`Set-Cookie`). Off by default, because a cookie is for one \
         caller, and caches and gateways may give an answer to several.",
    ),
    setting(
        "trigger.kind",
        "\"http\", \"blob\", \"queue\" or \"service-bus\"",
        "",
        "Required in each [[trigger]]. Without a [[trigger]], there is one of kind http.",
    ),
    setting(
        "trigger.function",
        "letters, digits, -, _",
        "",
        "The function's name. Without it: the route, the blob's container, or the queue, or topic and subscription.",
    ),
    setting(
        "trigger.route",
        "path, such as score or risk/{customer}",
        "score",
        "http: the path below /api/, with parameters as in ASP.NET: {id}, {id:int}, {id?}, {id=7}, \
         {*rest}. The default is the name that Azure ML clients use.",
    ),
    setting(
        "trigger.auth_level",
        "\"anonymous\", \"function\" or \"admin\"",
        "function",
        "http: the key that the Functions host asks for; `function` is also its own default. A \
         server of your own asks for none.",
    ),
    setting(
        "trigger.methods",
        "list of verbs",
        "[\"post\"]",
        "http: the methods that score a request; the input is the request's body.",
    ),
    setting(
        "trigger.forwarding",
        "true or false",
        "true",
        "http: if true, the Functions host forwards requests unchanged. Its envelope costs three \
         times as much, and carries no binary answer, no binary body except octet-stream, no body \
         without a length, and one value for each header of an answer.",
    ),
    setting(
        "trigger.path",
        "CONTAINER/NAME",
        "",
        "blob: required. The path that is watched; {names} in it stand for any text.",
    ),
    setting(
        "trigger.source",
        "\"event-grid\" or \"scan\"",
        "event-grid",
        "blob: how the Functions host learns of a blob. Events are prompt and need a subscription, \
         which `scorebox deploy` creates. A scan is for local trials: it needs no set-up, may be \
         ten minutes late, and misses some blobs for good if many are written within a second.",
    ),
    setting(
        "trigger.queue",
        "name",
        "",
        "queue: required. service-bus: required, unless there is a topic. The queue that messages \
         come from.",
    ),
    setting(
        "trigger.topic",
        "name",
        "",
        "service-bus: the topic, with a subscription, in place of a queue.",
    ),
    setting(
        "trigger.subscription",
        "name",
        "",
        "service-bus: the subscription of the topic.",
    ),
    setting(
        "trigger.sessions",
        "true or false",
        "false",
        "service-bus: true if the queue or subscription has sessions.",
    ),
    setting(
        "trigger.cardinality",
        "\"one\" or \"many\"",
        "one",
        "service-bus: many delivers a batch in one invocation. If one message must be redelivered, \
         its whole batch is redelivered.",
    ),
    setting(
        "trigger.max_delivery_count",
        "number",
        "10",
        "service-bus: the value that the queue or subscription has; the default is Service Bus's \
         own. queue: the maxDequeueCount of all queues, by default 5. A message that fails at its \
         last delivery is parked.",
    ),
    setting(
        "trigger.message_encoding",
        "\"base64\" or \"none\"",
        "base64",
        "queue: the form of the messages in all queues of the app; base64, the default of the \
         Functions host, keeps every byte.",
    ),
    setting(
        "trigger.visibility_timeout",
        "time",
        "0",
        "queue: the time from a failed delivery to the next, in all queues of the app; 0, the \
         default of the Functions host, is at once.",
    ),
    setting(
        "trigger.connection",
        "name of an app setting",
        "TriggerConnectionString",
        "blob, queue, service-bus: the setting in which the Functions host finds the account or \
         namespace; the default is the name that the retired packager used. An account and a \
         namespace need two settings.",
    ),
    setting(
        "trigger.output.blob",
        "CONTAINER/NAME",
        "",
        "blob: where answers go; the names of the path stand for the same text.",
    ),
    setting(
        "trigger.output.queue",
        "name",
        "",
        "queue, service-bus: the queue that answers go to. Without an output they are dropped.",
    ),
    setting(
        "trigger.output.topic",
        "name",
        "",
        "service-bus: the topic that answers go to.",
    ),
    setting(
        "trigger.park.blob",
        "CONTAINER/NAME",
        "",
        "blob: where the problem of a blob that can never be scored goes. Without it the platform tries again, then keeps it.",
    ),
    setting(
        "trigger.park.queue",
        "name",
        "",
        "queue, service-bus: where messages go that can never be scored, with their problem. \
         Without it: the poison queue, or the dead-letter queue.",
    ),
    setting(
        "trigger.park.topic",
        "name",
        "",
        "service-bus: the topic where messages go that can never be scored, in place of a queue.",
    ),
    setting(
        "stores.<name>.url",
        "\"env:NAME\"",
        "env:SCOREBOX_REDIS_URL",
        "Names the variable that holds redis://… or rediss://…, so that no address or password \
         travels in the image. If the variable is unset, the store is kept in memory and lost at \
         exit.",
    ),
    setting(
        "stores.<name>.prefix",
        "text",
        "",
        "Text before every key, followed by a colon. Without it: the scorer's name and, for a \
         store that is not `default`, a `/` and the store's name.",
    ),
    setting(
        "stores.<name>.default_ttl",
        "time",
        "",
        "Expiry of a value that is written without one. Without this setting: none.",
    ),
    setting(
        "stores.<name>.timeout",
        "time",
        "1s",
        "Timeout of one operation, including the time to connect. A cache that takes longer than \
         scoring is useless.",
    ),
    setting(
        "stores.<name>.keepalive",
        "time",
        "60s",
        "Time after which a connection without traffic is checked, and replaced if the server does \
         not answer on it. Azure's load balancers forget a connection after 4 to 10 minutes, \
         without telling either side.",
    ),
    setting(
        "stores.<name>.commands",
        "list of names and families",
        "",
        "Raw commands that the scorer may send to a server, each on the store's own keys: names (HSET), families (@hash, as in \
         Redis's access lists) or @all. Without it: none, and @all for a script.",
    ),
    setting(
        "prediction_cache.store",
        "name",
        "default",
        "The store that keeps the answers of a deterministic scorer. Without the section, each \
         call is scored.",
    ),
    setting(
        "prediction_cache.ttl",
        "time",
        "10m",
        "How long an answer is kept.",
    ),
    setting(
        "prediction_cache.timeout",
        "time",
        "50ms",
        "How long a call waits for the store before it is scored. A cache that takes longer than \
         scoring is useless.",
    ),
    setting(
        "prediction_cache.claim",
        "time or 0",
        "0",
        "How long one instance may compute an answer while other instances that need it wait for \
         its entry. Each miss costs one more round trip, which pays if scoring takes longer than \
         that.",
    ),
    setting(
        "prediction_cache.memory",
        "size or 0",
        "16MiB",
        "Memory for answers that the process keeps in addition to the store, for a minute at most: \
         they cost no round trip.",
    ),
    setting(
        "server.keys",
        "list of \"env:NAME\"",
        "",
        "Names the variables that hold the keys of the server, one of which every call must carry. Several allow a key to be \
         replaced. Probes need no key. Without it calls need no key. A function app has keys of its own.",
    ),
    setting(
        "limits.deadline",
        "time",
        "5s",
        "Deadline of one call, including the time that it waits; a caller rarely waits longer, and \
         Azure's front end gives up at 230 s.",
    ),
    setting(
        "limits.memory",
        "size",
        "256MiB",
        "Memory of one instance, 1MiB to 4GiB. Weights do not count: the host holds them.",
    ),
    setting(
        "limits.total_memory",
        "\"auto\" or size",
        "auto",
        "Memory of all instances together. Half of it is divided equally among limits.instances, \
         half goes to those that need more; a call that gets none of it is answered 503. auto is \
         half of the container's memory limit.",
    ),
    setting(
        "limits.instances",
        "\"auto\" or number",
        "auto",
        "Instances, and calls that run or wait for a store at a time, at most 1024; auto is four for each core, so that \
         long calls leave room for short ones.",
    ),
    setting(
        "limits.queue",
        "number",
        "64",
        "Calls that may wait for an instance; one more is answered 503 at once, since it would hardly be in time.",
    ),
    setting(
        "limits.body",
        "size",
        "8MiB",
        "Size of one request body, at most 1GiB; the default holds over a thousand digits of 784 \
         pixels in JSON.",
    ),
    setting(
        "limits.bodies",
        "\"auto\" or size",
        "auto",
        "Memory of all request bodies over 64 KiB at a time, and as much again for answers. A request waits for its share within \
         the deadline, and is then answered 503. auto is an eighth of the container's memory limit, at most 1GiB, at least limits.body.",
    ),
    setting(
        "limits.init_deadline",
        "time",
        "30s",
        "Deadline of `init`; the Functions host gives up after the same time.",
    ),
    setting(
        "limits.drain",
        "time",
        "10s",
        "How long a stop waits for calls in flight after its lame-duck phase; less than the 30 s \
         of Kubernetes.",
    ),
    setting(
        "limits.lame_duck",
        "time or 0",
        "5s",
        "How long a stop goes on accepting calls while /readyz answers 503, so that load balancers turn away first. Kubernetes \
         needs a second or two, and `docker stop` kills after 10 s. Under the Functions host the default is 0.",
    ),
    setting(
        "limits.keep_alive",
        "time",
        "150s",
        "How long a connection may wait for its next request. Load balancers and pools of clients keep theirs for 60 s to \
         120 s, and must be the ones that close. If the connections are used up, those that wait longest are closed earlier.",
    ),
    setting(
        "limits.connections",
        "number",
        "1024",
        "Connections that may be open at a time, at most 65536; the file descriptors of the \
         process are a bound, too. If one more is opened, the connection that has been silent \
         longest is closed.",
    ),
    setting(
        "limits.connections_per_peer",
        "number or 0",
        "0",
        "Connections that one IP address (IPv6: one /64 network) may have open; 0 sets no bound; \
         it is the default, because all callers behind a proxy have one address.",
    ),
    setting(
        "instances.isolation",
        "\"warm\" or \"call\"",
        "warm",
        "warm reuses instances, so a call sees what earlier calls left in globals; call gives \
         every call an instance of its own, for some more CPU.",
    ),
    setting(
        "instances.max_invocations",
        "number",
        "",
        "Calls after which a warm instance is replaced, e.g. for a scorer that leaks. Without it: never.",
    ),
    setting(
        "instances.max_age",
        "time",
        "",
        "Age at which a warm instance is replaced. Without it: never.",
    ),
    setting(
        "instances.at_start",
        "number",
        "1",
        "Warm instances that are made before the host is ready; the others are made when calls need them.",
    ),
    setting(
        "batching.max_rows",
        "number",
        "",
        "Joins concurrent calls of a batchable tensor scorer up to this number of rows. Without \
         it, each call runs by itself.",
    ),
    setting(
        "batching.max_wait",
        "time",
        "2ms",
        "How long the first call waits for others to join, at most 1s.",
    ),
    setting(
        "precompiled.file",
        "file",
        "",
        "[precompiled] is written by `scorebox build`: the component's machine code.",
    ),
    setting(
        "precompiled.digest",
        "sha256:HEX",
        "",
        "Digest of precompiled.file; the host loads no other bytes.",
    ),
    setting(
        "precompiled.engine",
        "text",
        "",
        "The engine that the code is for; a host with another engine refuses it.",
    ),
    setting(
        "precompiled.cpu",
        "CPU level",
        "",
        "The CPU that the code needs, e.g. x86-64-v3; `--cpu` of build and package.",
    ),
    setting(
        "precompiled.component",
        "sha256:HEX",
        "",
        "Digest of the component that the code was compiled from.",
    ),
    setting(
        "precompiled.model",
        "sha256:HEX",
        "",
        "Digest of the model that the code was made with.",
    ),
    setting(
        "precompiled.snapshot",
        "true or false",
        "",
        "True if the code holds the state after `init`.",
    ),
    setting(
        "packaged.model",
        "sha256:HEX",
        "",
        "[packaged] is written by `scorebox build`: digest of the whole model. The host refuses a model that differs.",
    ),
    setting(
        "packaged.answers_sample",
        "true or false",
        "",
        "True if the graph answered package.sample. What such a graph refuses is the caller's error.",
    ),
    setting(
        "packaged.script.digest",
        "sha256:HEX",
        "",
        "Digest of the files in the script's folder. The host refuses a script that differs.",
    ),
    setting(
        "packaged.script.pack",
        "sha256:HEX",
        "",
        "Digest of the engine pack that the script was tried with. The host refuses another pack.",
    ),
    setting(
        "packaged.script.packages",
        "folder",
        "",
        "Where the packages of `scorer.requirements` were unpacked.",
    ),
    setting(
        "packaged.script.packages_digest",
        "sha256:HEX",
        "",
        "Digest of the files of the packages.",
    ),
    setting(
        "packaged.script.state",
        "file",
        "",
        "The state of the engine after the script's `init`, with which each instance starts. Without \
         it, each instance runs `init`.",
    ),
    setting(
        "packaged.script.state_digest",
        "sha256:HEX",
        "",
        "Digest of the file with this state. The host refuses a file that differs.",
    ),
    setting(
        "packaged.file.name",
        "file",
        "",
        "The component or a file of the model, as it was packaged.",
    ),
    setting(
        "packaged.file.size",
        "number",
        "",
        "Size of the file, in bytes.",
    ),
    setting(
        "packaged.file.digest",
        "sha256:HEX",
        "",
        "Digest of the file.",
    ),
    setting(
        "packaged.file.modified_ns",
        "number",
        "",
        "When the file was modified, in nanoseconds since 1970. If it differs, the host compares digests.",
    ),
    setting(
        "packaged.file.changed_ns",
        "number",
        "",
        "When the file's status changed, in nanoseconds since 1970; not in an image. If it differs, the host compares \
         digests.",
    ),
    setting(
        "config.<name>",
        "text",
        "",
        "What the scorer reads through wasi:config. It travels in the image: no secrets.",
    ),
    setting(
        "package.registry",
        "HOST[:PORT]",
        "",
        "Where --push sends the image, e.g. contoso.azurecr.io.",
    ),
    setting(
        "package.repository",
        "path",
        "",
        "The image's name in the registry. Without it: the scorer's name.",
    ),
    setting(
        "package.tag",
        "text",
        "latest",
        "Tag that is pushed in addition to the digest. If there is a scorer.version, it is the \
         default, with _ for a +.",
    ),
    setting(
        "package.license",
        "SPDX expression",
        "",
        "The scorer's licence, e.g. MIT; named in the list of parts.",
    ),
    setting(
        "package.model_license",
        "SPDX expression",
        "",
        "The model's licence; named in the list of parts.",
    ),
    setting(
        "package.sample",
        "file",
        "",
        "A request body and its answer as JSON; build and package refuse a scorer that answers \
         differently. Without it, no request is tried.",
    ),
    setting(
        "package.base",
        "\"scratch\", \"functions\" or HOST[:PORT]/NAME[:TAG][@sha256:HEX]",
        "scratch",
        "The base image; the host is static and needs none. `functions` is \
         `mcr.microsoft.com/azure-functions/node:4-node22`: its host stays in charge.",
    ),
];

const fn setting(
    key: &'static str,
    form: &'static str,
    default: &'static str,
    why: &'static str,
) -> Setting {
    Setting {
        key,
        form,
        default,
        why,
    }
}

/// Returns the default of the key of a setting, as it would be written in `scorebox.toml`, but
/// without quotation marks around a text. Returns an empty text if the key does not have a default.
#[must_use]
pub fn default_of(key: &str) -> &'static str {
    SETTINGS
        .iter()
        .find(|setting| setting.key == key)
        .map_or("", |setting| setting.default)
}
