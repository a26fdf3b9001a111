//! Attention and silu in f32 on the CPU, with results that depend on nothing but a token and those before it.
//!
//! Every sum has one order: a score adds its products by dimension; a softmax adds exponentials in sixteen lanes by
//! position; an output adds values by position. Tiles, tasks and the split between shared prefix and own tokens only
//! decide which sums are formed side by side.

mod attend;
mod exp;
pub mod floats;
mod silu;
mod tile;
mod vector;

pub use attend::{Attention, Keys, Span};
pub use silu::silu_mul;

/// Numbers that are computed side by side. Keys are stored in blocks of so many, values in rows padded to a multiple.
pub const LANES: usize = 16;

/// Whether kernels can be compiled for AVX2 and FMA here.
fn has_avx2() -> bool {
    #[cfg(target_arch = "x86_64")]
    {
        std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma")
    }
    #[cfg(not(target_arch = "x86_64"))]
    false
}
