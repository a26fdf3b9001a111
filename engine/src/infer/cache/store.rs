//! Rotation of queries and keys, and their way into the cache, in one kernel in place of twenty: what a step of generation
//! waits for is mostly the host, which asks for each kernel by itself.

use crate::Result;
use crate::cuda::kernel::{Argument, BF16, Grid, Module};
use crate::model::Angles;
use tch::{Kind, Tensor};

static KERNELS: Module = Module::new("infer/cache/store.cu", || [BF16, include_str!("store.cu")].concat());

/// Threads that work on a token.
const THREADS: u32 = 256;

/// Whether the kernel can be used.
pub fn takes(q: &Tensor, k: &Tensor, v: &Tensor) -> bool {
    let is_simple = |x: &Tensor| x.is_contiguous() && name(x).is_some();
    q.device().is_cuda() && [q, k, v].into_iter().all(is_simple)
}

fn name(q: &Tensor) -> Option<&'static str> {
    match q.kind() {
        Kind::Float => Some("store_float"),
        Kind::BFloat16 => Some("store_bf16"),
        _ => None,
    }
}

/// Rotates q [n, heads, dim] and k [n, kv heads, dim] in place, and copies the keys and values of the first tokens, as many
/// as `at` has cache rows and columns (\[n\] each), to `[keys, values]` [rows, kv heads, columns, dim].
pub fn launch(qkv: [&Tensor; 3], angles: &Angles, at: &[Tensor; 2], cache: [&Tensor; 2]) -> Result<()> {
    let [q, k, v] = qkv;
    let ((n, heads, dim), (_, kv_heads, _)) = (q.size3()?, k.size3()?);
    let (count, room) = (at[0].size()[0], cache[0].size()[2]);
    assert!(
        cache.iter().all(|all| all.is_contiguous() && all.kind() == q.kind()),
        "a cache is made for its model"
    );
    assert!(
        angles
            .tables()
            .iter()
            .all(|t| t.is_contiguous() && t.kind() == q.kind() && t.numel() as i64 == n * dim)
    );
    let int = |value: i64| Argument::Int(i32::try_from(value).expect("a model's sizes are small"));
    let tensors = [q, k, v].into_iter().chain(angles.tables()).chain(at).chain(cache);
    let mut arguments: Vec<_> = tensors.map(Argument::Tensor).collect();
    arguments.extend([int(count), int(heads), int(kv_heads), int(dim / 2), int(room)]);
    let grid = Grid { blocks: n as usize, threads: THREADS, shared_bytes: 0 };
    // SAFETY: these are the kernel's parameters; all tensors are contiguous, of one kind and of the sizes that it is told;
    // rows and columns are inside of the cache, which was made for them.
    unsafe { KERNELS.launch(name(q).expect("looked at before"), q.device(), grid, &arguments)? };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, Rope};
    use std::path::PathBuf;

    #[test]
    fn the_kernel_has_the_bits_of_libtorchs_operations() {
        let Some(device) = crate::cuda::test_device() else { return };
        tch::manual_seed(9);
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/llama");
        let config = ModelConfig::read(&folder).unwrap();
        let (heads, kv_heads, dim) = (6, 2, config.head_dim);
        for kind in [Kind::Float, Kind::BFloat16] {
            let rope = Rope::new(&config, 50, kind, device).unwrap();
            let place = |values: &[i64]| Tensor::from_slice(values).to_device(device);
            // The last token is padding.
            let (positions, rows, columns) =
                (place(&[3, 4, 0, 49, 0]), place(&[1, 1, 0, 2]), place(&[3, 4, 0, 8]));
            let angles = rope.at(&positions).unwrap();
            let random = |size: &[i64]| Tensor::randn(size, (kind, device));
            let (q, k, v) =
                (random(&[5, heads, dim]), random(&[5, kv_heads, dim]), random(&[5, kv_heads, dim]));
            let expected_q = angles.apply(&q).unwrap();
            let expected_k = angles.apply(&k).unwrap();
            let zeros = || Tensor::zeros([3, kv_heads, 9, dim], (kind, device));
            let (keys, values, mut expected_keys, mut expected_values) = (zeros(), zeros(), zeros(), zeros());
            let at = [Some(&rows), None, Some(&columns)];
            let _ = expected_keys.index_put_(&at, &expected_k.narrow(0, 0, 4), false);
            let _ = expected_values.index_put_(&at, &v.narrow(0, 0, 4), false);
            assert!(takes(&q, &k, &v));
            launch([&q, &k, &v], &angles, &[rows, columns], [&keys, &values]).unwrap();
            for (found, expected) in
                [(q, expected_q), (k, expected_k), (keys, expected_keys), (values, expected_values)]
            {
                assert!(found.equal(&expected), "{kind:?}");
            }
        }
    }
}
