//! The numbers of a contiguous f32 tensor on the CPU.

use tch::{Device, Kind, Tensor};

fn check(tensor: &Tensor) -> usize {
    assert!(
        tensor.kind() == Kind::Float && tensor.device() == Device::Cpu && tensor.is_contiguous(),
        "kernels work on contiguous f32 tensors on the CPU"
    );
    tensor.numel()
}

/// To read.
///
/// # Panics
/// If the tensor is not contiguous, not f32 or not on the CPU.
pub fn of(tensor: &Tensor) -> &[f32] {
    let len = check(tensor);
    if len == 0 {
        return &[];
    }
    // SAFETY: a contiguous tensor's storage has this many floats from its data pointer on, and lives as long as it.
    unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), len) }
}

/// To write. The tensor must share its storage with no other that is in use.
///
/// # Panics
/// As [`of`].
pub fn of_mut(tensor: &mut Tensor) -> &mut [f32] {
    let len = check(tensor);
    if len == 0 {
        return &mut [];
    }
    // SAFETY: as above; the exclusive borrow is of the only tensor with this storage, as callers promise.
    unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), len) }
}
