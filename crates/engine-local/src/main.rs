//! `sandbox-helper`: makes one sandbox, guards it and tells how it ended. Run by the embedded
//! engine, in the sandbox's folder.

fn main() -> std::process::ExitCode {
    engine_local::helper::main()
}
