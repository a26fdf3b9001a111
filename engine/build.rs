//! Writes libtorch's folder into the engine's run path, so that the binary, its tests and its examples find it
//! without `LD_LIBRARY_PATH`.
//!
//! The folder is the one that `torch-sys` links against. libtorch's own libraries carry `$ORIGIN` in their run
//! paths, so what they need in turn (libc10, libgomp, the CUDA runtime) is found beside them. The same run path
//! serves the engine's `dlopen("libtorch_cuda.so")`, therefore a CUDA build of libtorch may replace the CPU build
//! behind `.libtorch/current` without a rebuild.

use std::env;
use std::path::{Path, PathBuf};
use std::process::exit;

/// Names the library that makes a folder a libtorch folder.
fn mark() -> &'static str {
    match env::var("CARGO_CFG_TARGET_OS").as_deref() {
        Ok("macos") => "libtorch_cpu.dylib",
        _ => "libtorch_cpu.so",
    }
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    for name in ["LIBTORCH", "LIBTORCH_LIB", "LIBTORCH_USE_PYTORCH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    match library_folder() {
        Ok(folder) => {
            println!("cargo::rerun-if-changed={}", folder.join(mark()).display());
            // One -Xlinker per word: unlike -Wl, it leaves commas in the path alone.
            for word in ["-rpath", &folder.display().to_string()] {
                println!("cargo::rustc-link-arg=-Xlinker");
                println!("cargo::rustc-link-arg={word}");
            }
            let target = |name| env::var(name).unwrap_or_default();
            // Of the program that has it, MKL asks this function (src/mkl.rs).
            if target("CARGO_CFG_TARGET_OS") == "linux" && target("CARGO_CFG_TARGET_ARCH") == "x86_64" {
                println!("cargo::rustc-link-arg=-Wl,--export-dynamic-symbol=mkl_serv_intel_cpu_true");
            }
        }
        Err(message) => {
            println!("cargo::error={message}");
            exit(1);
        }
    }
}

/// The folder with libtorch's libraries, found as `torch-sys` finds it.
fn library_folder() -> Result<PathBuf, String> {
    if env::var_os("LIBTORCH_USE_PYTORCH").is_some() {
        let hint = "unset it and set LIBTORCH to the installed torch folder, or run `make libtorch`";
        return Err(format!("LIBTORCH_USE_PYTORCH is not supported: {hint}"));
    }
    let (variable, root) = ["LIBTORCH_LIB", "LIBTORCH"]
        .into_iter()
        .find_map(|name| env::var_os(name).map(|value| (name, PathBuf::from(value))))
        .ok_or("LIBTORCH is not set: run `make libtorch`, then cargo inside the repository")?;
    let folder = root.join("lib");
    if !folder.join(mark()).is_file() {
        return Err(missing(variable, &folder));
    }
    if !folder.is_absolute() {
        return Err(format!("{variable}={} must be an absolute path", root.display()));
    }
    Ok(folder)
}

fn missing(variable: &str, folder: &Path) -> String {
    format!(
        "libtorch is not installed: {} does not exist. Run `make libtorch`, or set {variable} to a folder that \
         holds lib/{} and include/ of libtorch 2.11",
        folder.join(mark()).display(),
        mark()
    )
}
