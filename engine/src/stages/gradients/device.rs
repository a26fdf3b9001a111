//! The running sums on a CUDA device.

use crate::Result;
use crate::cuda::kernel::{Argument, Grid, Module};
use tacq_protocol::stage::Reduction;
use tch::Tensor;

static KERNELS: Module = Module::new("stages/gradients/reduce.cu", || include_str!("reduce.cu").to_owned());

/// Threads of a block, and blocks enough to fill any GPU several times.
const THREADS: u32 = 256;
const BLOCKS: usize = 4096;

/// Adds the reduction of a gradient to a sum, both f32, contiguous and of the same size.
pub fn reduce_into(sum: &Tensor, gradient: &Tensor, reduction: Reduction) -> Result<()> {
    let gradient = gradient.f_contiguous()?;
    assert!(sum.size() == gradient.size() && sum.is_contiguous(), "a gradient is as large as its sum");
    let code = match reduction {
        Reduction::Abs => 0,
        Reduction::Square => 1,
        Reduction::Signed => 2,
    };
    let count = sum.numel();
    let arguments = [
        Argument::Tensor(sum),
        Argument::Tensor(&gradient),
        Argument::Long(count as i64),
        Argument::Int(code),
    ];
    let blocks = count.div_ceil(4 * THREADS as usize).clamp(1, BLOCKS);
    let grid = Grid { blocks, threads: THREADS, shared_bytes: 0 };
    // SAFETY: these are the kernel's parameters; it stays below `count`. Allocations of libtorch begin at multiples of 16
    // bytes, and sums and gradients are whole ones.
    unsafe { KERNELS.launch("reduce_into", sum.device(), grid, &arguments)? };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cuda;
    use tch::Kind;

    #[test]
    fn sums_are_those_of_libtorch() {
        let Some(device) = cuda::test_device() else { return };
        tch::manual_seed(1);
        for size in [[1, 1], [3, 5], [64, 1027], [2048, 4096]] {
            let gradient = Tensor::randn(size, (Kind::Float, device));
            for (reduction, reduced) in [
                (Reduction::Abs, gradient.abs()),
                (Reduction::Square, &gradient * &gradient),
                (Reduction::Signed, gradient.copy()),
            ] {
                let sum = Tensor::randn(size, (Kind::Float, device));
                let expected = &sum + &reduced;
                reduce_into(&sum, &gradient, reduction).unwrap();
                assert!(sum.equal(&expected), "{size:?} {reduction:?}");
            }
        }
    }
}
