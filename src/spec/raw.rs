//! What may be written in an experiment file, key by key: read from here, and the source of the JSON Schema.
//!
//! The comment of a key is its description in editors.

use super::experiment::CalibrationSampling;
use super::quantity::{Size, Span};
pub use super::raw_data::{Choice, Dataset, Decoding, Evaluate, Task};
pub use super::raw_methods::{Awq, Method, SlimLlm, Spqr, Squeezellm, Tacq};
pub use super::raw_remote::Remote;
pub use super::raw_stages::{OutputPath, Stage, Variables};
use super::read::{List, Names, Spanned, record};
use super::retention::Keep;
pub use super::scalar::Cpus;
use super::scalar::{
    CheckpointSecs, ExperimentName, FilePath, Gpus, MaxJobs, Name, Retries, Template, Threads,
};
use super::slurm::{Executor, Memory, SlurmOption, SlurmWord, WallTime};
use tacq_protocol::units::{AvgBits, BatchSize, Bits, DType, Device, NSamples, Seed, SeqLen};

record! {
    /// A sweep of post-training quantization.
    Experiment is "an experiment, which is a mapping with the keys name, model, sweep and others" {
        /// Name of the experiment and of its folder in results/: letters, digits, `.`, `_`, `-`.
        @required name: Spanned<ExperimentName>,
        /// The base model, or a list of them (an axis): a folder, or `org/name[@revision]` of the Hugging Face hub.
        @required model: List<FilePath>,
        /// The axes; the grid is their product. Or a list of such grids: what several have is computed once.
        @required sweep: List<Sweep>,
        /// Data to calibrate and evaluate on, by a name of your choice; and where the files of built-in data sets (c4,
        /// gsm8k, mmlu, mmlu_humanities, mmlu_social_sciences, mmlu_stem, ptb, spider, wikitext2) lie.
        datasets: Names<Dataset>,
        /// Changes to tasks, and further tasks, by name. Each text with a test split and each built-in data set is a
        /// task of its name.
        tasks: Names<Task>,
        /// How calibration sets are drawn.
        calibration: Calibration,
        /// Tasks of each trial: matched (those of the data set conditioned on), all, or a list of names; or, for each
        /// data set conditioned on, one of these, with `default` for the others.
        /// Default: matched if there is condition_on, else all.
        evaluate: Spanned<Evaluate>,
        /// Commands of your own, by name: evaluations by other programs, plots, conversions.
        stages: Names<Stage>,
        /// Whether the 16-bit model is evaluated too. Default: true.
        baseline: bool,
        /// Tables and pages.
        report: Report,
        /// How it is executed; changes no result but for the number formats.
        run: Run,
    }
}

record! {
    /// The axes of a grid. Each value is a scalar or a list.
    Sweep is "a mapping of axes" {
        /// Base models of this grid, in place of the experiment's.
        model: List<FilePath>,
        /// Names of the data sets to calibrate on.
        condition_on: List<Name>,
        /// Bits per quantized weight. Either these or a budget.
        bits: List<Bits>,
        /// In place of bits: sizes that all methods meet, each by the parameter that it leaves open.
        budget: Budget,
        /// Seeds of calibration sampling, of sampled answers and of random saliency. Default: 0.
        seed: List<Seed>,
        /// Quantization methods: rtn, gptq, spqr, slim_llm, awq, squeezellm, tacq; alone or with parameters, which may be lists.
        @required methods: List<Method>,
        /// How calibration sets of this grid are drawn: what differs from the experiment's.
        calibration: Calibration,
        /// Tasks of each trial of this grid, in place of the experiment's.
        evaluate: Spanned<Evaluate>,
    }
}

record! {
    /// Sizes that methods meet: tacq by outlier_ratio, squeezellm by its two ratios, rtn, gptq and awq by group_size, spqr by
    /// outlier_threshold, slim_llm by how many groups have a bit more or less.
    Budget is "a mapping with the key avg_bits" {
        /// Bits per linear weight with what groups and outliers take, such as 2.1.
        @required avg_bits: List<AvgBits>,
    }
}

record! {
    /// How calibration sets are drawn.
    Calibration is "a mapping with the keys n_samples, seq_len, sampling" {
        /// Sequences; of examples, n_samples times seq_len tokens in all. Default: 128.
        n_samples: NSamples,
        /// Tokens in each. Default: 2048.
        seq_len: SeqLen,
        /// random (window starts or examples from the seed, as the reference) or first (from the start, in order).
        /// Default: random.
        sampling: CalibrationSampling,
    }
}

record! {
    /// Tables and pages.
    Report is "a mapping with the keys templates, dir" {
        /// Built-in templates or files. Default: table.md.j2.
        templates: List<Template>,
        /// Folder of the tables. Default: results/ and the experiment's name.
        dir: FilePath,
    }
}

record! {
    /// How the experiment is executed.
    Run is "a mapping with the keys devices, dtype, store and others" {
        /// One engine per entry: cpu or cuda:N. Default: cpu.
        devices: List<Device>,
        /// Number format of computation: f32, tf32 (f32 of which GPUs multiply 10 bits) or bf16. Default: f32.
        dtype: DType,
        /// Number format in which gradients are computed. Default: that of dtype.
        gradient_dtype: DType,
        /// Examples computed side by side in evaluations, at most. With bf16 or tf32 it can change a result and is part of
        /// the keys; default there: 256. With f32 it changes nothing; default: what suits the device.
        batch_size: BatchSize,
        /// Folder of the store. Default: .tacq.
        store: FilePath,
        /// Which artifacts stay in the store: all; results; or a list of kinds. The others are removed as soon as nothing
        /// of the run reads them. Sources, results and what commands leave always stay. Default: all.
        keep: Keep,
        /// Most that the store may hold, such as 500GB. A stage that does not fit is not begun. Default: no limit.
        quota: Size,
        /// Threads of each engine. Default: all cores.
        threads: Threads,
        /// Seconds between checkpoints inside a stage; 0 takes every chance. Default: 30.
        checkpoint_secs: CheckpointSecs,
        /// Memory of each GPU that stages may use, such as 80GiB: several stages run on one GPU at a time while the
        /// gpu_memory of their kinds fits. Default: one stage at a time.
        gpu_memory: Size,
        /// Longest time of one attempt of a stage, such as 12h. Default: none.
        timeout: Span,
        /// Further attempts after an engine died, hung or took too long. Default: 2.
        retries: Retries,
        /// Silence after which an engine is taken to hang. Default: 120s.
        hang: Span,
        /// Who runs the stages: local, this machine; slurm, jobs on a cluster. Default: local.
        executor: Executor,
        /// Slurm: the partition.
        partition: SlurmWord,
        /// Slurm: the account that is charged.
        account: SlurmWord,
        /// Slurm: the quality of service.
        qos: SlurmWord,
        /// Slurm: generic resources, such as gpu:1.
        gres: SlurmWord,
        /// Slurm: the time limit of a job, such as 12h or 1-12:00:00. A stage that reaches it goes on from its progress.
        time: WallTime,
        /// Slurm: memory of a job, such as 64G. Raised by half, once, when it was too little.
        mem: Memory,
        /// Slurm: cores of a job.
        cpus: Cpus,
        /// Slurm: features that a node must have.
        constraint: SlurmWord,
        /// Slurm: nodes that are not used, or a list of them.
        exclude: List<SlurmWord>,
        /// Slurm: another option of sbatch, or a list of them, such as --nice=100.
        extra: List<SlurmOption>,
        /// Slurm: jobs that may be queued or run at a time. Default: as many as there are.
        max_jobs: MaxJobs,
        /// Other values for kinds of stages.
        kinds: Kinds,
        /// A store that machines share: s3://bucket/prefix or a folder, or a mapping with url, mode and push. What is
        /// missing here is fetched from there, what is computed here is pushed. Default: none.
        remote: Remote,
    }
}

record! {
    /// Settings of the stages of one kind.
    Kind is "a mapping with keys such as timeout, retries, time, mem" {
        /// Device memory that such a stage needs. Default: all that there is.
        gpu_memory: Size,
        /// GPUs that share such a stage, if there are so many: 1, 2, 4 or 8. Only gradients can be shared. Default: 1.
        gpus: Gpus,
        /// Longest time of one attempt.
        timeout: Span,
        /// Further attempts after an engine died, hung or took too long.
        retries: Retries,
        /// Slurm: the partition.
        partition: SlurmWord,
        /// Slurm: the account that is charged.
        account: SlurmWord,
        /// Slurm: the quality of service.
        qos: SlurmWord,
        /// Slurm: generic resources, such as gpu:1.
        gres: SlurmWord,
        /// Slurm: the time limit of a job, such as 12h or 1-12:00:00. A stage that reaches it goes on from its progress.
        time: WallTime,
        /// Slurm: memory of a job, such as 64G. Raised by half, once, when it was too little.
        mem: Memory,
        /// Slurm: cores of a job.
        cpus: Cpus,
        /// Slurm: features that a node must have.
        constraint: SlurmWord,
        /// Slurm: nodes that are not used, or a list of them.
        exclude: List<SlurmWord>,
        /// Slurm: another option of sbatch, or a list of them, such as --nice=100.
        extra: List<SlurmOption>,
    }
}

record! {
    /// Settings by kind of stage.
    Kinds is "a mapping from kinds of stages" {
        /// Drawing calibration sets.
        calibrate: Kind,
        /// Uniform quantization.
        quantize: Kind,
        /// Sums of gradients.
        gradients: Kind,
        /// Ranking weights.
        saliency: Kind,
        /// Masks.
        select: Kind,
        /// Quantization with a mask.
        mixed_quantize: Kind,
        /// Tasks.
        evaluate: Kind,
        /// Commands of your own.
        command: Kind,
    }
}
