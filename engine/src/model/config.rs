//! `config.json` as transformers writes it, checked and resolved.

mod raw;
#[cfg(test)]
mod tests;

use super::{ModelError, Proj};
use crate::fsx;
use raw::{Raw, RawRope};
use std::path::Path;

/// Networks that the engine runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// `LlamaForCausalLM`: Llama 1 to 3 and the many models of that shape.
    Llama,
    /// `Qwen2ForCausalLM`: Qwen 2 and 2.5; biases on q, k and v.
    Qwen2,
}

impl Architecture {
    /// All of them, for messages.
    pub const LIST: &'static str = "LlamaForCausalLM and Qwen2ForCausalLM";
}

/// How the rotary frequencies are scaled for longer contexts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// Divided by `factor`.
    Linear {
        /// Divisor.
        factor: f64,
    },
    /// Llama 3.1's: only long wavelengths are divided, with a smooth passage.
    Llama3 {
        /// Divisor of the long wavelengths.
        factor: f64,
        /// Wavelengths above `original_length / low_freq_factor` are long.
        low_freq_factor: f64,
        /// Wavelengths below `original_length / high_freq_factor` are kept.
        high_freq_factor: f64,
        /// Context length before scaling.
        original_length: f64,
    },
}

/// A model's dimensions and settings; every combination that can exist in this type can be run.
#[derive(Debug, Clone, PartialEq)]
pub struct ModelConfig {
    /// Which network.
    pub architecture: Architecture,
    /// Tokens in the vocabulary: rows of the embedding.
    pub vocab: i64,
    /// Width of the residual stream.
    pub hidden: i64,
    /// Width inside the MLP.
    pub intermediate: i64,
    /// Decoder blocks.
    pub layers: i64,
    /// Query heads.
    pub heads: i64,
    /// Key and value heads, a divisor of `heads`.
    pub kv_heads: i64,
    /// Dimensions of a head, even.
    pub head_dim: i64,
    /// Context length the model was made for, if stated.
    pub max_positions: Option<i64>,
    /// The norms' epsilon.
    pub rms_norm_eps: f64,
    /// Base of the rotary frequencies.
    pub rope_theta: f64,
    /// Scaling of the rotary frequencies.
    pub rope_scaling: RopeScaling,
    /// Whether the output layer is the embedding.
    pub tied: bool,
    /// Whether q, k and v have biases.
    pub qkv_bias: bool,
    /// Whether o has a bias.
    pub o_bias: bool,
    /// Whether gate, up and down have biases.
    pub mlp_bias: bool,
    /// Longest sequence that full attention treats as the model's sliding attention would, if it has any.
    pub sliding_window: Option<i64>,
}

impl ModelConfig {
    /// Reads `config.json` of a model folder.
    pub fn read(folder: &Path) -> crate::Result<Self> {
        let path = folder.join("config.json");
        if !path.exists() {
            return Err(ModelError::NoConfig { folder: folder.to_owned() }.into());
        }
        Ok(Self::parse(&path, &fsx::read(&path)?)?)
    }

    /// Checks the contents of a config.json; `path` is for messages.
    pub fn parse(path: &Path, json: &[u8]) -> Result<Self, ModelError> {
        let checker = Checker { path };
        let raw: Raw = serde_json::from_slice(json).map_err(|e| checker.invalid(e.to_string()))?;
        checker.resolve(&raw)
    }

    /// Whether a projection has a bias.
    pub fn has_bias(&self, proj: Proj) -> bool {
        match proj {
            Proj::Q | Proj::K | Proj::V => self.qkv_bias,
            Proj::O => self.o_bias,
            Proj::Gate | Proj::Up | Proj::Down => self.mlp_bias,
        }
    }
}

/// Turns the raw file into a [`ModelConfig`], with errors that name the file.
struct Checker<'a> {
    path: &'a Path,
}

impl Checker<'_> {
    fn invalid(&self, reason: String) -> ModelError {
        ModelError::Config { path: self.path.to_owned(), reason }
    }

    fn unsupported(&self, feature: String) -> ModelError {
        ModelError::Feature { path: self.path.to_owned(), feature }
    }

    fn resolve(&self, raw: &Raw) -> Result<ModelConfig, ModelError> {
        let architecture = self.architecture(raw)?;
        self.check_features(raw)?;
        let llama = architecture == Architecture::Llama;
        let heads = self.positive("num_attention_heads", raw.num_attention_heads)?;
        let hidden = self.positive("hidden_size", raw.hidden_size)?;
        let kv_heads = self.positive("num_key_value_heads", raw.num_key_value_heads.or(Some(heads)))?;
        if heads % kv_heads != 0 {
            let reason =
                format!("num_attention_heads {heads} is not a multiple of num_key_value_heads {kv_heads}");
            return Err(self.invalid(reason));
        }
        let head_dim = match raw.head_dim {
            Some(dim) => self.positive("head_dim", Some(dim))?,
            None if hidden % heads == 0 => hidden / heads,
            None => {
                let reason = format!("hidden_size {hidden} is not a multiple of num_attention_heads {heads}");
                return Err(self.invalid(reason));
            }
        };
        if head_dim % 2 != 0 {
            return Err(self.invalid(format!("head_dim {head_dim} is odd; rotary embedding needs pairs")));
        }
        let (rope_theta, rope_scaling) = self.rope(raw)?;
        let eps = raw.rms_norm_eps.unwrap_or(1e-6);
        if !(eps.is_finite() && eps >= 0.0) {
            return Err(self.invalid(format!("rms_norm_eps {eps} is not a small positive number")));
        }
        Ok(ModelConfig {
            architecture,
            vocab: self.positive("vocab_size", raw.vocab_size)?,
            hidden,
            intermediate: self.positive("intermediate_size", raw.intermediate_size)?,
            layers: self.positive("num_hidden_layers", raw.num_hidden_layers)?,
            heads,
            kv_heads,
            head_dim,
            max_positions: raw.max_position_embeddings,
            rms_norm_eps: eps,
            rope_theta,
            rope_scaling,
            tied: raw.tie_word_embeddings.unwrap_or(false),
            qkv_bias: !llama || raw.attention_bias.unwrap_or(false),
            o_bias: llama && raw.attention_bias.unwrap_or(false),
            mlp_bias: llama && raw.mlp_bias.unwrap_or(false),
            sliding_window: if raw.use_sliding_window == Some(true) && !llama {
                raw.sliding_window
            } else {
                None
            },
        })
    }

    fn architecture(&self, raw: &Raw) -> Result<Architecture, ModelError> {
        let by_class = raw.architectures.as_ref().and_then(|a| a.first()).map(String::as_str);
        let found = by_class.or(raw.model_type.as_deref());
        match found {
            Some("LlamaForCausalLM" | "llama") => Ok(Architecture::Llama),
            Some("Qwen2ForCausalLM" | "qwen2") => Ok(Architecture::Qwen2),
            Some(other) => {
                Err(ModelError::Architecture { path: self.path.to_owned(), found: other.to_owned() })
            }
            None => Err(self.invalid("neither `architectures` nor `model_type` is given".to_owned())),
        }
    }

    fn check_features(&self, raw: &Raw) -> Result<(), ModelError> {
        let activation = raw.hidden_act.as_deref().unwrap_or("silu");
        if activation != "silu" {
            return Err(self.unsupported(format!("hidden_act `{activation}` (only `silu`)")));
        }
        if raw.quantization_config.as_ref().is_some_and(|q| !q.is_null()) {
            return Err(
                self.unsupported("a model that is quantized already (`quantization_config`)".to_owned())
            );
        }
        Ok(())
    }

    fn positive(&self, key: &str, value: Option<i64>) -> Result<i64, ModelError> {
        match value {
            // No model is wider; products of two such numbers stay far inside i64.
            Some(n) if (1..1 << 30).contains(&n) => Ok(n),
            Some(n) => Err(self.invalid(format!("{key} is {n}, expected a positive number below 2^30"))),
            None => Err(self.invalid(format!("{key} is missing"))),
        }
    }

    /// Base and scaling, from `rope_parameters` (transformers 5) or `rope_theta` and `rope_scaling` (before).
    fn rope(&self, raw: &Raw) -> Result<(f64, RopeScaling), ModelError> {
        let scaling = raw.rope_parameters.as_ref().or(raw.rope_scaling.as_ref());
        let theta = scaling.and_then(|r| r.rope_theta).or(raw.rope_theta).unwrap_or(10_000.0);
        if !(theta.is_finite() && theta > 0.0) {
            return Err(self.invalid(format!("rope_theta {theta} is not a positive number")));
        }
        let Some(scaling) = scaling else { return Ok((theta, RopeScaling::None)) };
        let scaling = match scaling.rope_type.as_deref().or(scaling.old_type.as_deref()) {
            None | Some("default") => RopeScaling::None,
            Some("linear") => RopeScaling::Linear { factor: self.rope_number("factor", scaling.factor)? },
            Some("llama3") => self.llama3(raw, scaling)?,
            Some(other) => {
                return Err(self.unsupported(format!("rope scaling `{other}` (only linear and llama3)")));
            }
        };
        Ok((theta, scaling))
    }

    fn llama3(&self, raw: &Raw, rope: &RawRope) -> Result<RopeScaling, ModelError> {
        let low_freq_factor = self.rope_number("low_freq_factor", rope.low_freq_factor)?;
        let high_freq_factor = self.rope_number("high_freq_factor", rope.high_freq_factor)?;
        if low_freq_factor >= high_freq_factor {
            let reason =
                format!("low_freq_factor {low_freq_factor} is not below high_freq_factor {high_freq_factor}");
            return Err(self.invalid(reason));
        }
        let original =
            rope.original_max_position_embeddings.or(raw.max_position_embeddings.map(|n| n as f64));
        Ok(RopeScaling::Llama3 {
            factor: self.rope_number("factor", rope.factor)?,
            low_freq_factor,
            high_freq_factor,
            original_length: self.rope_number("original_max_position_embeddings", original)?,
        })
    }

    fn rope_number(&self, key: &str, value: Option<f64>) -> Result<f64, ModelError> {
        match value {
            Some(n) if n.is_finite() && n > 0.0 => Ok(n),
            Some(n) => Err(self.invalid(format!("{key} of rope scaling is {n}, expected a positive number"))),
            None => Err(self.invalid(format!("{key} of rope scaling is missing"))),
        }
    }
}
