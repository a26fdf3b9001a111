//! How busy the machine is that serves: processors, memory, engines, GPUs.

use serde::Serialize;
use std::collections::BTreeMap;
use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use sysinfo::{ProcessRefreshKind, ProcessesToUpdate, System};

/// Time between two questions to the GPUs' driver.
const GPU_PACE: Duration = Duration::from_secs(2);
/// For an answer of the GPUs' driver.
const GPU_PATIENCE: Duration = Duration::from_secs(5);
/// Name of the engine's process.
const ENGINE: &str = "tacq-engine";

/// How busy a machine is.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(super) struct Devices {
    /// Per cent of all processors.
    pub cpu_percent: u32,
    pub cpus: usize,
    pub memory_bytes: u64,
    pub memory_total_bytes: u64,
    /// Engines that run here.
    pub engines: Vec<Engine>,
    pub gpus: Vec<Gpu>,
}

/// A process of the engine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Engine {
    pub pid: u32,
    /// Who started it.
    pub parent: Option<u32>,
    /// Per cent of one processor.
    pub cpu_percent: u32,
    pub memory_bytes: u64,
}

/// A GPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct Gpu {
    pub index: u32,
    pub name: String,
    pub percent: Option<u32>,
    pub memory_bytes: Option<u64>,
    pub memory_total_bytes: Option<u64>,
}

/// Looks now and then.
pub(super) struct Meter {
    system: System,
    gpus: Vec<Gpu>,
    asked: Option<Instant>,
    has_gpus: bool,
}

impl Meter {
    pub fn new() -> Self {
        Self { system: System::new(), gpus: Vec::new(), asked: None, has_gpus: true }
    }

    /// How busy the machine was since the last look.
    pub fn look(&mut self) -> Devices {
        let system = &mut self.system;
        system.refresh_cpu_usage();
        system.refresh_memory();
        let what = ProcessRefreshKind::nothing().with_cpu().with_memory();
        system.refresh_processes_specifics(ProcessesToUpdate::All, true, what);
        // Threads are listed among processes; an engine is counted once.
        let engines = system.processes().values().filter(|p| p.name() == ENGINE && p.thread_kind().is_none());
        let engines: BTreeMap<u32, Engine> = engines
            .map(|process| {
                let pid = process.pid().as_u32();
                let (cpu_percent, memory_bytes) = (process.cpu_usage().round() as u32, process.memory());
                (pid, Engine { pid, parent: process.parent().map(|p| p.as_u32()), cpu_percent, memory_bytes })
            })
            .collect();
        if self.has_gpus && self.asked.is_none_or(|asked| asked.elapsed() >= GPU_PACE) {
            self.asked = Some(Instant::now());
            match ask_gpus() {
                Some(gpus) => self.gpus = gpus,
                // Not asked again: a machine gets no GPU while this runs, and what was known is old.
                None => (self.has_gpus, self.gpus) = (false, Vec::new()),
            }
        }
        let system = &self.system;
        Devices {
            cpu_percent: system.global_cpu_usage().round() as u32,
            cpus: system.cpus().len(),
            memory_bytes: system.used_memory(),
            memory_total_bytes: system.total_memory(),
            engines: engines.into_values().collect(),
            gpus: self.gpus.clone(),
        }
    }
}

fn ask_gpus() -> Option<Vec<Gpu>> {
    let query = "--query-gpu=index,name,utilization.gpu,memory.used,memory.total";
    let mut command = Command::new("nvidia-smi");
    command.args([query, "--format=csv,noheader,nounits"]);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    Some(gpus(&said(command.spawn().ok()?)?))
}

/// What a program says that ends well, and soon: a driver that hangs must not hang us.
fn said(mut child: Child) -> Option<String> {
    let until = Instant::now() + GPU_PATIENCE;
    let status = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(20)),
            _ => {
                let _ = child.kill();
                let _ = child.wait();
                return None;
            }
        }
    };
    let mut text = String::new();
    child.stdout.take()?.read_to_string(&mut text).ok()?;
    status.success().then_some(text)
}

/// Lines of `index, name, percent, MiB, MiB`; what is not known is `[N/A]`.
fn gpus(text: &str) -> Vec<Gpu> {
    let line = |line: &str| {
        let [index, name, percent, used, total] =
            line.split(',').map(str::trim).collect::<Vec<_>>().try_into().ok()?;
        let bytes = |text: &str| text.parse::<u64>().ok().map(|mib| mib << 20);
        Some(Gpu {
            index: index.parse().ok()?,
            name: name.to_owned(),
            percent: percent.parse().ok(),
            memory_bytes: bytes(used),
            memory_total_bytes: bytes(total),
        })
    };
    text.lines().filter_map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_are_read_as_their_driver_lists_them() {
        let told = gpus(
            "0, NVIDIA H200, 37, 1024, 143771\n1, NVIDIA A100-SXM4-40GB MIG, [N/A], 3, 40960\nNo devices\n",
        );
        assert_eq!(told.len(), 2);
        assert_eq!((told[0].percent, told[0].memory_bytes), (Some(37), Some(1 << 30)));
        assert_eq!((told[1].index, told[1].percent), (1, None));
    }

    #[test]
    fn only_what_ends_well_is_heard() {
        let run = |script: &str| {
            let mut command = Command::new("sh");
            said(command.args(["-c", script]).stdout(Stdio::piped()).spawn().unwrap())
        };
        assert_eq!(run("echo 1").as_deref(), Some("1\n"));
        assert_eq!(run("echo 1; exit 3"), None);
    }

    #[test]
    fn a_machine_has_memory_and_processors() {
        let devices = Meter::new().look();
        assert!(devices.cpus > 0 && devices.memory_bytes > 0);
        assert!(devices.memory_bytes <= devices.memory_total_bytes);
    }
}
