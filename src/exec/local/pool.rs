//! The threads of a run: device slots, started when they are first needed, and lanes that download.

use super::placement::{self, DeviceView, Need, Placement, SlotView, Why};
use super::slot::{Message, Order, Seat, Slot};
use crate::exec::download::{DownloadJob, LANES, Lane};
use crate::exec::job::Job;
use crate::exec::worker::{Launcher, Limits};
use crate::hub::Hub;
use crate::plan::StageId;
use crate::spec::run::RunSettings;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{self, Sender};
use std::thread::Scope;
use std::time::Duration;
use tacq_protocol::units::Device;

/// Engines on one GPU that shares its memory among stages. Each costs a context of some hundred megabytes.
const SLOTS_PER_GPU: usize = 8;

pub(in crate::exec) struct Pool<'scope, 'env> {
    scope: &'scope Scope<'scope, 'env>,
    launcher: &'env dyn Launcher,
    stopping: &'env AtomicBool,
    sender: Sender<Message>,
    devices: Vec<Device>,
    views: Vec<DeviceView>,
    slots: Vec<SlotView>,
    /// Slots that do nothing themselves while the stage of another one, named first, uses their device.
    lent: Vec<(usize, usize)>,
    orders: Vec<Sender<Order>>,
    lanes: Vec<(bool, Sender<DownloadJob>)>,
    hang: Duration,
    clock: u64,
}

impl<'scope, 'env> Pool<'scope, 'env> {
    pub(in crate::exec) fn new(
        scope: &'scope Scope<'scope, 'env>,
        settings: &RunSettings,
        launcher: &'env dyn Launcher,
        hub: &'env Hub,
        stopping: &'env AtomicBool,
        sender: Sender<Message>,
    ) -> Self {
        let mut devices: Vec<Device> = Vec::new();
        let mut views: Vec<DeviceView> = Vec::new();
        for &device in &settings.devices {
            if let Some(known) = devices.iter().position(|other| *other == device) {
                views[known].slots += 1;
                continue;
            }
            let is_gpu = matches!(device, Device::Cuda(_));
            let memory = settings.gpu_memory.filter(|_| is_gpu);
            devices.push(device);
            views.push(DeviceView { is_gpu, memory, slots: 1 });
        }
        for view in views.iter_mut().filter(|view| view.memory.is_some()) {
            view.slots = view.slots.max(SLOTS_PER_GPU);
        }
        let mut lanes = Vec::new();
        for index in 0..LANES {
            let (jobs, queue) = mpsc::channel();
            let lane = Lane { index, hub, stopping, messages: sender.clone() };
            scope.spawn(move || lane.serve(queue));
            lanes.push((false, jobs));
        }
        let (slots, lent, orders) = (Vec::new(), Vec::new(), Vec::new());
        let hang = settings.hang;
        Self { scope, launcher, stopping, sender, devices, views, slots, lent, orders, lanes, hang, clock: 0 }
    }

    /// A place for a stage now.
    pub(super) fn place(&self, need: &Need) -> Result<Placement, Why> {
        placement::place(&self.views, &self.slots, need)
    }

    /// How many stages may run at a time, at least one.
    pub(super) fn size(&self) -> u64 {
        self.views.iter().map(|view| view.slots as u64).sum::<u64>().max(1)
    }

    /// The device of a place.
    pub(super) fn device(&self, placement: &Placement) -> Device {
        self.devices[placement.device]
    }

    /// Starts a stage at its place.
    pub(super) fn start(
        &mut self,
        placement: Placement,
        need: Need,
        id: StageId,
        job: Job,
        timeout: Option<Duration>,
    ) {
        let mut after: Vec<_> = placement.rest.iter().map(|&slot| self.rest(slot)).collect();
        let index = placement.slot.unwrap_or_else(|| self.open(placement.device));
        self.clock += 1;
        for more in &placement.more {
            after.extend(more.rest.iter().map(|&slot| self.rest(slot)));
            let lent = more.slot.unwrap_or_else(|| self.open(more.device));
            after.push(self.rest(lent));
            let slot = &mut self.slots[lent];
            (slot.is_busy, slot.is_alone, slot.held) = (true, need.alone, more.memory);
            self.lent.push((index, lent));
        }
        let slot = &mut self.slots[index];
        slot.is_busy = true;
        slot.is_alone = need.alone;
        slot.model = need.model.or(slot.model);
        slot.held = slot.held.max(placement.memory);
        slot.last_used = self.clock;
        let limits = Limits { timeout, hang: self.hang };
        let order = Order::Run { id, job: Box::new(job), limits, after };
        self.orders[index].send(order).expect("slots live as long as the scheduler");
    }

    /// Ends the worker of an idle slot; the receiver hangs up when it is gone.
    fn rest(&mut self, slot: usize) -> mpsc::Receiver<()> {
        let (done, gone) = mpsc::channel();
        self.forget(slot);
        self.orders[slot].send(Order::Rest { _done: done }).expect("slots live as long as the scheduler");
        gone
    }

    /// A slot's worker is gone, and with it what it held.
    fn forget(&mut self, slot: usize) {
        self.slots[slot].model = None;
        self.slots[slot].held = 0;
    }

    /// A new slot on a device.
    fn open(&mut self, device: usize) -> usize {
        let index = self.slots.len();
        let (orders, queue) = mpsc::channel();
        let slot = Slot {
            index,
            device: self.devices[device],
            launcher: self.launcher,
            stopping: self.stopping,
            messages: self.sender.clone(),
        };
        self.scope.spawn(move || slot.serve(queue));
        self.orders.push(orders);
        self.slots.push(SlotView {
            device,
            is_busy: false,
            is_alone: false,
            model: None,
            held: 0,
            last_used: 0,
        });
        index
    }

    /// A lane without a download.
    pub(in crate::exec) fn idle_lane(&self) -> Option<usize> {
        self.lanes.iter().position(|(is_busy, _)| !is_busy)
    }

    /// Starts a download.
    pub(in crate::exec) fn download(&mut self, lane: usize, job: DownloadJob) {
        self.lanes[lane].0 = true;
        self.lanes[lane].1.send(job).expect("lanes live as long as the scheduler");
    }

    /// A stage ended, and perhaps its worker.
    pub(in crate::exec) fn vacate(&mut self, seat: Seat, lives: bool) {
        match seat {
            Seat::Lane(lane) => self.lanes[lane].0 = false,
            Seat::Slot(slot) => {
                self.free(slot, lives);
                let lent: Vec<usize> =
                    self.lent.extract_if(.., |(to, _)| *to == slot).map(|(_, lent)| lent).collect();
                lent.into_iter().for_each(|lent| self.free(lent, false));
            }
        }
    }

    fn free(&mut self, slot: usize, lives: bool) {
        self.slots[slot].is_busy = false;
        self.slots[slot].is_alone = false;
        if !lives {
            self.forget(slot);
        }
    }

    /// Whether nothing runs.
    pub(in crate::exec) fn is_idle(&self) -> bool {
        self.slots.iter().all(|slot| !slot.is_busy) && self.lanes.iter().all(|(is_busy, _)| !is_busy)
    }
}
