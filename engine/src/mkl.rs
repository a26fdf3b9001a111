//! Which kernels MKL, the library of products and factorizations inside of libtorch, takes on processors that are not
//! Intel's.
//!
//! It asks a function of its own whether the processor is Intel's, and if not, takes kernels for older instruction sets,
//! whatever the processor can do: on an AMD EPYC with AVX-512, products take twice as long as they need to. A program that
//! has a function of this name is asked instead (this one is exported by build.rs); what instructions there are, MKL still
//! asks the processor.

use std::ffi::c_int;

/// Leaves MKL its own choice when it says so.
const CHOICE: &std::ffi::CStr = c"TACQ_MKL_KERNELS";
const OWN: &[u8] = b"own";

/// MKL's question: 1 for the kernels that the processor's instructions allow, 0 for those of any processor.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> c_int {
    // SAFETY: a C string is looked up; the result is one too, and read at once. The engine changes its environment only
    // before it has other threads.
    let asked = unsafe {
        let value = libc::getenv(CHOICE.as_ptr());
        !value.is_null() && std::ffi::CStr::from_ptr(value).to_bytes() == OWN
    };
    c_int::from(!asked)
}

/// Makes the linker keep the function.
pub fn keep() {
    std::hint::black_box(mkl_serv_intel_cpu_true as extern "C" fn() -> c_int);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mkl_asks_this_program() {
        if cfg!(all(target_os = "linux", target_arch = "x86_64")) {
            let found = crate::cuda::function(c"mkl_serv_intel_cpu_true").unwrap();
            assert_eq!(found as usize, mkl_serv_intel_cpu_true as extern "C" fn() -> c_int as usize);
        }
    }
}
