//! Hidden states and gradients of all sequences between the blocks: on the device while there is room for them, the
//! others in host memory.

use crate::Result;
use crate::cuda::staging;
use tch::{Device, Tensor};

/// Where states are put.
#[derive(Debug)]
pub struct Shelf {
    device: Device,
    /// Bytes that may still be kept on the device.
    room: usize,
}

/// A state that was put on a [`Shelf`].
#[derive(Debug)]
pub struct Kept {
    tensor: Tensor,
    /// Bytes of the device's room that it takes.
    takes: usize,
}

impl Shelf {
    /// Keeps up to `room` bytes on `device`.
    pub fn new(device: Device, room: usize) -> Self {
        Self { device, room }
    }

    /// Keeps a tensor of the device.
    pub fn put(&mut self, tensor: Tensor) -> Result<Kept> {
        let bytes = tensor.numel() * tensor.kind().elt_size_in_bytes();
        if bytes <= self.room {
            self.room -= bytes;
            return Ok(Kept { tensor, takes: bytes });
        }
        Ok(Kept { tensor: to_host(&tensor)?, takes: 0 })
    }

    /// The tensor, on the device; it stays on the shelf as well.
    pub fn look(&self, kept: &Kept) -> Result<Tensor> {
        match kept.takes {
            0 => to_device(&kept.tensor, self.device),
            _ => Ok(kept.tensor.shallow_clone()),
        }
    }

    /// The tensor, on the device, and no longer on the shelf.
    pub fn take(&mut self, kept: Kept) -> Result<Tensor> {
        let tensor = self.look(&kept)?;
        self.room += kept.takes;
        Ok(tensor)
    }
}

impl Kept {
    /// A copy in host memory.
    pub fn to_host(&self) -> Result<Tensor> {
        match self.takes {
            0 => Ok(self.tensor.shallow_clone()),
            _ => to_host(&self.tensor),
        }
    }
}

/// A copy in host memory; on the host it is the same, for nobody changes a state.
fn to_host(tensor: &Tensor) -> Result<Tensor> {
    let tensor = tensor.f_contiguous()?;
    Ok(if tensor.device().is_cuda() { staging::to_host(&tensor)? } else { tensor })
}

fn to_device(tensor: &Tensor, device: Device) -> Result<Tensor> {
    Ok(if device.is_cuda() { staging::to_device(tensor, device)? } else { tensor.shallow_clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Kind;

    #[test]
    fn what_does_not_fit_comes_back_too_and_room_is_used_again() {
        let device = crate::cuda::test_device().unwrap_or(Device::Cpu);
        let tensor = |i: i64| Tensor::full([4, 8], i, (Kind::Float, device));
        let mut shelf = Shelf::new(device, 2 * 4 * 8 * 4);
        let mut kept: Vec<Kept> = (0..4).map(|i| shelf.put(tensor(i)).unwrap()).collect();
        assert_eq!(kept.iter().map(|kept| kept.takes > 0).collect::<Vec<_>>(), [true, true, false, false]);
        for (i, kept) in kept.iter().enumerate() {
            assert!(shelf.look(kept).unwrap().equal(&tensor(i as i64)));
            assert!(kept.to_host().unwrap().equal(&tensor(i as i64).to_device(Device::Cpu)));
        }
        assert!(shelf.take(kept.remove(0)).unwrap().equal(&tensor(0)));
        assert!(shelf.put(tensor(9)).unwrap().takes > 0);
        assert!(shelf.take(kept.pop().unwrap()).unwrap().equal(&tensor(3)));
        assert_eq!(shelf.put(tensor(9)).unwrap().takes, 0);
    }
}
