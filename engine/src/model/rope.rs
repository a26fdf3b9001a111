//! Rotary position embedding (arXiv 2104.09864), with linear and llama3 scaling of frequencies.

use super::ModelError;
use super::config::{ModelConfig, RopeScaling};
use crate::Result;
use std::f32::consts::PI;
use tch::{Device, Kind, Tensor};

/// Cosines and sines for the positions of a sequence, each [t, head_dim].
#[derive(Debug)]
pub struct Rope {
    cos: Tensor,
    sin: Tensor,
}

impl Rope {
    /// The same table, shared.
    pub fn shallow_clone(&self) -> Self {
        Self { cos: self.cos.shallow_clone(), sin: self.sin.shallow_clone() }
    }

    /// The table for positions 0 … `length` − 1.
    ///
    /// Angles are computed in f32 on the host, as transformers does, and rounded to `kind` at the end.
    pub fn new(config: &ModelConfig, length: i64, kind: Kind, device: Device) -> Result<Self> {
        if let Some(window) = config.sliding_window.filter(|w| length > *w) {
            return Err(ModelError::Window { length, window }.into());
        }
        let frequencies = Tensor::f_from_slice(&frequencies(config))?; // [head_dim / 2]
        let positions = Tensor::f_arange(length, (Kind::Float, Device::Cpu))?; // [t]
        let half = positions.f_outer(&frequencies)?; // [t, head_dim / 2]
        let angles = Tensor::f_cat(&[&half, &half], -1)?; // [t, head_dim]
        let place = |t: Tensor| t.f_to_kind(kind)?.f_to_device(device);
        Ok(Self { cos: place(angles.f_cos()?)?, sin: place(angles.f_sin()?)? })
    }

    /// The rows of these positions, `positions` \[n\] on the table's device.
    pub fn at(&self, positions: &Tensor) -> Result<Angles> {
        let row = |table: &Tensor| table.f_index_select(0, positions)?.f_unsqueeze(1);
        Ok(Angles { cos: row(&self.cos)?, sin: row(&self.sin)? })
    }

    /// Rotates queries or keys: [.., t, head_dim], any t up to the table's length.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        let (cos, rotated) = self.parts(x)?;
        Ok(x.f_mul(&cos)?.f_add(&rotated)?)
    }

    /// The transpose of [`Self::apply`]: rotates gradients back.
    pub fn apply_transposed(&self, x: &Tensor) -> Result<Tensor> {
        let (cos, rotated) = self.parts(x)?;
        Ok(x.f_mul(&cos)?.f_sub(&rotated)?)
    }

    /// The cosines for x's positions, and x turned by a quarter (second half negated, then first) times the sines.
    fn parts(&self, x: &Tensor) -> Result<(Tensor, Tensor)> {
        let size = x.size();
        let length = size[size.len() - 2];
        let cos = self.cos.f_narrow(0, 0, length)?;
        let sin = self.sin.f_narrow(0, 0, length)?;
        Ok((cos, turned(x)?.f_mul(&sin)?))
    }
}

/// Cosines and sines of packed tokens, each [n, 1, head_dim].
#[derive(Debug)]
pub struct Angles {
    cos: Tensor,
    sin: Tensor,
}

impl Angles {
    /// Cosines and sines, contiguous.
    pub fn tables(&self) -> [&Tensor; 2] {
        [&self.cos, &self.sin]
    }

    /// Rotates queries or keys of the tokens: [n, heads, head_dim].
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        Ok(x.f_mul(&self.cos)?.f_add(&turned(x)?.f_mul(&self.sin)?)?)
    }
}

/// x turned by a quarter: its second half negated, then its first, [.., head_dim].
fn turned(x: &Tensor) -> Result<Tensor> {
    let half = x.size().last().copied().unwrap_or(0) / 2;
    Ok(Tensor::f_cat(&[&x.f_narrow(-1, half, half)?.f_neg()?, &x.f_narrow(-1, 0, half)?], -1)?)
}

/// Angle per position of each pair of dimensions: theta^(−2i / head_dim), scaled.
fn frequencies(config: &ModelConfig) -> Vec<f32> {
    let dim = config.head_dim as f32;
    let plain = (0..config.head_dim / 2).map(|i| 1.0 / (config.rope_theta as f32).powf(2.0 * i as f32 / dim));
    match config.rope_scaling {
        RopeScaling::None => plain.collect(),
        RopeScaling::Linear { factor } => plain.map(|f| f / factor as f32).collect(),
        RopeScaling::Llama3 { factor, low_freq_factor, high_freq_factor, original_length } => {
            let (factor, low, high) = (factor as f32, low_freq_factor as f32, high_freq_factor as f32);
            let length = original_length as f32;
            let scale = |f: f32| {
                let wavelength = 2.0 * PI / f;
                if wavelength < length / high {
                    f
                } else if wavelength > length / low {
                    f / factor
                } else {
                    let smooth = (length / wavelength - low) / (high - low);
                    (1.0 - smooth) * f / factor + smooth * f
                }
            };
            plain.map(scale).collect()
        }
    }
}
