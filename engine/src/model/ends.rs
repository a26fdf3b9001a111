//! The two ends of the network: token embedding, and final norm with output layer.

use super::norm::rms_norm;
use super::{ModelConfig, ModelError, Weights};
use crate::{Result, device};
use tch::{Device, Kind, Tensor};

/// Bytes of f32 logits that exist at a time on the host; below the size at which the allocator maps memory anew each
/// time.
const HOST_CHUNK_BYTES: i64 = 26 << 20;
/// The same on a GPU, whose products want many rows; at most this share of its memory.
const DEVICE_CHUNK_BYTES: usize = 1 << 30;
const DEVICE_CHUNK_SHARE: usize = 64;

/// Token embedding.
#[derive(Debug)]
pub struct Embedding {
    /// [vocab, hidden]
    pub weight: Tensor,
}

impl Embedding {
    /// The same weights, shared.
    pub fn shallow_clone(&self) -> Self {
        Self { weight: self.weight.shallow_clone() }
    }

    /// Loads `model.embed_tokens.weight`.
    pub fn load(weights: &Weights, config: &ModelConfig, kind: Kind, device: Device) -> Result<Self> {
        let shape = [config.vocab, config.hidden];
        let weight = weights.get_shaped("model.embed_tokens.weight", &shape, kind, device)?;
        Ok(Self { weight })
    }

    /// `ids` [b, t] i64, on any device → [b, t, hidden].
    pub fn forward(&self, ids: &Tensor) -> Result<Tensor> {
        let vocab = self.weight.size()[0];
        // On CUDA an id out of range would poison the whole process; both extremes are cheap to look at.
        for id in [ids.f_min()?, ids.f_max()?] {
            let id = id.f_int64_value(&[])?;
            if !(0..vocab).contains(&id) {
                return Err(ModelError::TokenId { id, vocab }.into());
            }
        }
        self.look_up(&ids.f_to_device(self.weight.device())?)
    }

    /// [`Self::forward`] of ids that are known to be in the vocabulary, on the weights' device; waits for nothing.
    pub fn look_up(&self, ids: &Tensor) -> Result<Tensor> {
        Ok(Tensor::f_embedding(&self.weight, ids, -1, false, false)?)
    }
}

/// Final norm and output layer.
#[derive(Debug)]
pub struct Head {
    /// Final norm's weight \[hidden\].
    pub norm: Tensor,
    /// Output layer [vocab, hidden]; the embedding itself where the two are tied.
    pub weight: Tensor,
    /// The norm's epsilon.
    pub eps: f64,
}

impl Head {
    /// The same weights, shared.
    pub fn shallow_clone(&self) -> Self {
        Self { norm: self.norm.shallow_clone(), weight: self.weight.shallow_clone(), eps: self.eps }
    }

    /// Loads `model.norm.weight` and `lm_head.weight`, the latter unless tied; number format and device are the
    /// embedding's.
    pub fn load(weights: &Weights, config: &ModelConfig, embedding: &Embedding) -> Result<Self> {
        let (kind, device) = (embedding.weight.kind(), embedding.weight.device());
        let norm = weights.get_shaped("model.norm.weight", &[config.hidden], kind, device)?;
        let weight = if config.tied {
            embedding.weight.shallow_clone()
        } else {
            weights.get_shaped("lm_head.weight", &[config.vocab, config.hidden], kind, device)?
        };
        Ok(Self { norm, weight, eps: config.rms_norm_eps })
    }

    /// The final norm: [.., hidden] → [.., hidden].
    pub fn normed(&self, h: &Tensor) -> Result<Tensor> {
        rms_norm(h, &self.norm, self.eps)
    }

    /// [.., hidden] → [.., vocab].
    pub fn logits(&self, h: &Tensor) -> Result<Tensor> {
        Ok(self.normed(h)?.f_linear::<Tensor>(&self.weight, None)?)
    }

    /// Positions whose logits are computed at a time, such that they take about 26 MiB as f32, or 1 GiB on a GPU.
    pub fn chunk_rows(&self) -> i64 {
        let bytes = match self.weight.device() {
            Device::Cuda(index) => {
                DEVICE_CHUNK_BYTES.min(device::budget_bytes(index) / DEVICE_CHUNK_SHARE) as i64
            }
            _ => HOST_CHUNK_BYTES,
        };
        (bytes / (4 * self.weight.size()[0])).max(1)
    }

    /// Mean cross-entropy, in nats, of predicting each token from those before it: `h` [t, hidden] after the last
    /// block, `ids` the t tokens. A scalar f64 tensor, for which nothing has waited yet. Logits of a long sequence never
    /// exist together; sums are f64.
    pub fn mean_cross_entropy(&self, h: &Tensor, ids: &[i64]) -> Result<Tensor> {
        let predictions = h.size()[0] - 1;
        let targets = Tensor::f_from_slice(ids)?.f_to_device(h.device())?;
        let mut sum = Tensor::f_zeros([], (Kind::Double, h.device()))?;
        for start in (0..predictions).step_by(self.chunk_rows() as usize) {
            let rows = self.chunk_rows().min(predictions - start);
            let logits = self.logits(&h.f_narrow(0, start, rows)?)?.f_to_kind(Kind::Float)?;
            let target = logits.f_gather(1, &targets.f_narrow(0, start + 1, rows)?.f_unsqueeze(1)?, false)?;
            let nll = logits.f_logsumexp(-1, true)?.f_sub(&target)?;
            sum = sum.f_add_(&nll.f_sum(Kind::Double)?)?;
        }
        Ok(sum.f_div_scalar(predictions as f64)?)
    }
}
