//! Large copies between host and GPU through pinned memory.
//!
//! The driver copies pageable memory, such as a mapped file, by one thread at a tenth of what the bus does. Here several
//! threads bring it to a pinned buffer, from which the device takes it at the bus's speed.

use rayon::prelude::*;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tch::{Device, Kind, TchError, Tensor};

/// Bytes of the buffer.
const BUFFER_BYTES: usize = 64 << 20;
/// Bytes that one thread copies at a time.
const PART_BYTES: usize = 1 << 20;

/// u8 [`BUFFER_BYTES`] of pinned memory, made when first needed.
static BUFFER: Mutex<Option<Tensor>> = Mutex::new(None);

/// The buffer, while nobody else has it.
struct Buffer {
    guard: MutexGuard<'static, Option<Tensor>>,
}

impl Buffer {
    fn take(device: Device) -> Result<Self, TchError> {
        let mut guard = BUFFER.lock().unwrap_or_else(PoisonError::into_inner);
        if guard.is_none() {
            let pageable = Tensor::f_zeros([BUFFER_BYTES as i64], (Kind::Uint8, Device::Cpu))?;
            *guard = Some(pageable.f_pin_memory(device)?);
        }
        Ok(Self { guard })
    }

    fn tensor(&self, len: usize) -> Result<Tensor, TchError> {
        self.guard.as_ref().expect("made when taken").f_narrow(0, 0, len as i64)
    }

    fn bytes(&mut self) -> &mut [u8] {
        let tensor = self.guard.as_ref().expect("made when taken");
        // SAFETY: the tensor is BUFFER_BYTES long and this module's own; copies to and from a device have ended when
        // `f_copy_` returns.
        unsafe { std::slice::from_raw_parts_mut(tensor.data_ptr().cast(), BUFFER_BYTES) }
    }
}

/// Bytes as a tensor u8 \[n\] on a CUDA device.
pub fn upload(bytes: &[u8], device: Device) -> Result<Tensor, TchError> {
    upload_with(bytes.len(), device, |start, to| {
        to.copy_from_slice(&bytes[start..start + to.len()]);
        Ok(())
    })
}

/// `len` bytes that `read(start, to)` gives, several parts at a time, as a tensor u8 \[len\] on a CUDA device.
pub fn upload_with<E: From<TchError> + Send>(
    len: usize,
    device: Device,
    read: impl Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
) -> Result<Tensor, E> {
    let target = Tensor::f_empty([len as i64], (Kind::Uint8, device))?;
    let mut buffer = Buffer::take(device)?;
    for first in (0..len).step_by(BUFFER_BYTES) {
        let count = BUFFER_BYTES.min(len - first);
        let parts = buffer.bytes()[..count].par_chunks_mut(PART_BYTES).enumerate();
        parts.map(|(i, to)| read(first + i * PART_BYTES, to)).collect::<Result<(), E>>()?;
        target.f_narrow(0, first as i64, count as i64)?.f_copy_(&buffer.tensor(count)?)?;
    }
    Ok(target)
}

/// Hands over a tensor's bytes, row by row, in parts of the buffer's size.
pub fn download(
    tensor: &Tensor,
    take: &mut dyn FnMut(&[u8]) -> Result<(), TchError>,
) -> Result<(), TchError> {
    let bytes = tensor.f_contiguous()?.f_reshape([-1])?.f_view_dtype(Kind::Uint8)?;
    let mut buffer = Buffer::take(tensor.device())?;
    let total = bytes.numel();
    for start in (0..total).step_by(BUFFER_BYTES) {
        let len = BUFFER_BYTES.min(total - start);
        buffer.tensor(len)?.f_copy_(&bytes.f_narrow(0, start as i64, len as i64)?)?;
        take(&buffer.bytes()[..len])?;
    }
    Ok(())
}

/// A copy of a contiguous tensor in host memory.
pub fn to_host(tensor: &Tensor) -> Result<Tensor, TchError> {
    let host = Tensor::f_empty(tensor.size(), (tensor.kind(), Device::Cpu))?;
    let len = host.numel() * host.kind().elt_size_in_bytes();
    // SAFETY: the memory is the new tensor's own, `len` bytes of it; any bytes are numbers.
    let target: &mut [u8] = unsafe { std::slice::from_raw_parts_mut(host.data_ptr().cast(), len) };
    let mut rest = target;
    download(tensor, &mut |part| {
        let (next, after) = std::mem::take(&mut rest).split_at_mut(part.len());
        rest = after;
        let parts = next.par_chunks_mut(PART_BYTES).zip(part.par_chunks(PART_BYTES));
        parts.for_each(|(to, from)| to.copy_from_slice(from));
        Ok(())
    })?;
    Ok(host)
}

/// A copy of a contiguous tensor of the host on a CUDA device.
pub fn to_device(tensor: &Tensor, device: Device) -> Result<Tensor, TchError> {
    let len = tensor.numel() * tensor.kind().elt_size_in_bytes();
    // SAFETY: the tensor is contiguous and lives until the copy has ended.
    let bytes: &[u8] = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), len) };
    upload(bytes, device)?.f_view_dtype(tensor.kind())?.f_reshape(tensor.size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_come_back_as_they_went() {
        let Some(device) = crate::cuda::test_device() else { return };
        for len in [1, 1000, BUFFER_BYTES, 2 * BUFFER_BYTES + 12_345] {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 7 + i / 251) as u8).collect();
            let mut back = Vec::new();
            let mut take = |part: &[u8]| {
                back.extend_from_slice(part);
                Ok(())
            };
            download(&upload(&bytes, device).unwrap(), &mut take).unwrap();
            assert!(back == bytes, "{len}");
        }
    }
}
