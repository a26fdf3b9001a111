//! Devices, and libtorch settings that decide whether results repeat.

use std::sync::Once;
use tacq_protocol::units::{DType, Device as DeviceName};
use tch::{Cuda, Device, Kind};

/// The libtorch this is built on: tch's release is bound to one version and refuses to build with another.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// A device that was asked for and cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DeviceError {
    /// CUDA support or a driver is missing altogether.
    #[error(
        "{device} cannot be used: libtorch sees no CUDA device here; use device cpu, or install libtorch's CUDA \
         libraries and an NVIDIA driver"
    )]
    NoCuda {
        /// What was asked for.
        device: String,
    },
    /// There are devices, but not this one.
    #[error("{device} does not exist: this machine has cuda:0 to cuda:{}", count - 1)]
    NoSuchIndex {
        /// What was asked for.
        device: String,
        /// Devices seen, at least one.
        count: i64,
    },
}

/// The libtorch device of a request's device, checked to exist.
pub fn resolve(name: DeviceName) -> Result<Device, DeviceError> {
    match name {
        DeviceName::Cpu => Ok(Device::Cpu),
        DeviceName::Cuda(index) => {
            let count = cuda_devices();
            if i64::from(index) < count {
                Ok(Device::Cuda(index.into()))
            } else if count == 0 {
                Err(DeviceError::NoCuda { device: name.to_string() })
            } else {
                Err(DeviceError::NoSuchIndex { device: name.to_string(), count })
            }
        }
    }
}

/// CUDA devices that libtorch sees; 0 without its CUDA library.
pub fn cuda_devices() -> i64 {
    if Cuda::is_available() { Cuda::device_count() } else { 0 }
}

/// The libtorch number format of a stage's dtype.
pub fn kind(dtype: DType) -> Kind {
    match dtype {
        DType::F32 => Kind::Float,
        DType::Bf16 => Kind::BFloat16,
    }
}

/// Settings under which equal inputs give equal results on the same device.
///
/// f32 products on CUDA stay in full precision: libtorch's default, unless an environment variable says otherwise.
pub fn make_repeatable() {
    // SAFETY: called once at start, before any other thread exists that could read the environment.
    unsafe {
        std::env::remove_var("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE");
        std::env::set_var("NVIDIA_TF32_OVERRIDE", "0");
        // cuBLAS repeats its results bit by bit only with a fixed workspace.
        std::env::set_var("CUBLAS_WORKSPACE_CONFIG", ":4096:8");
    }
}

/// How many threads a request means; `None` is all cores.
pub fn thread_count(threads: Option<u32>) -> usize {
    let all = std::thread::available_parallelism().map_or(1, |n| n.get());
    threads.map_or(all, |n| (n as usize).clamp(1, 1024))
}

/// Sets the number of threads of libtorch and of rayon; `None` means all cores.
///
/// Rayon's pool is global and made once: later calls change libtorch's threads only.
pub fn set_threads(threads: Option<u32>) {
    let count = thread_count(threads);
    tch::set_num_threads(i32::try_from(count).unwrap_or(i32::MAX));
    static POOL: Once = Once::new();
    POOL.call_once(|| {
        // Fails only if a pool exists already, as under a test; then that one serves.
        let _ = rayon::ThreadPoolBuilder::new().num_threads(count).build_global();
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cuda_device_that_is_not_there_is_a_sentence() {
        let index = u16::try_from(cuda_devices()).unwrap() + 7;
        let error = resolve(DeviceName::Cuda(index)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cuda:{index} ")), "{error}");
        assert!(error.contains("no CUDA device here") || error.contains("does not exist"), "{error}");
        assert_eq!(resolve(DeviceName::Cpu).unwrap(), Device::Cpu);
    }
}
