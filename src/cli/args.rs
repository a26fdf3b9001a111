//! What can be typed.

use super::store_args::StoreCommand;
use crate::report::printed::Source;
use crate::spec::remote::{RemoteLocation, RemoteLocationError};
use clap::{Args as ClapArgs, Parser, Subcommand, ValueEnum};
use std::net::IpAddr;
use std::path::PathBuf;

/// Declarative, resumable experiment sweeps for post-training quantization.
#[derive(Debug, Parser)]
#[command(name = "tacq-sweep", version, max_term_width = 100)]
pub(super) struct Args {
    /// When to use colour.
    #[arg(long, global = true, value_enum, default_value_t = ColorChoice::Auto, help_heading = "Global options")]
    pub color: ColorChoice,
    /// Show more of what happens (-v: info, -vv: debug).
    #[arg(short, long, global = true, action = clap::ArgAction::Count, help_heading = "Global options")]
    pub verbose: u8,
    #[command(subcommand)]
    pub command: Command,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ColorChoice {
    /// On a terminal, unless NO_COLOR is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// An experiment file and what changes it.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct FileArgs {
    /// The experiment file.
    pub file: PathBuf,
    /// Set a value of the file: a dotted path and a YAML value, such as 'sweep.seed=3'.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The store's folder, in place of the file's run.store.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// A store that machines share, in place of the file's run.remote: s3://bucket/prefix or a folder; '' for none.
    #[arg(long, env = "TACQ_REMOTE", value_name = "PLACE", value_parser = remote_place)]
    pub remote: Option<RemotePlace>,
    /// Ask the hub again what branches and tags point to, in place of the commits that the store remembers.
    #[arg(long)]
    pub update_revisions: bool,
}

/// A remote store that was typed; an empty text is none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemotePlace(pub Option<RemoteLocation>);

pub(super) fn remote_place(text: &str) -> Result<RemotePlace, RemoteLocationError> {
    match text {
        "" => Ok(RemotePlace(None)),
        text => text.parse().map(|place| RemotePlace(Some(place))),
    }
}

/// Which examples of an evaluation. Any of them makes `show` print examples; JSON then is a line an example.
#[derive(Debug, Clone, ClapArgs)]
#[command(next_help_heading = "Examples behind a score")]
pub(super) struct ExampleArgs {
    /// Examples of this task: prompt, output, prediction, gold answer.
    #[arg(long, value_name = "NAME")]
    pub task: Option<String>,
    /// Only examples that were answered wrong; of a perplexity, the windows with the worst loss.
    #[arg(long, conflicts_with = "right")]
    pub wrong: bool,
    /// Only examples that were answered right.
    #[arg(long)]
    pub right: bool,
    /// Only examples of this part of the data set, such as an MMLU subject or a Spider database.
    #[arg(long, value_name = "NAME")]
    pub group: Option<String>,
    /// Only examples that another trial (label or pattern) answers otherwise, with both answers.
    #[arg(long, value_name = "TRIAL")]
    pub against: Option<String>,
    /// At most so many examples, 10 if not said; 0 for all.
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
    /// Whole texts: also what all prompts begin with, and what is long.
    #[arg(long)]
    pub full: bool,
}

impl ExampleArgs {
    /// Whether examples are asked for.
    pub(super) fn any(&self) -> bool {
        let Self { task, wrong, right, group, against, limit, full } = self;
        let is_named = task.is_some() || group.is_some() || against.is_some() || limit.is_some();
        is_named || *wrong || *right || *full
    }
}

/// Which runs are listed.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct HistoryArgs {
    /// Only runs of this experiment; its store.
    pub file: Option<PathBuf>,
    /// The store's folder; .tacq if not said here nor by the experiment.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// At most so many, the newest; 0 for all.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub limit: usize,
    /// Output format.
    #[arg(long, value_enum, default_value_t = Format::Table)]
    pub format: Format,
}

/// Which of several outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// What a report is written as, beside its tables.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    /// report.html: tables, figures, answers side by side, provenance.
    Html,
}

/// What is served, and to whom.
#[derive(Debug, Clone, ClapArgs)]
pub(super) struct ServeArgs {
    /// Experiment files; without any, the demonstration is served.
    pub files: Vec<PathBuf>,
    /// Also serve the demonstration, which quantizes a small model as visitors choose.
    #[arg(long)]
    pub demo: bool,
    /// The demonstration's model: a folder like those of the Hugging Face hub.
    #[arg(long, value_name = "DIR", default_value = "assets/quickstart/model")]
    pub demo_model: PathBuf,
    /// The demonstration's data sets: a folder like assets/quickstart.
    #[arg(long, value_name = "DIR", default_value = "assets/quickstart")]
    pub demo_data: PathBuf,
    /// Where the demonstration's stages run, such as cpu or cuda:0.
    #[arg(long, value_name = "DEVICE", default_value = "cpu")]
    pub demo_device: String,
    /// Set a value of every file: a dotted path and a YAML value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// The store's folder, in place of the files' run.store.
    #[arg(long, value_name = "DIR")]
    pub store: Option<PathBuf>,
    /// Address to listen on. Any other than a loopback address lets other machines in, with the token only.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Port to listen on; 0 for any that is free.
    #[arg(long, default_value_t = 7411)]
    pub port: u16,
    /// A further name by which this server may be called, such as that of the machine.
    #[arg(long, value_name = "NAME")]
    pub allow_host: Vec<String>,
    /// A file with the token, in place of TACQ_SERVE_TOKEN; without either, one is made and printed.
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// The engine program, in place of the tacq-engine beside this one.
    #[arg(long, env = "TACQ_ENGINE", value_name = "PATH")]
    pub engine: Option<PathBuf>,
}

/// Languages for drawing a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Graph {
    /// Mermaid flowchart.
    Mermaid,
    /// Graphviz.
    Dot,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check an experiment file: all mistakes at once, with their places.
    Validate {
        #[command(flatten)]
        file: FileArgs,
    },
    /// Print the JSON Schema of experiment files.
    Schema,
    /// Show what a run would do: stages that are hits, to run, or blocked. Exits with 1 if work remains.
    Plan {
        #[command(flatten)]
        file: FileArgs,
        /// List every stage, not only counts per kind.
        #[arg(long)]
        stages: bool,
        /// Only stages or trials whose label matches (`*` and `?`), and what they need.
        #[arg(long, value_name = "GLOB")]
        only: Vec<String>,
        /// Print the whole plan as JSON.
        #[arg(long)]
        json: bool,
        /// Print the stages as a graph.
        #[arg(long, value_enum, conflicts_with = "json")]
        graph: Option<Graph>,
    },
    /// Run what is missing, then write the tables. The same command resumes.
    Run {
        #[command(flatten)]
        file: FileArgs,
        /// Only stages or trials whose label matches (`*` and `?`), and what they need.
        #[arg(long, value_name = "GLOB")]
        only: Vec<String>,
        /// Start nothing more after the first failure.
        #[arg(long)]
        fail_fast: bool,
        /// Show the plan and stop.
        #[arg(long)]
        dry_run: bool,
        /// Write how the run ended to this file as JSON, whether it has something to do or not.
        #[arg(long, value_name = "FILE")]
        summary_json: Option<PathBuf>,
        /// The engine program, in place of the tacq-engine beside this one.
        #[arg(long, env = "TACQ_ENGINE", value_name = "PATH")]
        engine: Option<PathBuf>,
    },
    /// End an experiment's jobs on a Slurm cluster. What they have computed stays.
    Cancel {
        #[command(flatten)]
        file: FileArgs,
    },
    /// Run the stage of a job's file: what a job on a cluster does.
    #[command(hide = true)]
    Job {
        /// The file that `run` wrote when it submitted the job.
        file: PathBuf,
    },
    /// Show how far an experiment is: done, running in any process, failed in the last run.
    Status {
        #[command(flatten)]
        file: FileArgs,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
        /// Look again every second, until the run ends and nothing else runs.
        #[arg(long)]
        watch: bool,
    },
    /// List the runs of a store, or of one experiment: when, how they ended, what they did.
    History(HistoryArgs),
    /// Explain why stages would run: which field of their keys differs from the nearest artifact.
    Why {
        #[command(flatten)]
        file: FileArgs,
        /// A stage's label or key, a trial's label, or a pattern with `*` and `?`. Without it: the causes of all that
        /// would run, and how much each brings with it.
        target: Option<String>,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Print scores and paired differences, and write the tables, from what the store holds.
    Report {
        #[command(flatten)]
        file: FileArgs,
        /// Also put printed scores beside the measured ones: `paper`, those of the TaCQ paper, or a CSV file with the
        /// columns of results/paper/2504.07389v1.csv.
        #[arg(long, value_name = "paper|FILE", value_parser = |text: &str| Ok::<_, String>(Source::from(text)))]
        compare: Option<Source>,
        /// Also write a page that shows all of it, in one file that needs no network.
        #[arg(long, value_enum)]
        format: Option<ReportFormat>,
        /// Look again every second, and write all of it again when results come; until Ctrl-C.
        #[arg(long)]
        watch: bool,
    },
    /// Show experiments in a browser: reports that follow their runs, stages, logs; start and end runs.
    Serve(ServeArgs),
    /// Show a stage or trial: parameters, artifact, metrics, provenance, and the command that reproduces it; or the
    /// examples behind a score.
    Show {
        #[command(flatten)]
        file: FileArgs,
        /// A stage's label or key, a trial's label, or a pattern with `*` and `?`.
        target: String,
        #[command(flatten)]
        examples: ExampleArgs,
        /// Output format.
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
    /// Look after the store: what lies there, whether it is whole, what may go.
    Store {
        #[command(subcommand)]
        command: StoreCommand,
    },
}
