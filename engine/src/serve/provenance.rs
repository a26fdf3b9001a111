//! Facts about this process for the manifest.

use crate::{cuda, device};
use tacq_protocol::event::Provenance;
use tacq_protocol::units::Device;

/// Everything but the time and whether it was resumed.
pub fn of_process(name: Device) -> Provenance {
    let (device, device_peak_bytes) = match name {
        Device::Cpu => (cpu(), 0),
        Device::Cuda(index) => (
            format!("{name} ({})", cuda::device_name(index).unwrap_or_else(|| "unknown".to_owned())),
            cuda::used_bytes(index).unwrap_or(0),
        ),
    };
    Provenance {
        engine: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: device::LIBTORCH_VERSION.to_owned(),
        device,
        wall_secs: 0.0,
        peak_bytes: peak_bytes(),
        device_peak_bytes,
        resumed: false,
    }
}

/// Such as `cpu (AMD EPYC, 2 threads)`.
fn cpu() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find(|l| l.starts_with("model name")).and_then(|l| l.split_once(':'));
    let model = model.map_or("unknown processor", |(_, name)| name.trim());
    format!("cpu ({model}, {} threads)", tch::get_num_threads())
}

/// Largest resident set so far.
fn peak_bytes() -> u64 {
    // SAFETY: rusage is plain numbers, for which all zeros is a value; getrusage only writes into it.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    // Linux counts in KiB.
    u64::try_from(usage.ru_maxrss).unwrap_or(0) * 1024
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_and_processor_are_known() {
        let facts = of_process(Device::Cpu);
        assert!(facts.peak_bytes > 1 << 20);
        assert!(facts.device.starts_with("cpu (") && facts.device.ends_with(" threads)"), "{}", facts.device);
    }
}
