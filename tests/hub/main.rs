//! Downloads: against a look-alike of the hub on loopback that misbehaves as told, first the client alone, then the
//! program with a stand-in engine.

mod downloads;
mod refusals;
mod runs;
#[path = "../driver/sandbox.rs"]
mod sandbox;
mod server;
