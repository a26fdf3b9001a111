//! CUDA at run time: the engine is linked against libtorch's CPU library only, and opens the CUDA library where
//! there is one, so that one binary serves both.

use std::ffi::{CStr, CString, c_int, c_void};
use std::path::{Path, PathBuf};

/// libtorch's CUDA library; opening it registers the CUDA kernels.
const LIBRARY: &str = "libtorch_cuda.so";

/// Opens libtorch's CUDA library: beside the loaded libtorch, else wherever the loader finds it.
///
/// Returns what went wrong if the library is there but cannot be opened; without it there is simply no CUDA.
pub fn open_library() -> Option<String> {
    let beside = folder_of_libtorch().map(|folder| folder.join(LIBRARY)).filter(|path| path.exists());
    let Some(path) = beside else {
        // An error here means most likely that it is not installed.
        let _ = open(Path::new(LIBRARY));
        return None;
    };
    let error = open(&path).err()?;
    Some(format!("CUDA cannot be used: {} does not open: {error}", path.display()))
}

/// Where the loaded libtorch_cpu.so lies.
fn folder_of_libtorch() -> Option<PathBuf> {
    let maps = std::fs::read_to_string("/proc/self/maps").ok()?;
    let line = maps.lines().find(|line| line.ends_with("/libtorch_cpu.so"))?;
    Path::new(&line[line.find('/')?..]).parent().map(Path::to_owned)
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

/// A function of the CUDA runtime, which is in the process because libtorch needs it.
fn runtime_function(name: &CStr) -> Option<*mut c_void> {
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
    let symbol = runtime_function(c"cudaGetDeviceProperties")
        .or_else(|| runtime_function(c"cudaGetDeviceProperties_v2"))?;
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
    let set = runtime_function(c"cudaSetDevice")?;
    let info = runtime_function(c"cudaMemGetInfo")?;
    let (mut free, mut total) = (0_usize, 0_usize);
    // SAFETY: the signatures are the CUDA runtime's; the two numbers outlive the call.
    unsafe {
        let set: unsafe extern "C" fn(c_int) -> c_int = std::mem::transmute(set);
        let info: unsafe extern "C" fn(*mut usize, *mut usize) -> c_int = std::mem::transmute(info);
        if set(index.into()) != 0 || info(&mut free, &mut total) != 0 {
            return None;
        }
    }
    Some(total.saturating_sub(free) as u64)
}
