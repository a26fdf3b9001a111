//! CUDA kernels of our own: compiled from source by NVRTC when first used on a device, launched on libtorch's stream
//! and memory.
//!
//! libtorch's stream is the device's default stream, which nothing here or in tch ever changes; its allocator hands
//! memory out again in the order of that stream, so that a tensor may be dropped while a kernel that reads it waits.
//! Kernels are compiled without fused multiply-add of the compiler's choosing: where one is meant, the source says so,
//! and results are those of the same operations on the host.

use super::context::{self, Current};
use cudarc::driver::{DriverError, result, sys};
use cudarc::nvrtc::{CompileError, CompileOptions, compile_ptx_with_opts};
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::{CString, c_void};
use std::sync::{Mutex, Once, PoisonError};
use tacq_protocol::FailureKind;
use tch::{Device, Tensor};

/// The beginning of a source that has numbers in 16 bit.
pub const BF16: &str = include_str!("bf16.cuh");

/// Shared memory that every block may use without asking.
const PLAIN_SHARED_BYTES: u32 = 48 << 10;

/// Why a kernel did not start.
#[derive(Debug, thiserror::Error)]
pub enum KernelError {
    /// The run-time compiler is not installed.
    #[error(
        "NVRTC, the run-time compiler of CUDA, is not beside libtorch's CUDA libraries; install nvidia-cuda-nvrtc"
    )]
    NoCompiler,
    /// A source does not compile.
    #[error("the CUDA source `{module}` does not compile: {log}")]
    Compile {
        /// Which one.
        module: &'static str,
        /// What the compiler says.
        log: String,
    },
    /// The driver refuses.
    #[error("CUDA's driver cannot {action} `{name}`: {source}")]
    Driver {
        /// What was to be done.
        action: &'static str,
        /// With what.
        name: String,
        /// What it says.
        source: DriverError,
    },
}

impl KernelError {
    /// The failure kind told to the driver.
    pub fn kind(&self) -> FailureKind {
        match self {
            KernelError::Driver { source, .. } if source.0 == sys::CUresult::CUDA_ERROR_OUT_OF_MEMORY => {
                FailureKind::OutOfMemory
            }
            _ => FailureKind::Device,
        }
    }
}

/// One source with its kernels, compiled once for each device.
pub struct Module {
    name: &'static str,
    source: fn() -> String,
    loaded: Mutex<BTreeMap<usize, Loaded>>,
}

/// A module on a device, which lives as long as the process.
struct Loaded {
    module: sys::CUmodule,
    functions: BTreeMap<&'static str, sys::CUfunction>,
}

// SAFETY: the handles are the driver's, which any thread may use.
unsafe impl Send for Loaded {}

/// How many threads run a kernel.
#[derive(Debug, Clone, Copy)]
pub struct Grid {
    /// Blocks.
    pub blocks: usize,
    /// Threads of a block.
    pub threads: u32,
    /// Bytes of shared memory of a block.
    pub shared_bytes: u32,
}

/// What a kernel is given.
#[derive(Debug, Clone, Copy)]
pub enum Argument<'a> {
    /// A pointer to a tensor's first element.
    Tensor(&'a Tensor),
    /// A null pointer.
    Nothing,
    /// `long long`
    Long(i64),
    /// `int`
    Int(i32),
    /// `float`
    Float(f32),
}

impl Module {
    /// A source that is compiled when first needed.
    pub const fn new(name: &'static str, source: fn() -> String) -> Self {
        Self { name, source, loaded: Mutex::new(BTreeMap::new()) }
    }

    /// Starts a kernel on a CUDA device.
    ///
    /// # Safety
    /// The arguments are of the number and types that the kernel declares, tensors are on that device, and the kernel
    /// stays inside of them.
    pub unsafe fn launch(
        &self,
        function: &'static str,
        device: Device,
        grid: Grid,
        arguments: &[Argument<'_>],
    ) -> Result<(), KernelError> {
        let Device::Cuda(index) = device else { panic!("kernels run on CUDA devices") };
        let mut all = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
        let loaded = match all.entry(index) {
            Entry::Occupied(loaded) => loaded.into_mut(),
            Entry::Vacant(place) => place.insert(self.load(index)?),
        };
        let fail = |action| move |source| KernelError::Driver { action, name: function.to_owned(), source };
        let _restored = Current::enter(index).map_err(fail("prepare the device for"))?;
        // SAFETY: the module is the driver's and never unloaded; what the kernel does is the caller's promise.
        unsafe {
            let kernel = match loaded.functions.get(function) {
                Some(kernel) => *kernel,
                None => {
                    let name = CString::new(function).expect("a name of a function");
                    let kernel = result::module::get_function(loaded.module, name).map_err(fail("find"))?;
                    loaded.functions.insert(function, kernel);
                    kernel
                }
            };
            if grid.shared_bytes > PLAIN_SHARED_BYTES {
                let attribute = sys::CUfunction_attribute::CU_FUNC_ATTRIBUTE_MAX_DYNAMIC_SHARED_SIZE_BYTES;
                let bytes = i32::try_from(grid.shared_bytes).unwrap_or(i32::MAX);
                result::function::set_function_attribute(kernel, attribute, bytes)
                    .map_err(fail("give shared memory to"))?;
            }
            let words: Vec<u64> = arguments.iter().map(Argument::word).collect();
            let mut pointers: Vec<*mut c_void> =
                words.iter().map(|word| std::ptr::from_ref(word).cast_mut().cast()).collect();
            let blocks = u32::try_from(grid.blocks).expect("a kernel has fewer than 2^32 blocks");
            let stream = result::stream::null();
            result::launch_kernel(
                kernel,
                (blocks, 1, 1),
                (grid.threads, 1, 1),
                grid.shared_bytes,
                stream,
                &mut pointers,
            )
            .map_err(fail("start"))
        }
    }

    /// Compiles the source for a device and loads it there.
    fn load(&self, index: usize) -> Result<Loaded, KernelError> {
        static COMPILER: Once = Once::new();
        COMPILER.call_once(super::open_compiler);
        // SAFETY: only looks whether the library opens.
        if !unsafe { cudarc::nvrtc::sys::is_culib_present() } {
            return Err(KernelError::NoCompiler);
        }
        let fail = |action| move |source| KernelError::Driver { action, name: self.name.to_owned(), source };
        let device = context::device(index).map_err(fail("find the device of"))?;
        let attribute = |which| {
            // SAFETY: the device is the driver's.
            unsafe { result::device::get_attribute(device, which) }.map_err(fail("ask the device of"))
        };
        use sys::CUdevice_attribute as Attribute;
        let major = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR)?;
        let minor = attribute(Attribute::CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MINOR)?;
        let options = CompileOptions {
            fmad: Some(false),
            options: vec![format!("--gpu-architecture=compute_{major}{minor}")],
            name: Some(self.name.to_owned()),
            ..CompileOptions::default()
        };
        let compiled = compile_ptx_with_opts((self.source)(), options)
            .map_err(|error| KernelError::Compile { module: self.name, log: told(&error) })?;
        let image = compiled.as_bytes().expect("a compiled source has an image");
        let _restored = Current::enter(index).map_err(fail("prepare the device for"))?;
        // SAFETY: the image is what the compiler made.
        let module = unsafe { result::module::load_data(image.as_ptr().cast()) }.map_err(fail("load"))?;
        Ok(Loaded { module, functions: BTreeMap::new() })
    }
}

/// Bytes of shared memory that a block may have on a CUDA device; what every device has if it does not say.
pub fn shared_bytes(device: Device) -> usize {
    let Device::Cuda(index) = device else { return 0 };
    let ask = || -> Result<i32, DriverError> {
        let device = context::device(index)?;
        let which = sys::CUdevice_attribute::CU_DEVICE_ATTRIBUTE_MAX_SHARED_MEMORY_PER_BLOCK_OPTIN;
        // SAFETY: the device is the driver's.
        unsafe { result::device::get_attribute(device, which) }
    };
    ask().map_or(PLAIN_SHARED_BYTES as usize, |bytes| usize::try_from(bytes).unwrap_or(0))
}

impl Argument<'_> {
    /// Its bytes, lowest first, as a kernel's parameter reads them.
    fn word(&self) -> u64 {
        match self {
            Argument::Tensor(tensor) => tensor.data_ptr() as u64,
            Argument::Nothing => 0,
            Argument::Long(value) => *value as u64,
            Argument::Int(value) => u64::from(*value as u32),
            Argument::Float(value) => u64::from(value.to_bits()),
        }
    }
}

/// A compiler's complaint in one line.
fn told(error: &CompileError) -> String {
    let text = match error {
        CompileError::CompileError { log, .. } => log.to_string_lossy().into_owned(),
        other => other.to_string(),
    };
    text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}
