//! Serde mirror of the keys of config.json that matter; published files carry many more, which are ignored.

use serde::Deserialize;

/// config.json; everything optional here, so that [`super::ModelConfig::parse`] says what is missing.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Raw {
    pub architectures: Option<Vec<String>>,
    pub model_type: Option<String>,
    pub vocab_size: Option<i64>,
    pub hidden_size: Option<i64>,
    pub intermediate_size: Option<i64>,
    pub num_hidden_layers: Option<i64>,
    pub num_attention_heads: Option<i64>,
    pub num_key_value_heads: Option<i64>,
    pub head_dim: Option<i64>,
    pub max_position_embeddings: Option<i64>,
    pub hidden_act: Option<String>,
    pub rms_norm_eps: Option<f64>,
    pub rope_theta: Option<f64>,
    pub rope_scaling: Option<RawRope>,
    pub rope_parameters: Option<RawRope>,
    pub tie_word_embeddings: Option<bool>,
    pub attention_bias: Option<bool>,
    pub mlp_bias: Option<bool>,
    pub use_sliding_window: Option<bool>,
    pub sliding_window: Option<i64>,
    pub quantization_config: Option<serde_json::Value>,
}

/// `rope_scaling`, or `rope_parameters` as newer versions write it.
#[derive(Debug, Deserialize)]
pub(super) struct RawRope {
    pub rope_type: Option<String>,
    /// The key's name before `rope_type`.
    #[serde(rename = "type")]
    pub old_type: Option<String>,
    pub rope_theta: Option<f64>,
    pub factor: Option<f64>,
    pub low_freq_factor: Option<f64>,
    pub high_freq_factor: Option<f64>,
    pub original_max_position_embeddings: Option<f64>,
}
