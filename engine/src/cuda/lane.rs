//! Pinned buffers and a stream of their own for copies between host and device, and events that order them.
//!
//! libtorch works on the device's default stream and hands memory out again in that stream's order. What a lane copies
//! goes beside it: an event of the default stream says when a copy may begin, one of the lane's when it has ended.

use super::context::Current;
use cudarc::driver::{DriverError, result, sys};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Bytes of a buffer.
pub const BUFFER_BYTES: usize = 32 << 20;

/// Which way a lane goes: each has its own, so that none waits for the other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Direction {
    /// To the device.
    Up,
    /// To the host.
    Down,
}

/// A point in the order of a stream.
#[derive(Debug)]
pub struct Event(sys::CUevent);

// SAFETY: the handle is the driver's, which any thread may use.
unsafe impl Send for Event {}

impl Event {
    /// After nothing.
    fn new() -> Result<Self, DriverError> {
        Ok(Self(result::event::create(sys::CUevent_flags::CU_EVENT_DISABLE_TIMING)?))
    }

    /// After all that a device was asked for so far on libtorch's stream.
    pub fn of_device(index: usize) -> Result<Self, DriverError> {
        let _current = Current::enter(index)?;
        let event = Self::new()?;
        event.record(result::stream::null())?;
        Ok(event)
    }

    fn record(&self, stream: sys::CUstream) -> Result<(), DriverError> {
        // SAFETY: event and stream are of the current context, and exist.
        unsafe { result::event::record(self.0, stream) }
    }

    /// Waits until the point is reached; not at all if there is none yet.
    pub fn wait(&self) -> Result<(), DriverError> {
        // SAFETY: the event exists.
        unsafe { result::event::synchronize(self.0) }
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: it is not used again. The driver keeps what still waits for it.
        let _ = unsafe { result::event::destroy(self.0) };
    }
}

/// Lets a stream go on only after an event.
fn hold(stream: sys::CUstream, event: &Event) -> Result<(), DriverError> {
    let flags = sys::CUevent_wait_flags::CU_EVENT_WAIT_DEFAULT;
    // SAFETY: both exist.
    unsafe { result::stream::wait_event(stream, event.0, flags) }
}

/// Pinned memory; `free` is reached when no copy to or from it is under way.
struct Buffer {
    bytes: *mut u8,
    free: Event,
}

/// Two buffers and a stream.
struct Parts {
    stream: sys::CUstream,
    buffers: [Buffer; 2],
}

// SAFETY: the memory is the lane's own, and the handles are the driver's.
unsafe impl Send for Parts {}

impl Parts {
    fn new() -> Result<Self, DriverError> {
        let buffer = || -> Result<Buffer, DriverError> {
            // Every device may use it, whichever context it was made in.
            let flags = sys::CU_MEMHOSTALLOC_PORTABLE;
            // SAFETY: made for good, and only ever seen as bytes that were written.
            let bytes = unsafe { result::malloc_host(BUFFER_BYTES, flags)? }.cast::<u8>();
            // SAFETY: it is as long as that.
            unsafe { bytes.write_bytes(0, BUFFER_BYTES) };
            Ok(Buffer { bytes, free: Event::new()? })
        };
        let stream = result::stream::create(result::stream::StreamKind::NonBlocking)?;
        Ok(Self { stream, buffers: [buffer()?, buffer()?] })
    }
}

/// Lanes, made when first needed; they live as long as the process.
static LANES: Mutex<BTreeMap<(usize, Direction), &'static Mutex<Parts>>> = Mutex::new(BTreeMap::new());

/// A lane, while nobody else has it, with its device's context current.
pub struct Lane {
    parts: MutexGuard<'static, Parts>,
    _current: Current,
}

impl Lane {
    /// Waits for the lane of a device.
    pub fn take(index: usize, direction: Direction) -> Result<Self, DriverError> {
        let current = Current::enter(index)?;
        let mut all = LANES.lock().unwrap_or_else(PoisonError::into_inner);
        let lane = match all.get(&(index, direction)) {
            Some(lane) => *lane,
            None => {
                let lane: &'static _ = Box::leak(Box::new(Mutex::new(Parts::new()?)));
                all.insert((index, direction), lane);
                lane
            }
        };
        drop(all);
        Ok(Self { parts: lane.lock().unwrap_or_else(PoisonError::into_inner), _current: current })
    }

    /// Lets the copies that follow begin only after an event.
    pub fn after(&self, event: &Event) -> Result<(), DriverError> {
        hold(self.parts.stream, event)
    }

    /// Lets libtorch's stream go on only after the copies so far.
    pub fn join(&self) -> Result<(), DriverError> {
        let end = Event::new()?;
        end.record(self.parts.stream)?;
        hold(result::stream::null(), &end)
    }

    /// The first `len` bytes of a buffer, once no copy uses it.
    pub fn buffer(&mut self, which: usize, len: usize) -> Result<&mut [u8], DriverError> {
        let buffer = &self.parts.buffers[which % 2];
        buffer.free.wait()?;
        assert!(len <= BUFFER_BYTES, "a part fits a buffer");
        // SAFETY: the memory is the lane's own, all of it was written, and no copy uses it.
        Ok(unsafe { std::slice::from_raw_parts_mut(buffer.bytes, len) })
    }

    /// Copies the first `len` bytes of a buffer to the device.
    ///
    /// # Safety
    /// `to` is the address of as many bytes on this lane's device, which stay there until [`Self::join`]ed work is done.
    pub unsafe fn up(&mut self, which: usize, to: u64, len: usize) -> Result<(), DriverError> {
        let stream = self.parts.stream;
        let bytes: &[u8] = self.buffer(which, len)?;
        // SAFETY: the buffer stays as it is until its event is reached; the rest is the caller's promise.
        unsafe { result::memcpy_htod_async(to, bytes, stream)? };
        self.parts.buffers[which % 2].free.record(stream)
    }

    /// Copies `len` bytes of the device to the start of a buffer, where they are once [`Self::buffer`] gives it.
    ///
    /// # Safety
    /// `from` is the address of as many bytes on this lane's device, which stay there until then.
    pub unsafe fn down(&mut self, which: usize, from: u64, len: usize) -> Result<(), DriverError> {
        let stream = self.parts.stream;
        let bytes = self.buffer(which, len)?;
        // SAFETY: nobody is given the buffer before its event is reached; the rest is the caller's promise.
        unsafe { result::memcpy_dtoh_async(bytes, from, stream)? };
        self.parts.buffers[which % 2].free.record(stream)
    }
}
