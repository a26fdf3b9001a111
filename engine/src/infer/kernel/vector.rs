//! Sixteen numbers that are computed side by side: as AVX2 registers, or as an array for every other processor.

use super::LANES;

/// [`LANES`] numbers. Implementors differ in speed, and in whether [`Vector::madd`] rounds once or twice.
pub trait Vector: Copy {
    /// Whether a · b + c is rounded once.
    const FUSED: bool;

    /// The same number in every lane.
    ///
    /// # Safety
    /// The processor has the implementor's instructions.
    unsafe fn splat(x: f32) -> Self;

    /// # Safety
    /// As [`Self::splat`]; [`LANES`] numbers can be read from `from` on.
    unsafe fn load(from: *const f32) -> Self;

    /// # Safety
    /// As [`Self::splat`]; [`LANES`] numbers can be written from `to` on.
    unsafe fn store(self, to: *mut f32);

    /// a · b + self
    ///
    /// # Safety
    /// As [`Self::splat`].
    unsafe fn madd(self, a: Self, b: Self) -> Self;
}

impl Vector for [f32; LANES] {
    const FUSED: bool = false;

    #[inline(always)]
    unsafe fn splat(x: f32) -> Self {
        [x; LANES]
    }

    #[inline(always)]
    unsafe fn load(from: *const f32) -> Self {
        // SAFETY: the caller's promise; an array of f32 is aligned as f32.
        unsafe { *from.cast() }
    }

    #[inline(always)]
    unsafe fn store(self, to: *mut f32) {
        // SAFETY: as above.
        unsafe { *to.cast() = self }
    }

    #[inline(always)]
    unsafe fn madd(mut self, a: Self, b: Self) -> Self {
        for lane in 0..LANES {
            self[lane] += a[lane] * b[lane];
        }
        self
    }
}

#[cfg(target_arch = "x86_64")]
pub use avx2::Avx2;

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::Vector;
    use std::arch::x86_64::*;

    /// Two registers of eight; needs AVX2 and FMA.
    #[derive(Clone, Copy)]
    pub struct Avx2(__m256, __m256);

    impl Vector for Avx2 {
        const FUSED: bool = true;

        #[inline(always)]
        unsafe fn splat(x: f32) -> Self {
            // SAFETY: the caller's promise, here and below.
            let x = unsafe { _mm256_set1_ps(x) };
            Self(x, x)
        }

        #[inline(always)]
        unsafe fn load(from: *const f32) -> Self {
            // SAFETY: sixteen numbers can be read.
            unsafe { Self(_mm256_loadu_ps(from), _mm256_loadu_ps(from.add(8))) }
        }

        #[inline(always)]
        unsafe fn store(self, to: *mut f32) {
            // SAFETY: sixteen numbers can be written.
            unsafe {
                _mm256_storeu_ps(to, self.0);
                _mm256_storeu_ps(to.add(8), self.1);
            }
        }

        #[inline(always)]
        unsafe fn madd(self, a: Self, b: Self) -> Self {
            // SAFETY: the processor has the instruction.
            unsafe { Self(_mm256_fmadd_ps(a.0, b.0, self.0), _mm256_fmadd_ps(a.1, b.1, self.1)) }
        }
    }
}
