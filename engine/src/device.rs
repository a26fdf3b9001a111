//! Devices, and libtorch settings that decide whether results repeat.

use crate::cuda;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_void};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, Once, PoisonError};
use tacq_protocol::units::{DType, Device as DeviceName};
use tch::{Cuda, Device, Kind, TchError, Tensor};

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
        DType::F32 | DType::Tf32 => Kind::Float,
        DType::Bf16 => Kind::BFloat16,
    }
}

/// What is known of each CUDA device's memory. It is asked for once: asking takes longer than a token of a small model.
static MEMORY: Mutex<BTreeMap<usize, Memory>> = Mutex::new(BTreeMap::new());

/// Bytes of a device: all, those in use when this process first looked, and what it may use itself.
#[derive(Debug, Clone, Copy)]
struct Memory {
    total: u64,
    used_at_start: u64,
    limit: u64,
}

impl Memory {
    /// The memory of a device as it is now, without a limit.
    fn look(index: usize) -> Self {
        let (free, total) = cuda::memory(cuda_index(index)).unwrap_or((0, 0));
        Self { total, used_at_start: total.saturating_sub(free), limit: u64::MAX }
    }

    /// Runs `f` with what is known of a device.
    fn of<T>(index: usize, f: impl FnOnce(&mut Self) -> T) -> T {
        let mut all = MEMORY.lock().unwrap_or_else(PoisonError::into_inner);
        f(all.entry(index).or_insert_with(|| Self::look(index)))
    }
}

/// Lets [`budget_bytes`] of a CUDA device be so many at most; all of it when absent.
pub fn limit_memory(device: Device, limit: Option<u64>) {
    if let Device::Cuda(index) = device {
        Memory::of(index, |memory| memory.limit = limit.unwrap_or(u64::MAX));
    }
}

/// Bytes of a CUDA device that this process may hold in all. What is free says less: libtorch keeps what it once took, and
/// gives it back when something else does not fit.
pub fn budget_bytes(index: usize) -> usize {
    let bytes = Memory::of(index, |memory| match memory.limit {
        u64::MAX => memory.total - memory.used_at_start,
        // What is declared is ours, whatever others held when this process began.
        limit => memory.total.min(limit),
    });
    usize::try_from(bytes).unwrap_or(usize::MAX)
}

fn cuda_index(index: usize) -> u16 {
    u16::try_from(index).unwrap_or(u16::MAX)
}

/// Waits until a device has done what was asked of it.
pub fn wait(device: Device) {
    if let Device::Cuda(index) = device {
        Cuda::synchronize(index as i64);
    }
}

/// A few numbers on a device, i64 \[n\]. What it computes is not waited for: the driver takes them from pageable memory
/// before the call returns.
pub fn place(values: &[i64], device: Device) -> Result<Tensor, TchError> {
    Tensor::f_from_slice(values)?.f_to_device_(device, Kind::Int64, true, false)
}

/// What [`allow_tf32`] said last.
static TF32: AtomicBool = AtomicBool::new(false);

/// Runs `f` with exact f32 products, whatever is allowed around it.
pub fn with_full_precision<T>(f: impl FnOnce() -> T) -> T {
    let allowed = TF32.load(Ordering::Relaxed);
    let _restored = AtEnd(|| allow_tf32(allowed));
    allow_tf32(false);
    f()
}

/// Runs a closure when dropped, also when what comes before panics.
struct AtEnd<F: Fn()>(F);

impl<F: Fn()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        (self.0)();
    }
}

/// Whether f32 products on CUDA may round their factors to tf32 (10 bits of fraction), for the whole process.
pub fn allow_tf32(allowed: bool) {
    if TF32.swap(allowed, Ordering::Relaxed) == allowed {
        return;
    }
    let (context, set) = context_method(c"_ZN2at7Context18setAllowTF32CuBLASEb");
    // SAFETY: the signature is that of at::Context::setAllowTF32CuBLAS(bool).
    unsafe {
        let set: extern "C" fn(*mut c_void, bool) = std::mem::transmute(set);
        set(context, allowed);
    }
}

/// Runs `f` with kernels that give the same bits each time, where libtorch has faster ones that do not.
///
/// The setting is the whole process's: it holds until the last thread that wants it has ended `f`.
pub fn with_repeatable_kernels<T>(f: impl FnOnce() -> T) -> T {
    static USERS: Mutex<usize> = Mutex::new(0);
    let count = || USERS.lock().unwrap_or_else(PoisonError::into_inner);
    let _restored = AtEnd(|| {
        let mut users = count();
        *users -= 1;
        if *users == 0 {
            set_repeatable_kernels(false);
        }
    });
    {
        let mut users = count();
        *users += 1;
        if *users == 1 {
            set_repeatable_kernels(true);
        }
    }
    f()
}

fn set_repeatable_kernels(on: bool) {
    let (context, set) = context_method(c"_ZN2at7Context26setDeterministicAlgorithmsEbb");
    // SAFETY: the signature is that of at::Context::setDeterministicAlgorithms(bool, bool warn_only).
    unsafe {
        let set: extern "C" fn(*mut c_void, bool, bool) = std::mem::transmute(set);
        set(context, on, false);
    }
}

/// Runs `f` with attention kernels that take any shape as it comes. cuDNN's, which libtorch prefers, are planned anew for
/// each shape, which takes some ten milliseconds.
pub fn with_unplanned_attention<T>(f: impl FnOnce() -> T) -> T {
    let _restored = AtEnd(|| set_cudnn_attention(true));
    set_cudnn_attention(false);
    f()
}

fn set_cudnn_attention(on: bool) {
    let (context, set) = context_method(c"_ZN2at7Context14setSDPUseCuDNNEb");
    // SAFETY: the signature is that of at::Context::setSDPUseCuDNN(bool).
    unsafe {
        let set: extern "C" fn(*mut c_void, bool) = std::mem::transmute(set);
        set(context, on);
    }
}

/// libtorch's only context, and a method of it by its C++ name: tch has none of them, and is bound to one libtorch.
fn context_method(name: &CStr) -> (*mut c_void, *mut c_void) {
    let context = cuda::function(c"_ZN2at13globalContextEv");
    let (Some(context), Some(method)) = (context, cuda::function(name)) else {
        panic!("libtorch {LIBTORCH_VERSION} has {}", name.to_string_lossy())
    };
    // SAFETY: the signature is that of at::globalContext(), which gives a reference.
    let context: extern "C" fn() -> *mut c_void = unsafe { std::mem::transmute(context) };
    (context(), method)
}

/// Settings under which equal inputs give equal results on the same device.
///
/// Whether f32 products on CUDA are exact is each stage's own matter ([`allow_tf32`]), not the environment's.
pub fn make_repeatable() {
    // SAFETY: called once at start, before any other thread exists that could read the environment.
    unsafe {
        std::env::remove_var("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE");
        std::env::remove_var("NVIDIA_TF32_OVERRIDE");
        // Memory in pieces that grow, so that tensors of many sizes leave no gaps that nothing fits.
        if std::env::var_os("PYTORCH_ALLOC_CONF").is_none()
            && std::env::var_os("PYTORCH_CUDA_ALLOC_CONF").is_none()
        {
            std::env::set_var("PYTORCH_ALLOC_CONF", "expandable_segments:True");
        }
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
        let _ = cuda::test_device();
        let index = u16::try_from(cuda_devices()).unwrap() + 7;
        let error = resolve(DeviceName::Cuda(index)).unwrap_err().to_string();
        assert!(error.starts_with(&format!("cuda:{index} ")), "{error}");
        assert!(error.contains("no CUDA device here") || error.contains("does not exist"), "{error}");
        assert_eq!(resolve(DeviceName::Cpu).unwrap(), Device::Cpu);
    }
}
