//! Sweeps on a Slurm cluster: a stand-in for Slurm that misbehaves as told, and a real one where `TACQ_SLURM_CONF`
//! names its configuration (`make test-slurm`).

mod fake;
mod real;
#[path = "../driver/sandbox.rs"]
#[allow(dead_code)] // of what the driver's tests share, some
mod sandbox;
