//! Large copies between host and GPU through pinned memory.
//!
//! The driver copies pageable memory, such as a mapped file, by one thread at a tenth of what the bus does. Here several
//! threads bring it to a pinned buffer, from which the device takes it at the bus's speed while the next one is filled;
//! and neither way waits for what the device computes meanwhile.

use super::lane::{BUFFER_BYTES, Direction, Event, Lane};
use cudarc::driver::DriverError;
use rayon::prelude::*;
use tch::{Device, Kind, TchError, Tensor};

/// Bytes that one thread copies at a time.
const PART_BYTES: usize = 1 << 20;

/// Bytes as a tensor u8 \[n\] on a CUDA device.
pub fn upload(bytes: &[u8], device: Device) -> Result<Tensor, TchError> {
    upload_with(bytes.len(), device, |start, to| {
        to.copy_from_slice(&bytes[start..start + to.len()]);
        Ok(())
    })
}

/// `len` bytes that `read(start, to)` gives, several parts at a time, as a tensor u8 \[len\] on a CUDA device. Parts start
/// at multiples of 2²⁰.
pub fn upload_with<E: From<TchError> + Send>(
    len: usize,
    device: Device,
    read: impl Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
) -> Result<Tensor, E> {
    let target = Tensor::f_empty([len as i64], (Kind::Uint8, device))?;
    if len == 0 {
        return Ok(target);
    }
    let mut lane = Lane::take(index(device), Direction::Up).map_err(told)?;
    // Until then the memory may be in use by whoever had it before.
    Event::of_device(index(device)).and_then(|free| lane.after(&free)).map_err(told)?;
    let to = target.data_ptr() as u64;
    let mut copy = || -> Result<(), E> {
        for (which, first) in (0..len).step_by(BUFFER_BYTES).enumerate() {
            let count = BUFFER_BYTES.min(len - first);
            let parts = lane.buffer(which, count).map_err(told)?.par_chunks_mut(PART_BYTES).enumerate();
            parts.map(|(i, to)| read(first + i * PART_BYTES, to)).collect::<Result<(), E>>()?;
            // SAFETY: the tensor is `len` bytes long, and libtorch's stream waits for the copies below.
            unsafe { lane.up(which, to + first as u64, count) }.map_err(told)?;
        }
        Ok(())
    };
    let copied = copy();
    // Also after a failure: the memory is given to others in the order of libtorch's stream.
    lane.join().map_err(told)?;
    copied.map(|()| target)
}

/// A tensor on its way to host memory: what it holds when this is made. Nobody may change it afterwards; what the device
/// is asked for meanwhile is not waited for.
#[derive(Debug)]
pub struct Outgoing {
    /// u8 \[n\], contiguous.
    bytes: Tensor,
    /// When it holds what it is meant to; absent where it is in host memory.
    ready: Option<Event>,
}

impl Outgoing {
    /// Marks the moment.
    pub fn new(tensor: &Tensor) -> Result<Self, TchError> {
        let bytes = tensor.f_detach()?.f_contiguous()?.f_reshape([-1])?.f_view_dtype(Kind::Uint8)?;
        let ready = match bytes.device() {
            Device::Cuda(index) => Some(Event::of_device(index).map_err(told)?),
            _ => None,
        };
        Ok(Self { bytes, ready })
    }

    /// Hands over the bytes, row by row, in parts.
    pub fn take<E: From<TchError>>(self, take: &mut dyn FnMut(&[u8]) -> Result<(), E>) -> Result<(), E> {
        let Self { bytes, ready } = self;
        let len = bytes.numel();
        if len == 0 {
            return Ok(());
        }
        let Some(ready) = ready else {
            // SAFETY: the tensor is contiguous, `len` bytes long, and lives until `take` returns.
            return take(unsafe { std::slice::from_raw_parts(bytes.data_ptr().cast(), len) });
        };
        let mut lane = Lane::take(index(bytes.device()), Direction::Down).map_err(told)?;
        lane.after(&ready).map_err(told)?;
        let from = bytes.data_ptr() as u64;
        let part = |which: usize| (which * BUFFER_BYTES, BUFFER_BYTES.min(len - which * BUFFER_BYTES));
        let ask = |lane: &mut Lane, which: usize| {
            let (first, count) = part(which);
            // SAFETY: the tensor is `len` bytes long, and lives until all parts have come.
            unsafe { lane.down(which, from + first as u64, count) }.map_err(told)
        };
        let count = len.div_ceil(BUFFER_BYTES);
        ask(&mut lane, 0)?;
        let mut taken = Ok(());
        for which in 0..count {
            // One ahead, and all of those have come when this ends.
            if which + 1 < count && taken.is_ok() {
                ask(&mut lane, which + 1)?;
            }
            let part = lane.buffer(which, part(which).1).map_err(told)?;
            if taken.is_ok() {
                taken = take(part);
            }
        }
        taken
    }

    /// All of the bytes.
    pub fn bytes(self) -> Result<Vec<u8>, TchError> {
        let mut all = Vec::with_capacity(self.bytes.numel());
        self.take(&mut |part| -> Result<(), TchError> {
            all.extend_from_slice(part);
            Ok(())
        })?;
        Ok(all)
    }
}

/// A copy of a contiguous tensor in host memory.
pub fn to_host(tensor: &Tensor) -> Result<Tensor, TchError> {
    let host = Tensor::f_empty(tensor.size(), (tensor.kind(), Device::Cpu))?;
    let len = host.numel() * host.kind().elt_size_in_bytes();
    // SAFETY: the memory is the new tensor's own, `len` bytes of it; any bytes are numbers.
    let target: &mut [u8] = unsafe { std::slice::from_raw_parts_mut(host.data_ptr().cast(), len) };
    let mut rest = target;
    Outgoing::new(tensor)?.take(&mut |part| -> Result<(), TchError> {
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
    // SAFETY: the tensor is contiguous and lives until all of it was read.
    let bytes: &[u8] = unsafe { std::slice::from_raw_parts(tensor.data_ptr().cast(), len) };
    upload(bytes, device)?.f_view_dtype(tensor.kind())?.f_reshape(tensor.size())
}

fn index(device: Device) -> usize {
    match device {
        Device::Cuda(index) => index,
        other => panic!("{other:?} is no CUDA device"),
    }
}

/// What the driver says, as libtorch would.
pub(super) fn told(error: DriverError) -> TchError {
    TchError::Torch(format!("CUDA driver: a copy between host and device failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(len: usize) -> Vec<u8> {
        (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
    }

    #[test]
    fn bytes_come_back_as_they_went() {
        let Some(device) = crate::cuda::test_device() else { return };
        for len in [1, 1000, BUFFER_BYTES, 3 * BUFFER_BYTES + 12_345] {
            let bytes = bytes(len);
            let back = Outgoing::new(&upload(&bytes, device).unwrap()).unwrap().bytes().unwrap();
            assert!(back == bytes, "{len}");
        }
    }

    #[test]
    fn what_is_asked_for_later_is_not_seen() {
        // Also on the host, where there is nothing to wait for.
        let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
        let size = [2 * BUFFER_BYTES as i64];
        let first = Tensor::f_full(size, 3, (Kind::Uint8, device)).unwrap();
        let outgoing = Outgoing::new(&first).unwrap();
        // Its memory is another tensor's as soon as it has come.
        drop(first);
        let later: Vec<Tensor> =
            (0..4).map(|i| Tensor::f_full(size, i, (Kind::Uint8, device)).unwrap()).collect();
        let mut len = 0;
        let mut take = |part: &[u8]| -> Result<(), TchError> {
            len += part.len();
            assert!(part.iter().all(|byte| *byte == 3));
            Ok(())
        };
        outgoing.take(&mut take).unwrap();
        assert_eq!((len, later.len()), (2 * BUFFER_BYTES, 4));
    }

    #[test]
    fn a_part_that_is_refused_is_the_last_one() {
        let Some(device) = crate::cuda::test_device() else { return };
        let bytes = bytes(3 * BUFFER_BYTES);
        let tensor = upload(&bytes, device).unwrap();
        let mut parts = 0;
        let refused = Outgoing::new(&tensor).unwrap().take(&mut |_| {
            parts += 1;
            Err(TchError::Torch("no more".to_owned()))
        });
        assert!(refused.is_err() && parts == 1);
        let broken = upload_with(bytes.len(), device, |start, _| match start {
            0 => Ok(()),
            _ => Err(TchError::Torch("unreadable".to_owned())),
        });
        assert!(broken.is_err());
        // Both ways still work.
        assert!(crate::tensorfile::tensor_bytes(&upload(&bytes, device).unwrap()).unwrap() == bytes);
    }
}
