//! The driver's view of the devices that libtorch uses.

use cudarc::driver::{DriverError, result, sys};
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

/// A context's handle, which any thread may use.
struct Primary(sys::CUcontext);

// SAFETY: the handle is the driver's; what is done with it is the driver's to order.
unsafe impl Send for Primary {}

static PRIMARY: Mutex<BTreeMap<usize, Primary>> = Mutex::new(BTreeMap::new());

/// The context of a device that libtorch uses too; retained for good.
fn primary(index: usize) -> Result<sys::CUcontext, DriverError> {
    let mut all = PRIMARY.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(context) = all.get(&index) {
        return Ok(context.0);
    }
    let device = device(index)?;
    // SAFETY: the device is the driver's.
    let context = unsafe { result::primary_ctx::retain(device)? };
    all.insert(index, Primary(context));
    Ok(context)
}

/// The driver's handle of a device.
pub fn device(index: usize) -> Result<sys::CUdevice, DriverError> {
    result::init()?;
    result::device::get(i32::try_from(index).unwrap_or(i32::MAX))
}

/// The thread's context while that of a device is needed; it comes back when this is dropped.
pub struct Current {
    before: Option<sys::CUcontext>,
}

impl Current {
    /// Makes a device's context that of this thread.
    pub fn enter(index: usize) -> Result<Self, DriverError> {
        let context = primary(index)?;
        let before = result::ctx::get_current()?;
        // SAFETY: the context is never released.
        unsafe { result::ctx::set_current(context)? };
        Ok(Self { before })
    }
}

impl Drop for Current {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // SAFETY: it was this thread's a moment ago. If it is none any more, the next call says so.
            let _ = unsafe { result::ctx::set_current(before) };
        }
    }
}
