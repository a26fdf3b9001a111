//! How far the host may be ahead of a GPU.

use super::lane::Event;
use super::staging::told;
use std::collections::VecDeque;
use tch::{Device, TchError};

/// Steps that a GPU is asked for ahead.
const AHEAD: usize = 2;

/// Keeps the host from asking a GPU for more than a few steps ahead: what is loaded meanwhile waits for all that it was
/// asked for before.
pub struct Pace {
    device: Device,
    steps: VecDeque<Event>,
}

impl Pace {
    /// Before the first step.
    pub fn new(device: Device) -> Self {
        Self { device, steps: VecDeque::new() }
    }

    /// After a step was asked for.
    pub fn step(&mut self) -> Result<(), TchError> {
        let Device::Cuda(index) = self.device else { return Ok(()) };
        self.steps.push_back(Event::of_device(index).map_err(told)?);
        if self.steps.len() > AHEAD
            && let Some(event) = self.steps.pop_front()
        {
            event.wait().map_err(told)?;
        }
        Ok(())
    }
}
