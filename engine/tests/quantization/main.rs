//! The stages quantize, mixed_quantize, saliency and select on small random models.

mod bench;
mod histograms;
mod methods;
mod naive;
mod quantize;
mod saliency;
mod squeezellm;
