//! The factor of the inverse Hessian that GPTQ compensates errors with.

use super::{ColumnOrder, QuantError};
use tacq_protocol::units::Damp;
use tch::{Kind, TchError, Tensor};

/// Times that the damping is added before giving up.
const MAX_DAMPINGS: u32 = 150;

/// U with UᵀU = H⁻¹, and which input features were never active. Shared by all matrices that see the same inputs.
#[derive(Debug)]
pub struct Factor {
    /// [cols, cols] f32, upper triangular, on the device of the Hessian.
    pub upper: Tensor,
    /// Whether each input feature was zero on the whole calibration set.
    pub dead: Vec<bool>,
    /// The order of features in the above, where it is not their own.
    pub order: Option<ColumnOrder>,
}

impl Factor {
    /// Factors `hessian` [cols, cols], which it overwrites, the inputs' statistics of the matrix called `tensor`.
    ///
    /// Dead features (zero diagonal) get a diagonal of 1. `damp` times the mean diagonal is added until the Cholesky
    /// factorization succeeds.
    pub fn new(tensor: &str, mut hessian: Tensor, damp: Damp) -> Result<Factor, QuantError> {
        let torch = |source| QuantError::Torch { tensor: tensor.to_owned(), source };
        if !is_finite(&hessian).map_err(torch)? {
            return Err(QuantError::HessianNotFinite { tensor: tensor.to_owned() });
        }
        let dead = revive(&mut hessian).map_err(torch)?;
        let diagonal = hessian.f_diagonal(0, 0, 1).map_err(torch)?;
        let step =
            diagonal.f_mean(Kind::Float).and_then(|mean| mean.f_mul_scalar(damp.to_f64())).map_err(torch)?;
        let mut diagonal = diagonal;
        for _ in 0..MAX_DAMPINGS {
            let _ = diagonal.f_add_(&step).map_err(torch)?;
            if let Some(upper) = inverse_factor(&hessian).map_err(torch)? {
                return Ok(Factor { upper, dead, order: None });
            }
        }
        Err(QuantError::NotPositiveDefinite { tensor: tensor.to_owned(), attempts: MAX_DAMPINGS })
    }

    /// [`Self::new`] with features in the order of [`ColumnOrder::by_activity`].
    pub fn by_activity(tensor: &str, hessian: Tensor, damp: Damp) -> Result<Factor, QuantError> {
        let sort = || -> Result<(ColumnOrder, Tensor), TchError> {
            let order = ColumnOrder::by_activity(&hessian.f_diagonal(0, 0, 1)?)?;
            let sorted = order.sort(&order.sort(&hessian, 0)?, 1)?;
            Ok((order, sorted))
        };
        let sorted = sort();
        drop(hessian);
        let (order, sorted) =
            sorted.map_err(|source| QuantError::Torch { tensor: tensor.to_owned(), source })?;
        Ok(Factor { order: Some(order), ..Factor::new(tensor, sorted, damp)? })
    }
}

/// Sets zero diagonal elements to 1; says which they were.
fn revive(hessian: &mut Tensor) -> Result<Vec<bool>, tch::TchError> {
    let mut diagonal = hessian.f_diagonal(0, 0, 1)?; // a view
    let zero = diagonal.f_eq(0.0)?;
    let _ = diagonal.f_masked_fill_(&zero, 1.0)?;
    Vec::<bool>::try_from(&zero)
}

/// chol(H⁻¹), upper; nothing when `hessian` is not positive definite.
///
/// With H = V·Vᵀ, V upper, H⁻¹ = V⁻ᵀ·V⁻¹: so U = V⁻¹, and V is the lower Cholesky factor of H with rows and columns in
/// reverse order, reversed again. One factorization and one triangular inverse, where the inverse of H and its own
/// factorization would be twice the work and round more.
fn inverse_factor(hessian: &Tensor) -> Result<Option<Tensor>, tch::TchError> {
    let (lower, info) = hessian.f_flip([0, 1])?.f_linalg_cholesky_ex(false, false)?;
    if info.f_int64_value(&[])? != 0 {
        return Ok(None);
    }
    let upper = upper_inverse(&lower.f_flip([0, 1])?)?;
    Ok(is_finite(&upper)?.then_some(upper))
}

/// Order of triangles that are inverted by substitution.
const SMALL: i64 = 256;

/// The inverse of an upper triangular matrix, by halves: the inverse of [A B; 0 C] is [A⁻¹ −A⁻¹·B·C⁻¹; 0 C⁻¹]. Two thirds
/// of the operations of a substitution, which does not see that the identity is triangular too, and nearly all of them
/// in products.
fn upper_inverse(v: &Tensor) -> Result<Tensor, tch::TchError> {
    let n = v.size()[0];
    if n <= SMALL {
        let identity = Tensor::f_eye(n, (v.kind(), v.device()))?;
        return v.f_linalg_solve_triangular(&identity, true, true, false)?.f_contiguous();
    }
    let half = n / 2;
    let part = |m: &Tensor, row: i64, col: i64| {
        let range = |at: i64| if at == 0 { (0, half) } else { (half, n - half) };
        let ((row, rows), (col, cols)) = (range(row), range(col));
        m.f_narrow(0, row, rows)?.f_narrow(1, col, cols)
    };
    let (a, c) = (upper_inverse(&part(v, 0, 0)?)?, upper_inverse(&part(v, 1, 1)?)?);
    let b = a.f_mm(&part(v, 0, 1)?)?.f_mm(&c)?.f_neg_()?;
    let inverse = Tensor::f_zeros([n, n], (v.kind(), v.device()))?;
    part(&inverse, 0, 0)?.f_copy_(&a)?;
    part(&inverse, 0, 1)?.f_copy_(&b)?;
    part(&inverse, 1, 1)?.f_copy_(&c)?;
    Ok(inverse)
}

/// A copy that shares no memory with `tensor`.
pub fn copied(tensor: &Tensor) -> Result<Tensor, tch::TchError> {
    let mut copy = tensor.f_empty_like()?;
    copy.f_copy_(tensor)?;
    Ok(copy)
}

fn is_finite(tensor: &Tensor) -> Result<bool, tch::TchError> {
    Ok(tensor.f_isfinite()?.f_all()?.f_int64_value(&[])? != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    /// f32 factors of a well-conditioned matrix.
    const TOLERANCE: f64 = 1e-4;

    fn damp(text: &str) -> Damp {
        text.parse().unwrap()
    }

    fn hessian(features: i64, tokens: i64) -> Tensor {
        tch::manual_seed(1);
        let x = Tensor::randn([tokens, features], (Kind::Float, Device::Cpu));
        x.tr().matmul(&x) * (2.0 / tokens as f64)
    }

    #[test]
    fn the_factor_squares_to_the_inverse() {
        // Inverted at once, and by halves of halves.
        for n in [48, 3 * SMALL - 1] {
            let h = hessian(n, 10 * n);
            let factor = Factor::new("w", h.copy(), damp("0.01")).unwrap();
            assert!(factor.upper.equal(&factor.upper.triu(0)));
            let identity = Tensor::eye(n, (Kind::Float, Device::Cpu));
            let damped = &h + &identity * h.diagonal(0, 0, 1).mean(Kind::Float) * 0.01;
            let product = factor.upper.tr().matmul(&factor.upper).matmul(&damped);
            let off = (product - identity).abs().max().double_value(&[]);
            assert!(off < TOLERANCE, "{n}: {off}");
        }
    }

    #[test]
    fn dead_features_are_found_and_revived() {
        let h = hessian(8, 100);
        let _ = h.get(3).fill_(0.0);
        let _ = h.select(1, 3).fill_(0.0);
        let factor = Factor::new("w", h.copy(), damp("0.01")).unwrap();
        assert_eq!(factor.dead.iter().position(|&d| d), Some(3));
        assert!(factor.upper.get(3).get(4).double_value(&[]) == 0.0);
    }

    #[test]
    fn damping_is_repeated_until_the_matrix_is_positive_definite() {
        // Smallest eigenvalue −0.5, mean diagonal 1: so 15 % is added four times.
        let h = Tensor::from_slice(&[1.0f32, 1.5, 1.5, 1.0]).reshape([2, 2]);
        let factor = Factor::new("w", h.copy(), damp("0.15")).unwrap();
        let last = factor.upper.get(0).get(0).double_value(&[]);
        let h = [1.6f64, 1.5];
        let expected = (h[0] / (h[0] * h[0] - h[1] * h[1])).sqrt();
        assert!((last / expected - 1.0).abs() < 1e-3, "{last} {expected}");
    }

    #[test]
    fn a_matrix_beyond_help_and_statistics_not_finite_are_errors() {
        let h = Tensor::from_slice(&[1.0f32, 900.0, 900.0, 1.0]).reshape([2, 2]);
        let error = Factor::new("w", h.copy(), damp("0.01")).unwrap_err();
        assert!(matches!(error, QuantError::NotPositiveDefinite { attempts: 150, .. }), "{error}");
        let h = Tensor::from_slice(&[1.0f32, f32::NAN, f32::NAN, 1.0]).reshape([2, 2]);
        let error = Factor::new("w", h.copy(), damp("0.01")).unwrap_err();
        assert!(matches!(error, QuantError::HessianNotFinite { .. }), "{error}");
    }
}
