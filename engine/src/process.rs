//! Settings of the process as a whole, made once at start.

use std::env;
use std::os::unix::process::CommandExt;
use std::process::Command;

/// How OpenMP threads wait; the OpenMP library reads it while it is being loaded.
pub const WAIT_POLICY: &str = "OMP_WAIT_POLICY";

/// Allocations up to this size come from the heap; the largest value that glibc accepts.
const MMAP_THRESHOLD: i32 = 32 << 20;
/// Free memory at the heap's end that is kept for the next allocation.
const TRIM_THRESHOLD: i32 = 1 << 30;

/// Settings for work; call before any thread is started.
///
/// OpenMP threads wait asleep rather than spinning: where something else wants the cores (another engine, a
/// compiler), spinning made one stage take six times as long (233 s against 39 s, load 8 on 2 cores). As the
/// library reads the setting while loading, a process started without it starts itself anew.
///
/// Large tensors come and go thousands of times; glibc would return each to the system and page-fault it in again.
pub fn set_up() {
    if env::var_os(WAIT_POLICY).is_none() && env::var_os("GOMP_SPINCOUNT").is_none() {
        let error = match env::current_exe() {
            Ok(program) => {
                Command::new(program).args(env::args_os().skip(1)).env(WAIT_POLICY, "passive").exec()
            }
            Err(error) => error,
        };
        eprintln!("tacq-engine: running on with threads that spin: {error}");
    }
    // SAFETY: mallopt changes two numbers of the allocator.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, MMAP_THRESHOLD);
        libc::mallopt(libc::M_TRIM_THRESHOLD, TRIM_THRESHOLD);
    }
}

/// Returns free memory to the system, as between requests.
pub fn release_memory() {
    // SAFETY: malloc_trim touches free memory only.
    unsafe { libc::malloc_trim(0) };
}
