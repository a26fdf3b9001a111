//! Where a stage may run: which slot, and which idle workers have to give up memory for it.

use crate::stage_key::StageKey;

/// A device of the run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct DeviceView {
    pub is_gpu: bool,
    /// Bytes that stages may use together; without, each slot is a stage at a time and nothing is counted.
    pub memory: Option<u64>,
    /// Slots that it may have.
    pub slots: usize,
}

/// A slot that was started.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotView {
    /// Index of its device.
    pub device: usize,
    pub is_busy: bool,
    /// The stage it runs tolerates no other one on the device.
    pub is_alone: bool,
    /// The base model that its worker loaded last.
    pub model: Option<StageKey>,
    /// Bytes of the device that its worker may hold, running or idle.
    pub held: u64,
    /// Counts up with each stage: the idle slot that was used longest ago rests first.
    pub last_used: u64,
}

/// What a stage asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Need {
    /// It computes on the host, whatever the device.
    pub on_host: bool,
    /// Bytes of device memory, as declared; undeclared, a stage takes a whole GPU.
    pub memory: Option<u64>,
    /// GPUs that share it, at least one.
    pub gpus: usize,
    /// It wants the device for itself.
    pub alone: bool,
    /// Its base model.
    pub model: Option<StageKey>,
    /// Milliseconds that loading this takes, about.
    pub load_ms: i64,
}

/// Where a stage goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Placement {
    pub device: usize,
    /// A slot that is there, or a new one.
    pub slot: Option<usize>,
    /// Idle slots whose workers end first.
    pub rest: Vec<usize>,
    /// Bytes it is given.
    pub memory: u64,
    /// Whether a model that the worker has not got must be loaded in place of another.
    pub loads_model: bool,
    /// Places on further GPUs, whose workers end: this one's works there too.
    pub more: Vec<Placement>,
}

/// Why a stage has no place now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    /// All slots are busy.
    NoSlot,
    /// There is a slot, but not enough memory on its device.
    NoMemory,
}

/// Finds a place. What computes on the host goes to a CPU slot where there is one; all else to a GPU where there is one.
pub(super) fn place(devices: &[DeviceView], slots: &[SlotView], need: &Need) -> Result<Placement, Why> {
    let any = |gpu: bool| devices.iter().any(|device| device.is_gpu == gpu);
    let wants_gpu = if need.on_host { !any(false) } else { any(true) };
    let mut why = Why::NoSlot;
    let mut found: Vec<(u8, Placement)> = Vec::new();
    let suited = devices.iter().enumerate().filter(|(_, device)| device.is_gpu == wants_gpu);
    for (index, device) in suited.clone() {
        match on_device(index, device, slots, need) {
            Ok(place) => found.push(place),
            Err(Why::NoMemory) => why = Why::NoMemory,
            Err(Why::NoSlot) => {}
        }
    }
    // Of three GPUs, two can share a stage.
    let wanted = if wants_gpu { 1 << need.gpus.min(suited.count().max(1)).ilog2() } else { 1 };
    if found.len() < wanted {
        // Some of several are free: the others are waited for as memory is.
        return Err(if found.is_empty() { why } else { Why::NoMemory });
    }
    found.sort_by_key(|(cost, _)| *cost);
    let mut places = found.into_iter().take(wanted).map(|(_, place)| place);
    let mut first = places.next().ok_or(why)?;
    first.more = places.collect();
    Ok(first)
}

/// The best place on one device, with what it costs: 0 where the model is loaded, more where engines start or swap.
fn on_device(
    index: usize,
    device: &DeviceView,
    slots: &[SlotView],
    need: &Need,
) -> Result<(u8, Placement), Why> {
    let here = || slots.iter().enumerate().filter(|(_, slot)| slot.device == index);
    let busy = || here().filter(|(_, slot)| slot.is_busy);
    if busy().any(|(_, slot)| slot.is_alone) || (need.alone && busy().next().is_some()) {
        return Err(if here().count() < device.slots { Why::NoMemory } else { Why::NoSlot });
    }
    let idle = here().filter(|(_, slot)| !slot.is_busy);
    let cost = |slot: &SlotView| match (slot.model, need.model) {
        (Some(has), Some(wants)) if has == wants => 0,
        (None, _) | (_, None) => 1,
        _ => 3,
    };
    let candidates = idle.map(|(i, slot)| (cost(slot), Some(i)));
    let new = (here().count() < device.slots).then_some((2, None));
    let (cost, slot) = candidates.chain(new).min_by_key(|(cost, _)| *cost).ok_or(Why::NoSlot)?;
    let (memory, rest) = match device.memory {
        None => (0, Vec::new()),
        Some(all) => {
            let memory =
                if need.on_host { need.memory.unwrap_or(0) } else { need.memory.unwrap_or(all) }.min(all);
            (memory, make_room(all, memory, slot, here().collect(), need.alone)?)
        }
    };
    Ok((cost, Placement { device: index, slot, rest, memory, loads_model: cost == 3, more: Vec::new() }))
}

/// The idle slots that have to rest so that `memory` bytes are free for a slot.
fn make_room(
    all: u64,
    memory: u64,
    chosen: Option<usize>,
    here: Vec<(usize, &SlotView)>,
    alone: bool,
) -> Result<Vec<usize>, Why> {
    let others = || here.iter().filter(|(i, _)| Some(*i) != chosen);
    let busy: u64 = others().filter(|(_, slot)| slot.is_busy).map(|(_, slot)| slot.held).sum();
    if busy.saturating_add(memory) > all {
        return Err(Why::NoMemory);
    }
    let mut idle: Vec<_> = others().filter(|(_, slot)| !slot.is_busy && slot.held > 0).collect();
    idle.sort_by_key(|(_, slot)| slot.last_used);
    let mut held: u64 = busy + idle.iter().map(|(_, slot)| slot.held).sum::<u64>();
    let mut rest = Vec::new();
    for (i, slot) in idle {
        if held.saturating_add(memory) <= all && !alone {
            break;
        }
        held -= slot.held;
        rest.push(*i);
    }
    Ok(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    fn model(digit: char) -> Option<StageKey> {
        Some(digit.to_string().repeat(64).parse().unwrap())
    }

    fn gpu(memory: Option<u64>) -> DeviceView {
        DeviceView {
            is_gpu: true,
            memory: memory.map(|gib| gib * GIB),
            slots: if memory.is_some() { 8 } else { 1 },
        }
    }

    const CPU: DeviceView = DeviceView { is_gpu: false, memory: None, slots: 1 };

    fn slot(device: usize, is_busy: bool, gib: u64, digit: char) -> SlotView {
        SlotView { device, is_busy, is_alone: false, model: model(digit), held: gib * GIB, last_used: 0 }
    }

    fn need(gib: Option<u64>, digit: char) -> Need {
        let memory = gib.map(|gib| gib * GIB);
        Need { on_host: false, memory, gpus: 1, alone: false, model: model(digit), load_ms: 100 }
    }

    #[test]
    fn stages_share_a_gpu_as_long_as_their_memory_fits() {
        let devices = [gpu(Some(80))];
        let running = [slot(0, true, 30, 'a'), slot(0, true, 20, 'a')];
        let placed = place(&devices, &running, &need(Some(30), 'a')).unwrap();
        assert_eq!((placed.slot, placed.memory, placed.rest), (None, 30 * GIB, vec![]));
        assert_eq!(place(&devices, &running, &need(Some(31), 'a')), Err(Why::NoMemory));
        assert_eq!(place(&devices, &running, &need(None, 'a')), Err(Why::NoMemory), "undeclared: all of it");
    }

    #[test]
    fn idle_workers_that_hold_memory_rest_the_oldest_first() {
        let mut slots = vec![slot(0, false, 30, 'a'), slot(0, false, 30, 'b'), slot(0, true, 10, 'c')];
        slots[0].last_used = 9;
        slots[1].last_used = 3;
        let placed = place(&[gpu(Some(80))], &slots, &need(Some(40), 'd')).unwrap();
        assert_eq!((placed.slot, placed.rest), (None, vec![1]));
        let placed = place(&[gpu(Some(80))], &slots, &need(Some(70), 'd')).unwrap();
        assert_eq!(placed.rest, [1, 0]);
        let placed = place(&[gpu(Some(80))], &slots, &need(Some(40), 'a')).unwrap();
        assert_eq!((placed.slot, placed.rest), (Some(0), vec![]), "its own memory counts once");
    }

    #[test]
    fn without_declared_memory_a_slot_is_a_stage() {
        assert!(place(&[gpu(None)], &[], &need(None, 'a')).is_ok());
        assert_eq!(place(&[gpu(None)], &[slot(0, true, 0, 'a')], &need(Some(1), 'a')), Err(Why::NoSlot));
    }

    #[test]
    fn a_stage_goes_where_its_model_is() {
        let devices = [gpu(None), gpu(None)];
        let slots = [slot(0, false, 0, 'a'), slot(1, false, 0, 'b')];
        let placed = place(&devices, &slots, &need(None, 'b')).unwrap();
        assert_eq!((placed.slot, placed.loads_model), (Some(1), false));
        let placed = place(&devices, &slots, &need(None, 'c')).unwrap();
        assert!(placed.loads_model);
        let placed = place(&devices, &slots[..1], &need(None, 'b')).unwrap();
        assert_eq!((placed.device, placed.slot), (1, None), "a new engine rather than another model's");
    }

    #[test]
    fn host_work_leaves_the_gpu_alone_and_gpu_work_the_cpu() {
        let devices = [gpu(None), CPU];
        let host = Need { on_host: true, ..need(None, 'a') };
        assert_eq!(place(&devices, &[], &host).unwrap().device, 1);
        assert_eq!(place(&devices, &[slot(0, true, 0, 'a')], &need(None, 'a')), Err(Why::NoSlot));
        assert_eq!(place(&[gpu(None)], &[], &host).unwrap().device, 0);
        assert_eq!(place(&[CPU], &[], &need(None, 'a')).unwrap().device, 0);
    }

    #[test]
    fn a_shared_stage_takes_as_many_gpus_as_it_wants_or_waits() {
        let devices = [gpu(None), CPU, gpu(None), gpu(None)];
        let shared = Need { gpus: 2, ..need(None, 'a') };
        let placed = place(&devices, &[slot(0, true, 0, 'a'), slot(3, false, 0, 'a')], &shared).unwrap();
        assert_eq!((placed.device, placed.slot), (3, Some(1)), "where its model is");
        assert_eq!(placed.more.iter().map(|more| (more.device, more.slot)).collect::<Vec<_>>(), [(2, None)]);
        let busy = [slot(0, true, 0, 'a'), slot(3, true, 0, 'a')];
        assert_eq!(place(&devices, &busy, &shared), Err(Why::NoMemory), "one is free, and kept");
        assert_eq!(place(&devices[..2], &busy[..1], &shared), Err(Why::NoSlot));
        let four = Need { gpus: 4, ..need(None, 'a') };
        assert_eq!(place(&devices, &[], &four).unwrap().more.len(), 1, "of three");
        assert_eq!(place(&[CPU], &[], &four).unwrap().more, []);
    }

    #[test]
    fn a_stage_that_ran_out_of_memory_is_alone_on_its_device() {
        let alone = Need { alone: true, ..need(Some(10), 'a') };
        let devices = [gpu(Some(80))];
        assert_eq!(place(&devices, &[slot(0, true, 10, 'a')], &alone), Err(Why::NoMemory));
        let placed = place(&devices, &[slot(0, false, 10, 'b')], &alone).unwrap();
        assert_eq!(placed.rest, [0]);
        let running = SlotView { is_alone: true, ..slot(0, true, 10, 'a') };
        assert_eq!(place(&devices, &[running], &need(Some(10), 'a')), Err(Why::NoMemory));
    }
}
