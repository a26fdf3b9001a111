//! Everything that can go wrong at once: kills of drivers and engines, a full disk, damaged manifests and artifacts, a
//! wall clock that steps, two drivers on one store. After each round the sweep is finished in peace, and then the
//! tables are the same bytes as ever, nothing that was committed is lost, and nothing was committed twice.
//!
//! `TACQ_CHAOS_SECS` says how long (40 s by default; `make chaos` takes half an hour), `TACQ_CHAOS_SEED` which chaos.

use crate::aftermath::{artifacts, engines_of, kill, list, wait_for_engines};
use crate::sandbox::Sandbox;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tacq_testkit::random::Random;

/// Each kind of stage takes its time, so that faults meet it.
const TOLD: &str = "calibrate=wait:20;quantize=wait:30;gradients=wait:50;saliency=wait:20;select=wait:5;\
                    mixed_quantize=wait:30;evaluate=wait:20";

const INSIDE: &str = "TACQ_CHAOS_INSIDE";

/// What a sweep met.
#[derive(Debug, Default)]
struct Met {
    rounds: u32,
    runs: u32,
    drivers_killed: u32,
    engines_killed: u32,
    disks_filled: u32,
    manifests_damaged: u32,
    artifacts_truncated: u32,
    clock_steps: u32,
    pairs: u32,
}

#[test]
fn chaos_changes_no_table_and_loses_no_commit() {
    if std::env::var_os(INSIDE).is_some() {
        return survive();
    }
    // The full disk is a small file system in memory, mounted where only this test sees it.
    let exe = std::env::current_exe().unwrap();
    let test = "chaos::chaos_changes_no_table_and_loses_no_commit";
    let mut inside = Command::new("unshare");
    inside.args(["--user", "--map-root-user", "--mount"]).arg(&exe).args([test, "--exact", "--nocapture"]);
    let may_mount = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "mount", "-t", "tmpfs", "none", "/mnt"])
        .output()
        .is_ok_and(|output| output.status.success());
    if !may_mount {
        eprintln!("without a full disk: this machine lets nobody mount in a namespace");
        inside = Command::new(&exe);
        inside.args([test, "--exact", "--nocapture"]);
    }
    let ended = inside.env(INSIDE, if may_mount { "mount" } else { "plain" }).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout);
    assert!(ended.status.success(), "{said}\n{}", String::from_utf8_lossy(&ended.stderr));
    println!("{}", said.lines().find(|line| line.starts_with("Met")).unwrap_or_default());
}

fn number(variable: &str, default: u64) -> u64 {
    std::env::var(variable).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn survive() {
    let (secs, seed) = (number("TACQ_CHAOS_SECS", 40), number("TACQ_CHAOS_SEED", 5));
    let sandbox = Sandbox::new();
    let disk = sandbox.root.join("disk");
    fs::create_dir(&disk).unwrap();
    let has_disk = std::env::var(INSIDE).is_ok_and(|how| how == "mount");
    if has_disk {
        let mount = Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "none"]).arg(&disk).status();
        assert!(mount.unwrap().success());
    }
    let chaos = Chaos::new(sandbox, disk, has_disk);
    let mut random = Random::new(seed);
    let mut met = Met::default();
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(secs) {
        chaos.round(&mut random, &mut met);
    }
    println!("{met:?}");
    assert!(met.rounds > 2 && met.drivers_killed > 2, "{met:?}");
}

struct Chaos {
    sandbox: Sandbox,
    disk: PathBuf,
    has_disk: bool,
    shim: Option<PathBuf>,
    expected: Vec<(String, Vec<u8>)>,
    whole: Duration,
}

impl Chaos {
    fn new(sandbox: Sandbox, disk: PathBuf, has_disk: bool) -> Self {
        let shim = sandbox.root.join("clock.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/driver/clock.c");
        let built =
            Command::new("cc").args(["-shared", "-fPIC", "-O1", "-o"]).arg(&shim).arg(source).status();
        let shim = built.is_ok_and(|status| status.success()).then_some(shim);
        assert!(shim.is_some() || Command::new("cc").arg("--version").output().is_err(), "clock.c compiles");
        let mut chaos = Self { sandbox, disk, has_disk, shim, expected: Vec::new(), whole: Duration::ZERO };
        let started = Instant::now();
        chaos.finish();
        chaos.whole = started.elapsed();
        chaos.expected = chaos.sandbox.tables();
        chaos
    }

    fn store(&self) -> PathBuf {
        self.disk.join("store")
    }

    fn offset(&self) -> PathBuf {
        self.sandbox.root.join("offset")
    }

    fn command(&self) -> Command {
        let store = self.store().display().to_string();
        let mut command = self.sandbox.command_fake(&["run", "exp.yaml", "--store", &store], TOLD);
        command.stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        if let Some(shim) = &self.shim {
            command.env("LD_PRELOAD", shim).env("CLOCK_OFFSET", self.offset());
        }
        command
    }

    /// Runs in peace to the end.
    fn finish(&self) {
        let output = self.command().stderr(Stdio::piped()).output().unwrap();
        let code = output.status.code();
        assert_eq!(code, Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }

    fn round(&self, random: &mut Random, met: &mut Met) {
        met.rounds += 1;
        let _ = fs::remove_dir_all(self.store());
        let _ = fs::remove_dir_all(self.sandbox.root.join("results"));
        // Artifacts that were damaged on purpose may be committed again, once each time.
        let mut damaged: BTreeMap<String, u32> = BTreeMap::new();
        for _ in 0..=random.below(4) {
            let before = self.committed();
            self.disturbed_run(random, met);
            let after = self.committed();
            for (dir, inode) in &before {
                assert_eq!(after.get(dir), Some(inode), "{} was lost or made again", dir.display());
            }
            self.damage(random, met, &mut damaged);
        }
        self.finish();
        assert_eq!(self.sandbox.tables(), self.expected, "{met:?}");
        for (key, commits) in self.recorded_commits() {
            let allowed = 1 + damaged.get(&key).copied().unwrap_or(0);
            assert!(commits <= allowed, "{key} was committed {commits} times, not {allowed}");
        }
        for folder in ["locks", "staging", "progress"] {
            let left = list(&self.store().join("v1").join(folder));
            assert_eq!(left, Vec::<PathBuf>::new(), "nothing is left lying about");
        }
    }

    /// One or two drivers at once, and what happens to them.
    fn disturbed_run(&self, random: &mut Random, met: &mut Met) {
        let n = 1 + random.below(2);
        met.pairs += u32::from(n == 2);
        let mut drivers: Vec<Child> = (0..n).map(|_| self.command().spawn().unwrap()).collect();
        met.runs += n as u32;
        let ballast = self.disk.join("ballast");
        for _ in 0..=random.below(3) {
            std::thread::sleep(self.whole.mul_f64(random.below(600) as f64 / 1000.0));
            match random.below(6) {
                0 if self.has_disk => {
                    met.disks_filled += 1;
                    // As much as fits; some of it is given back so that the disk is full only for some.
                    let _ = fs::write(&ballast, vec![1_u8; 24 << 20]);
                    if let Ok(file) = fs::OpenOptions::new().write(true).open(&ballast) {
                        let size = file.metadata().unwrap().len();
                        let _ = file.set_len(size.saturating_sub(random.below(48) as u64 * 1024));
                    }
                }
                1 if self.shim.is_some() => {
                    met.clock_steps += 1;
                    let step = random.below(200_000) as i64 - 100_000;
                    fs::write(self.offset(), step.to_string()).unwrap();
                }
                2 => {
                    let driver = &drivers[random.below(drivers.len())];
                    for pid in engines_of(driver.id()) {
                        met.engines_killed += 1;
                        kill(pid);
                    }
                }
                _ => {
                    let driver = &mut drivers[random.below(n)];
                    if driver.try_wait().unwrap().is_none() {
                        met.drivers_killed += 1;
                        let engines = engines_of(driver.id());
                        driver.kill().unwrap();
                        if random.below(2) == 0 {
                            engines.into_iter().for_each(kill);
                        }
                    }
                }
            }
        }
        for driver in &mut drivers {
            let status = driver.wait().unwrap();
            let code = status.code();
            // Killed, done, failed stages (an engine that was killed too often), or no room on the disk.
            assert!(matches!(code, None | Some(0 | 1 | 4)), "{status}");
        }
        let _ = fs::remove_file(&ballast);
        wait_for_engines("tacq-fake-engine", &self.sandbox.root);
    }

    /// Breaks a manifest or cuts a file of something that was committed.
    fn damage(&self, random: &mut Random, met: &mut Met, damaged: &mut BTreeMap<String, u32>) {
        let committed: Vec<PathBuf> = self.committed().into_keys().collect();
        if committed.is_empty() || random.below(2) == 0 {
            return;
        }
        let dir = &committed[random.below(committed.len())];
        let key = dir.file_name().unwrap().to_string_lossy().into_owned();
        if random.below(2) == 0 {
            met.manifests_damaged += 1;
            let manifest = dir.join("manifest.json");
            let bytes = fs::read(&manifest).unwrap();
            let cut = [&b""[..], &bytes[..bytes.len() / 2], b"{}", b"\xff\xfe"][random.below(4)];
            fs::write(&manifest, cut).unwrap();
        } else {
            let files: Vec<PathBuf> = list(dir)
                .into_iter()
                .filter(|path| !path.ends_with("manifest.json") && fs::metadata(path).unwrap().len() > 0)
                .collect();
            let Some(file) = files.first() else { return };
            met.artifacts_truncated += 1;
            let bytes = fs::read(file).unwrap();
            fs::write(file, &bytes[..bytes.len() - 1]).unwrap();
        }
        *damaged.entry(key).or_default() += 1;
    }

    /// Artifacts that are whole, by folder and inode.
    fn committed(&self) -> BTreeMap<PathBuf, u64> {
        artifacts(&self.store()).into_iter().filter(|(dir, _)| is_whole(dir)).collect()
    }

    /// How often each key was committed, as the runs' records say.
    fn recorded_commits(&self) -> BTreeMap<String, u32> {
        let mut commits = BTreeMap::new();
        for run in list(&self.store().join("v1/runs")) {
            let text = fs::read_to_string(run.join("stages.jsonl")).unwrap_or_default();
            for line in text.lines() {
                let Ok(record) = serde_json::from_str::<serde_json::Value>(line) else { continue };
                if record.get("failure").is_none() {
                    *commits.entry(record["key"].as_str().unwrap().to_owned()).or_default() += 1;
                }
            }
        }
        commits
    }
}

/// Whether a manifest can be read and all its files have the size that it says.
fn is_whole(dir: &Path) -> bool {
    let Ok(bytes) = fs::read(dir.join("manifest.json")) else { return false };
    let Ok(manifest) = serde_json::from_slice::<serde_json::Value>(&bytes) else { return false };
    let Some(files) = manifest["files"].as_array() else { return false };
    files.iter().all(|file| {
        let path = dir.join(file["path"].as_str().unwrap());
        fs::metadata(path).is_ok_and(|found| Some(found.len()) == file["bytes"].as_u64())
    })
}
