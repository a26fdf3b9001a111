//! Downloads: against a look-alike of the hub on loopback that misbehaves as told, first the client alone, then the
//! program with a stand-in engine.

mod downloads;
mod refusals;
mod runs;
#[expect(dead_code, reason = "shared with the tests of the driver, which use more of it")]
#[path = "../driver/sandbox.rs"]
mod sandbox;
mod server;
