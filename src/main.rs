//! `tacq-sweep`: see the library for everything.

fn main() -> tacq_sweep::cli::ExitCode {
    tacq_sweep::cli::main()
}
