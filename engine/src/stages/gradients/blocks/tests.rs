//! Sums block by block beside those sequence by sequence; stopped, resumed, and on a GPU.

use super::*;
use crate::model::cache::ModelCache;
use crate::stages::{Sink, gradients};
use std::sync::atomic::{AtomicUsize, Ordering};
use tacq_protocol::{Event, Request};

/// Asks the stage to stop after some progress events.
struct Listener {
    events: AtomicUsize,
}

impl Sink for Listener {
    fn send(&self, _: &Event) {}

    fn is_stopping(&self) -> bool {
        self.events.fetch_sub(1, Ordering::Relaxed) <= 1
    }
}

struct Setting {
    folder: tempfile::TempDir,
    dtype: &'static str,
    /// Devices, all of them the same.
    devices: usize,
}

impl Setting {
    fn new(dtype: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let ids = |n: i32, seed: i32| (0..n).map(|i| (i * i + seed * 37) % 260).collect::<Vec<i32>>();
        // More than leaves of the tree, and not of one length.
        let all: Vec<_> =
            [40, 17, 33, 40, 5, 9, 40, 2, 21, 13].into_iter().zip(1..).map(|(n, i)| ids(n, i)).collect();
        std::fs::create_dir(folder.path().join("set")).unwrap();
        Sequences::new(all.iter().map(Vec::as_slice)).write(&folder.path().join("set")).unwrap();
        Self { folder, dtype, devices: 1 }
    }

    fn request(&self, model: &str, device: Device) -> Request {
        let path = |name: &str| self.folder.path().join(name);
        std::fs::create_dir_all(path("output")).unwrap();
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(model);
        // Real ones, as far as there are so many.
        let name = |nth: usize| match device.is_cuda() {
            true => format!("cuda:{}", nth % device::cuda_devices() as usize),
            false => "cpu".to_owned(),
        };
        let more: Vec<String> = (1..self.devices).map(name).collect();
        serde_json::from_value(serde_json::json!({
            "id": 1,
            "stage": {"kind": "gradients", "params": {"reduction": "abs", "dtype": self.dtype}},
            "inputs": {"model": fixture, "calibration": path("set")},
            "output": path("output"), "progress": path("progress"),
            "run": {
                "device": name(0), "more_devices": more, "threads": 1, "checkpoint_secs": 0,
            }
        }))
        .unwrap()
    }

    /// Removes the growing file of an interrupted run.
    fn lose_partial(&self) {
        let path = self.folder.path().join("progress").join(PARTIAL_FILE);
        std::fs::remove_file(path).unwrap();
    }

    /// Runs the stage until it has looked so often whether it is to stop; the artifact's bytes if it ended.
    fn run(&self, model: &str, device: Device, room: usize, looks: usize) -> Option<Vec<u8>> {
        let request = self.request(model, device);
        let (sink, mut models) = (Listener { events: AtomicUsize::new(looks) }, ModelCache::default());
        let mut context = Context::new(&request, &sink, &mut models).unwrap();
        let tacq_protocol::StageParams::Gradients(params) = &request.stage else { unreachable!() };
        let _no_grad = tch::no_grad_guard();
        match run(params, Some(room), &mut context) {
            Ok(()) => Some(std::fs::read(request.output.join(file::GRADIENTS)).unwrap()),
            Err(crate::Error::Stage(StageError::Stopped)) => None,
            Err(error) => panic!("{error}"),
        }
    }

    /// The artifact of sequences one after the other.
    fn by_sequences(&self, model: &str) -> Vec<u8> {
        let request = self.request(model, Device::Cpu);
        let (sink, mut models) = (Listener { events: AtomicUsize::new(usize::MAX) }, ModelCache::default());
        let mut context = Context::new(&request, &sink, &mut models).unwrap();
        let tacq_protocol::StageParams::Gradients(params) = &request.stage else { unreachable!() };
        let _no_grad = tch::no_grad_guard();
        gradients::run(params, &mut context).unwrap();
        std::fs::read(request.output.join(file::GRADIENTS)).unwrap()
    }
}

/// The numbers of an artifact.
fn floats(bytes: &[u8]) -> Vec<f32> {
    let header = 8 + u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    bytes[header..].as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

/// ‖a − b‖ / ‖b‖
fn distance(a: &[f32], b: &[f32]) -> f64 {
    let norm = |x: &mut dyn Iterator<Item = f64>| x.map(|x| x.powi(2)).sum::<f64>().sqrt();
    let pairs = a.iter().zip(b);
    norm(&mut pairs.map(|(a, b)| f64::from(*a) - f64::from(*b))) / norm(&mut b.iter().map(|b| f64::from(*b)))
}

#[test]
fn sums_are_those_of_sequences_one_after_the_other() {
    for model in ["llama", "qwen2"] {
        let found = floats(&Setting::new("f32").run(model, Device::Cpu, 0, usize::MAX).unwrap());
        // The same terms, added in another order.
        let off = distance(&found, &floats(&Setting::new("f32").by_sequences(model)));
        assert!(off < 1e-6, "{model}: {off}");
    }
}

#[test]
fn sums_have_the_same_bits_on_any_number_of_devices() {
    let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
    let run = |devices: usize| {
        let setting = Setting { devices, ..Setting::new("f32") };
        setting.run("llama", device, usize::MAX, usize::MAX).unwrap()
    };
    let expected = run(1);
    // Three are as good as two.
    for devices in [2, 3, 4, 8] {
        assert!(run(devices) == expected, "{devices}");
    }
}

#[test]
fn another_number_of_devices_goes_on_where_one_was_stopped() {
    let expected = Setting::new("f32").run("llama", Device::Cpu, 0, usize::MAX).unwrap();
    let setting = Setting::new("f32");
    let stopped = (1..60).find(|&looks| {
        assert!(
            setting.run("llama", Device::Cpu, 0, looks).is_none(),
            "the stage ended before it kept progress"
        );
        setting.folder.path().join("progress").join(PROGRESS_FILE).exists()
    });
    assert!(stopped.is_some());
    let setting = Setting { devices: 4, ..setting };
    assert!(setting.run("llama", Device::Cpu, 0, usize::MAX).unwrap() == expected);
}

#[test]
fn a_stage_that_is_stopped_anywhere_goes_on_to_the_same_bytes() {
    let expected = Setting::new("f32").run("llama", Device::Cpu, 0, usize::MAX).unwrap();
    for looks in 1..40 {
        let setting = Setting::new("f32");
        let mut stops = 0;
        let found = loop {
            // Each attempt is allowed one look more than the last, so that it gets on.
            match setting.run("llama", Device::Cpu, 0, looks + stops) {
                Some(found) => break found,
                None => stops += 1,
            }
        };
        assert!(found == expected, "stopped {stops} times, first after {looks} looks");
    }
}

#[test]
fn progress_without_its_sums_is_forgotten() {
    let expected = Setting::new("f32").run("llama", Device::Cpu, 0, usize::MAX).unwrap();
    let setting = Setting::new("f32");
    let stopped = (1..60).find(|&looks| {
        let ended = setting.run("llama", Device::Cpu, 0, looks).is_some();
        assert!(!ended, "the stage ended before it kept progress");
        setting.folder.path().join("progress").join(PROGRESS_FILE).exists()
    });
    assert!(stopped.is_some());
    setting.lose_partial();
    // Begins a new file, and is interrupted before it keeps anything.
    assert_eq!(setting.run("llama", Device::Cpu, 0, 1), None);
    assert!(setting.run("llama", Device::Cpu, 0, usize::MAX).unwrap() == expected);
}

#[test]
fn states_on_the_host_change_no_bit_on_a_gpu() {
    let Some(device) = crate::cuda::test_device() else { return };
    for dtype in ["f32", "bf16"] {
        let there = Setting::new(dtype).run("llama", device, usize::MAX, usize::MAX).unwrap();
        let here = Setting::new(dtype).run("llama", device, 0, usize::MAX).unwrap();
        assert!(there == here, "{dtype}");
    }
}

#[test]
fn sums_on_a_gpu_are_close_to_those_of_the_host() {
    let Some(device) = crate::cuda::test_device() else { return };
    let expected = floats(&Setting::new("f32").by_sequences("llama"));
    for (dtype, tolerance) in [("f32", 1e-4), ("tf32", 1e-2), ("bf16", 5e-2)] {
        device::allow_tf32(dtype == "tf32");
        let found = floats(&Setting::new(dtype).run("llama", device, usize::MAX, usize::MAX).unwrap());
        let off = distance(&found, &expected);
        device::allow_tf32(false);
        assert!(off < tolerance, "{dtype}: {off}");
    }
}
