//! Hidden states of all sequences at the boundaries between blocks: on the device while there is room for them, the
//! others in host memory.

use crate::Result;
use crate::cuda::staging;
use tch::{Device, Tensor};

/// A stack of boundaries, the first block's input at the bottom.
#[derive(Debug)]
pub struct States {
    device: Device,
    /// Bytes that may still be kept on the device.
    room: usize,
    boundaries: Vec<Vec<Tensor>>,
}

impl States {
    /// Keeps up to `room` bytes on `device`.
    pub fn new(device: Device, room: usize) -> Self {
        Self { device, room, boundaries: Vec::new() }
    }

    /// Keeps the states of a boundary, one [t, hidden] a sequence, on the device.
    pub fn push(&mut self, states: &[Tensor]) -> Result<()> {
        let mut kept = Vec::with_capacity(states.len());
        for state in states {
            let bytes = state.numel() * state.kind().elt_size_in_bytes();
            let stays = !self.device.is_cuda() || bytes <= self.room;
            if stays {
                self.room = self.room.saturating_sub(bytes);
                kept.push(state.shallow_clone());
            } else {
                kept.push(staging::to_host(&state.f_contiguous()?)?);
            }
        }
        self.boundaries.push(kept);
        Ok(())
    }

    /// Takes the last boundary that is left; each state may be on the device or on the host.
    pub fn pop(&mut self) -> Vec<Tensor> {
        self.boundaries.pop().expect("as many boundaries as were pushed")
    }

    /// A state on the device.
    pub fn fetch(&self, state: Tensor) -> Result<Tensor> {
        if state.device() == self.device {
            return Ok(state);
        }
        Ok(staging::to_device(&state, self.device)?)
    }
}
