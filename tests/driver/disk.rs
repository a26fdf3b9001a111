//! Stores on a disk that is full or may not be written. They lie on small file systems in memory, mounted in a
//! namespace of the test's own; where that is not allowed, the tests say that they were skipped.

use crate::sandbox::{Finished, Sandbox};
use std::process::Command;

/// Runs a shell script in its own mount namespace, in which the folder `disk` may be mounted over.
fn in_namespace(sandbox: &Sandbox, script: &str) -> Option<Finished> {
    std::fs::create_dir_all(sandbox.root.join("disk")).unwrap();
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command
            .args(["--user", "--map-root-user", "--mount", "sh", "-ec", script])
            .current_dir(&sandbox.root);
        command
            .env("SWEEP", env!("CARGO_BIN_EXE_tacq-sweep"))
            .env_remove("TACQ_ENGINE")
            .env_remove("RUST_LOG");
        command.output()
    };
    match unshare("mount -t tmpfs -o size=64k none disk") {
        Ok(output) if output.status.success() => Some(Finished::from(unshare(script).unwrap())),
        _ => {
            eprintln!("skipped: this machine lets nobody mount in a namespace");
            None
        }
    }
}

#[test]
fn a_full_disk_ends_the_run_with_4_and_is_resumed_once_there_is_space() {
    let sandbox = Sandbox::new();
    for kilobytes in [40, 96, 200] {
        let script = format!(
            "mount -t tmpfs -o size={kilobytes}k none disk; \"$SWEEP\" run exp.yaml --store disk/store || code=$?
             mount -o remount,size=64m disk; \"$SWEEP\" run exp.yaml --store disk/store >/dev/null 2>&1 || exit 99
             \"$SWEEP\" plan exp.yaml --store disk/store >/dev/null || exit 98
             exit $code"
        );
        let Some(ended) = in_namespace(&sandbox, &script) else { return };
        ended.expect(4).says(&["free some space", "disk/store"]);
    }
}

#[test]
fn a_read_only_store_serves_hits_and_refuses_work() {
    let sandbox = Sandbox::new();
    let script =
        "mount -t tmpfs -o size=64m none disk; \"$SWEEP\" run exp.yaml --store disk/store 2>/dev/null
        mount -o remount,ro disk
        \"$SWEEP\" run exp.yaml --store disk/store 2>/dev/null || exit 97
        \"$SWEEP\" run exp.yaml --store disk/store --set sweep.bits=3";
    let Some(ended) = in_namespace(&sandbox, script) else { return };
    ended.expect(4).says(&["Read-only file system", "choose another folder"]);
}
