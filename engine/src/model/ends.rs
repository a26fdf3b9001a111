//! The two ends of the network: token embedding, and final norm with output layer.

use super::block::rms_norm;
use super::{ModelConfig, ModelError, Weights};
use crate::Result;
use tch::{Device, Kind, Tensor};

/// Token embedding.
#[derive(Debug)]
pub struct Embedding {
    /// [vocab, hidden]
    pub weight: Tensor,
}

impl Embedding {
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
        let ids = ids.f_to_device(self.weight.device())?;
        Ok(Tensor::f_embedding(&self.weight, &ids, -1, false, false)?)
    }
}

/// Final norm and output layer.
#[derive(Debug)]
pub struct Head {
    /// Final norm's weight [hidden].
    pub norm: Tensor,
    /// Output layer [vocab, hidden]; the embedding itself where the two are tied.
    pub weight: Tensor,
    /// The norm's epsilon.
    pub eps: f64,
}

impl Head {
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
}
