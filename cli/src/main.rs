//! The command `varve`: all of it is the library.

fn main() -> std::process::ExitCode {
    varve_cli::main()
}
