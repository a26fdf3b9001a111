//! CUDA at run time: the engine is linked against libtorch's CPU library only, and opens the CUDA library where
//! there is one, so that one binary serves both.

mod context;
pub mod kernel;
mod lane;
mod pace;
pub mod staging;

pub use pace::Pace;

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};

/// libtorch's CUDA library; opening it registers the CUDA kernels.
const LIBRARY: &str = "libtorch_cuda.so";

/// Opens libtorch's CUDA library: beside the loaded libtorch, else wherever the loader finds it.
///
/// Returns what went wrong if the library is there but cannot be opened; without it there is simply no CUDA.
pub fn open_library() -> Option<String> {
    let beside =
        folder_of("/libtorch_cpu.so").map(|folder| folder.join(LIBRARY)).filter(|path| path.exists());
    let Some(path) = beside else {
        // An error here means most likely that it is not installed.
        let _ = open(Path::new(LIBRARY));
        return None;
    };
    let error = open(&path).err()?;
    Some(format!("CUDA cannot be used: {} does not open: {error}", path.display()))
}

/// A GPU to test on. Every test of this crate asks here before libtorch is asked for devices: what it says first, it says
/// for good.
#[cfg(test)]
pub fn test_device() -> Option<tch::Device> {
    static OPEN: std::sync::Once = std::sync::Once::new();
    OPEN.call_once(|| _ = open_library());
    let device = tch::Device::cuda_if_available();
    if !device.is_cuda() {
        eprintln!("skipped: there is no CUDA device");
    }
    device.is_cuda().then_some(device)
}

/// Where a loaded library lies; `part` is its name, or how that begins, after a slash.
fn folder_of(part: &str) -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let path = maps.lines().filter_map(|line| line.find('/').map(|at| &line[at..]));
    let path =
        path.into_iter().find(|path| path.rfind('/').is_some_and(|at| path[at..].starts_with(part)))?;
    Path::new(path).parent().map(Path::to_owned)
}

/// Opens the compiler of the CUDA that libtorch runs on, which lies beside its cuBLAS; without it, whatever the loader
/// finds is used.
fn open_compiler() {
    let Some(folder) = folder_of("/libcublas.so") else { return };
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    let mut names: Vec<PathBuf> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    names.retain(|path| {
        path.file_name().and_then(|name| name.to_str()).is_some_and(|name| name.starts_with("libnvrtc.so"))
    });
    names.sort();
    // Once open, it is found by its name alone.
    let _ = names.iter().any(|path| open(path).is_ok());
}

/// Opens a library for good, its symbols visible to all.
fn open(path: &Path) -> Result<(), String> {
    let name = CString::new(path.to_string_lossy().as_bytes()).map_err(|e| e.to_string())?;
    // SAFETY: the name is a C string; the library's constructors register kernels with the loaded libtorch and
    // are made to be run this way. dlerror's text is copied before anything else may overwrite it.
    unsafe {
        if libc::dlopen(name.as_ptr(), libc::RTLD_NOW | libc::RTLD_GLOBAL).is_null() {
            let error = libc::dlerror();
            let text = if error.is_null() { c"unknown" } else { CStr::from_ptr(error) };
            return Err(text.to_string_lossy().into_owned());
        }
    }
    Ok(())
}

/// A function of a library that is in the process, such as the CUDA runtime, which libtorch needs.
pub fn function(name: &CStr) -> Option<*mut c_void> {
    // SAFETY: looks up a symbol by a C string; a null result is handled.
    let symbol = unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr()) };
    (!symbol.is_null()).then_some(symbol)
}

/// The product name of a CUDA device.
pub fn device_name(index: u16) -> Option<String> {
    // cudaDeviceProp starts with `char name[256]` in every version; its size differs, so the room is generous.
    #[repr(align(16))]
    struct Properties([u8; 16 * 1024]);
    let mut properties = Box::new(Properties([0; 16 * 1024]));
    let symbol = function(c"cudaGetDeviceProperties").or_else(|| function(c"cudaGetDeviceProperties_v2"))?;
    // SAFETY: the signature is the CUDA runtime's; the structure it fills is smaller than the room given.
    unsafe {
        let get: unsafe extern "C" fn(*mut c_void, c_int) -> c_int = std::mem::transmute(symbol);
        if get(properties.0.as_mut_ptr().cast(), index.into()) != 0 {
            return None;
        }
    }
    let name = CStr::from_bytes_until_nul(&properties.0[..256]).ok()?;
    Some(name.to_string_lossy().into_owned())
}

/// Memory in use on a CUDA device, by all processes. libtorch keeps what it once took, so at a request's end this
/// is the most that the request needed.
pub fn used_bytes(index: u16) -> Option<u64> {
    let (free, total) = memory(index)?;
    Some(total.saturating_sub(free))
}

/// Free and all bytes of a CUDA device's memory. What libtorch holds for later use is not free.
pub fn memory(index: u16) -> Option<(u64, u64)> {
    let set = function(c"cudaSetDevice")?;
    let info = function(c"cudaMemGetInfo")?;
    let (mut free, mut total) = (0_usize, 0_usize);
    // SAFETY: the signatures are the CUDA runtime's; the two numbers outlive the call.
    unsafe {
        let set: unsafe extern "C" fn(c_int) -> c_int = std::mem::transmute(set);
        let info: unsafe extern "C" fn(*mut usize, *mut usize) -> c_int = std::mem::transmute(info);
        if set(index.into()) != 0 || info(&mut free, &mut total) != 0 {
            return None;
        }
    }
    Some((free as u64, total as u64))
}
