//! One decoder block: attention and MLP, each behind a norm and around a residual.
//!
//! The halves are split at the inputs of their last projection, where GPTQ collects statistics:
//!
//! ```text
//! h ─ attn_norm ─ q,k,v ─ attention ─ o ─(+h)─ mlp_norm ─ gate,up ─ mlp_activation ─ down ─(+)─ h'
//! ```

use super::norm::rms_norm;
use super::{LinearSource, ModelConfig, Rope, Weights};
use crate::Result;
use crate::tensorfile::TensorFileError;
use std::path::PathBuf;
use tch::{Device, Kind, Tensor};

/// A projection of a decoder block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Proj {
    /// Queries.
    Q,
    /// Keys.
    K,
    /// Values.
    V,
    /// Attention's output.
    O,
    /// The MLP's gate, whose silu multiplies `Up`.
    Gate,
    /// The MLP's input.
    Up,
    /// The MLP's output.
    Down,
}

impl Proj {
    /// All projections, in the order of global weight indices.
    pub const ALL: [Proj; 7] = [Proj::Q, Proj::K, Proj::V, Proj::O, Proj::Gate, Proj::Up, Proj::Down];

    /// Where the checkpoint keeps it inside a block, such as `self_attn.q_proj`.
    pub fn path(self) -> &'static str {
        match self {
            Proj::Q => "self_attn.q_proj",
            Proj::K => "self_attn.k_proj",
            Proj::V => "self_attn.v_proj",
            Proj::O => "self_attn.o_proj",
            Proj::Gate => "mlp.gate_proj",
            Proj::Up => "mlp.up_proj",
            Proj::Down => "mlp.down_proj",
        }
    }

    /// The weight's name in the checkpoint.
    pub fn weight_name(self, layer: i64) -> String {
        format!("model.layers.{layer}.{}.weight", self.path())
    }

    /// [out, in]
    pub fn shape(self, config: &ModelConfig) -> (i64, i64) {
        let (hidden, inner) = (config.hidden, config.intermediate);
        let queries = config.heads * config.head_dim;
        let keys = config.kv_heads * config.head_dim;
        match self {
            Proj::Q => (queries, hidden),
            Proj::K | Proj::V => (keys, hidden),
            Proj::O => (hidden, queries),
            Proj::Gate | Proj::Up => (inner, hidden),
            Proj::Down => (hidden, inner),
        }
    }
}

/// A linear layer.
#[derive(Debug)]
pub struct Linear {
    /// [out, in]
    pub weight: Tensor,
    /// \[out\]
    pub bias: Option<Tensor>,
}

impl Linear {
    /// [.., in] → [.., out]
    pub fn forward(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_linear(&self.weight, self.bias.as_ref())?)
    }

    fn shallow_clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone(), bias: self.bias.as_ref().map(Tensor::shallow_clone) }
    }
}

/// The numbers that a block's operations need.
#[derive(Debug, Clone, Copy)]
pub struct Geometry {
    /// Query heads.
    pub heads: i64,
    /// Key and value heads, a divisor of `heads`.
    pub kv_heads: i64,
    /// Dimensions of a head.
    pub head_dim: i64,
    /// The norms' epsilon.
    pub eps: f64,
}

/// A decoder block.
#[derive(Debug)]
pub struct Block {
    linears: [Linear; 7],
    /// Weight \[hidden\] of the norm before attention.
    pub attn_norm_weight: Tensor,
    /// Weight \[hidden\] of the norm before the MLP.
    pub mlp_norm_weight: Tensor,
    /// Head counts and the like.
    pub geometry: Geometry,
}

impl Block {
    /// Loads block `layer`; linear weights that `source` has replace those of `weights`.
    pub fn load(
        weights: &Weights,
        config: &ModelConfig,
        layer: i64,
        kind: Kind,
        device: Device,
        source: Option<&dyn LinearSource>,
    ) -> Result<Self> {
        let linear = |proj: Proj| -> Result<Linear> {
            let weight = load_weight(weights, config, (layer, proj), kind, device, source)?;
            let name = format!("model.layers.{layer}.{}.bias", proj.path());
            let bias = if config.has_bias(proj) {
                Some(weights.get_shaped(&name, &[proj.shape(config).0], kind, device)?)
            } else {
                None
            };
            Ok(Linear { weight, bias })
        };
        let norm = |part: &str| {
            weights.get_shaped(&format!("model.layers.{layer}.{part}.weight"), &[config.hidden], kind, device)
        };
        let [q, k, v, o, gate, up, down] = Proj::ALL;
        Ok(Self {
            linears: [
                linear(q)?,
                linear(k)?,
                linear(v)?,
                linear(o)?,
                linear(gate)?,
                linear(up)?,
                linear(down)?,
            ],
            attn_norm_weight: norm("input_layernorm")?,
            mlp_norm_weight: norm("post_attention_layernorm")?,
            geometry: Geometry {
                heads: config.heads,
                kv_heads: config.kv_heads,
                head_dim: config.head_dim,
                eps: config.rms_norm_eps,
            },
        })
    }

    /// A block that shares this one's tensors; [`Self::set_weight`] on it leaves this one alone.
    pub fn shallow_clone(&self) -> Self {
        Self {
            linears: self.linears.each_ref().map(Linear::shallow_clone),
            attn_norm_weight: self.attn_norm_weight.shallow_clone(),
            mlp_norm_weight: self.mlp_norm_weight.shallow_clone(),
            geometry: self.geometry,
        }
    }

    /// A projection.
    pub fn linear(&self, proj: Proj) -> &Linear {
        &self.linears[proj as usize]
    }

    /// Replaces a projection's weight [out, in]; converted to the number format and device of the old one.
    pub fn set_weight(&mut self, proj: Proj, weight: &Tensor) -> Result<()> {
        let old = &mut self.linears[proj as usize].weight;
        *old = weight.f_to_device(old.device())?.f_to_kind(old.kind())?;
        Ok(())
    }

    /// h [b, t, hidden] → the input of q, k and v, [b, t, hidden].
    pub fn attn_norm(&self, h: &Tensor) -> Result<Tensor> {
        rms_norm(h, &self.attn_norm_weight, self.geometry.eps)
    }

    /// Output of [`Self::attn_norm`] → the input of o, [b, t, heads · head_dim].
    pub fn attention(&self, x: &Tensor, rope: &Rope) -> Result<Tensor> {
        let [q, k, v] = [Proj::Q, Proj::K, Proj::V].map(|proj| self.linear(proj).forward(x));
        causal_attention(&q?, &k?, &v?, rope, self.geometry)
    }

    /// h after attention's residual [b, t, hidden] → the input of gate and up, [b, t, hidden].
    pub fn mlp_norm(&self, h: &Tensor) -> Result<Tensor> {
        rms_norm(h, &self.mlp_norm_weight, self.geometry.eps)
    }

    /// Output of [`Self::mlp_norm`] → the input of down, [b, t, intermediate].
    pub fn mlp_activation(&self, x: &Tensor) -> Result<Tensor> {
        let gate = self.linear(Proj::Gate).forward(x)?.f_silu()?;
        Ok(gate.f_mul(&self.linear(Proj::Up).forward(x)?)?)
    }

    /// The first half: h [b, t, hidden] → h + o(attention), [b, t, hidden].
    pub fn forward_attention(&self, h: &Tensor, rope: &Rope) -> Result<Tensor> {
        let context = self.attention(&self.attn_norm(h)?, rope)?;
        Ok(h.f_add(&self.linear(Proj::O).forward(&context)?)?)
    }

    /// The second half: h [b, t, hidden] → h + down(activation), [b, t, hidden].
    pub fn forward_mlp(&self, h: &Tensor) -> Result<Tensor> {
        let activation = self.mlp_activation(&self.mlp_norm(h)?)?;
        Ok(h.f_add(&self.linear(Proj::Down).forward(&activation)?)?)
    }

    /// The whole block: [b, t, hidden] → [b, t, hidden].
    pub fn forward(&self, h: &Tensor, rope: &Rope) -> Result<Tensor> {
        self.forward_mlp(&self.forward_attention(h, rope)?)
    }
}

fn load_weight(
    weights: &Weights,
    config: &ModelConfig,
    (layer, proj): (i64, Proj),
    kind: Kind,
    device: Device,
    source: Option<&dyn LinearSource>,
) -> Result<Tensor> {
    let name = proj.weight_name(layer);
    let (rows, cols) = proj.shape(config);
    let replaced = source.map(|s| s.linear(&name, device)).transpose()?.flatten();
    let Some(tensor) = replaced else {
        return weights.get_shaped(&name, &[rows, cols], kind, device);
    };
    if tensor.size() != [rows, cols] {
        let (got, expected) = (tensor.size(), vec![rows, cols]);
        return Err(TensorFileError::Shape { path: PathBuf::from("checkpoint"), name, got, expected }.into());
    }
    Ok(tensor.f_to_device(device)?.f_to_kind(kind)?)
}

/// Causal attention of projected q [b, t, heads · d], k and v [b, t, kv_heads · d] → [b, t, heads · d].
pub fn causal_attention(q: &Tensor, k: &Tensor, v: &Tensor, rope: &Rope, g: Geometry) -> Result<Tensor> {
    let (b, t, width) = q.size3()?;
    // [b, t, n · d] → [b, n, t, d]
    let split = |x: &Tensor, n: i64| x.f_view([b, t, n, g.head_dim])?.f_transpose(1, 2);
    let q = rope.apply(&split(q, g.heads)?)?;
    // Key and value heads are repeated, each for its group of query heads; kernels that take groups as they are exist for
    // 16 bit on GPUs.
    let takes_groups = q.device().is_cuda() && q.kind() != Kind::Float;
    let repeat = |x: Tensor| match g.heads / g.kv_heads {
        n if n > 1 && !takes_groups => x.f_repeat_interleave_self_int(n, 1, g.heads),
        _ => Ok(x),
    };
    let k = repeat(rope.apply(&split(k, g.kv_heads)?)?)?;
    let v = repeat(split(v, g.kv_heads)?)?;
    let grouped = takes_groups && g.heads != g.kv_heads;
    let out = Tensor::f_scaled_dot_product_attention::<Tensor>(&q, &k, &v, None, 0.0, true, None, grouped)?;
    Ok(out.f_transpose(1, 2)?.f_reshape([b, t, width])?)
}
