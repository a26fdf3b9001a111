//! Stores that machines share, in a folder and, where TACQ_S3_BUCKET names one, in a bucket of a real S3 server
//! (`make test-s3`).

use crate::fake::Fake;
use crate::remote_place::{Place, each_place};
use crate::sandbox::{EXPERIMENT, STAGES, Sandbox};
use crate::scheduling::run;
use std::fs;
use tacq_protocol::StageKind;
use tacq_sweep::plan::Plan;
use tacq_sweep::spec::remote::{RemoteMode, RemoteSettings};
use tacq_sweep::store::remote::{Fetched, Pushed, Remote, RemoteError};
use tacq_sweep::store::{Artifact, Lookup, Store};

/// A sandbox after a run in this process, and its plan.
fn swept() -> (Sandbox, Plan) {
    let sandbox = Sandbox::new();
    let (plan, ..) = run(&sandbox, EXPERIMENT, &Fake::default());
    (sandbox, plan)
}

fn artifact(store: &Store, plan: &Plan, kind: StageKind) -> Artifact {
    let stage = plan.stages.iter().find(|stage| stage.kind() == kind).unwrap();
    store.get(kind, stage.key().unwrap()).unwrap().expect("it was computed")
}

fn remote(place: &Place) -> Remote {
    Remote::new(RemoteSettings::new(place.location()))
}

/// Fetches an artifact into a store that lacks it.
fn fetch(remote: &Remote, store: &Store, artifact: &Artifact) -> Result<Fetched, RemoteError> {
    let Lookup::Miss(reservation) = store.reserve(&artifact.manifest.payload).unwrap() else {
        panic!("it is here already")
    };
    remote.fetch(reservation, &mut |_, _| true)
}

#[track_caller]
fn missed(fetched: Result<Fetched, RemoteError>) -> String {
    match fetched.unwrap() {
        Fetched::Miss { why } => why,
        Fetched::Here(artifact) => panic!("{artifact:?}"),
    }
}

#[test]
fn an_artifact_comes_back_as_it_was_with_its_provenance() {
    let (here, plan) = swept();
    each_place(|place| {
        let there = Sandbox::new();
        let ours = artifact(&here.store(), &plan, StageKind::Gradients);
        let remote = remote(place);
        let key = ours.manifest.key;
        assert!(!remote.has(StageKind::Gradients, &key).unwrap());
        assert!(matches!(remote.push(&ours).unwrap(), Pushed::New { bytes } if bytes > 0));
        assert!(matches!(remote.push(&ours).unwrap(), Pushed::Known { bytes: 0 }));
        let Fetched::Here(theirs) = fetch(&remote, &there.store(), &ours).unwrap() else {
            panic!("it is there")
        };
        assert_eq!(theirs.manifest, ours.manifest);
        for name in ["manifest.json", "output.txt"] {
            assert_eq!(fs::read(theirs.dir.join(name)).unwrap(), fs::read(ours.dir.join(name)).unwrap());
        }
        there.store().sweep_locks().unwrap();
        let left = |folder: &str| fs::read_dir(there.store().root().join("v1").join(folder)).unwrap().count();
        assert_eq!((left("locks"), left("staging")), (0, 0));
    });
}

#[test]
fn a_large_file_goes_in_parts_and_comes_back() {
    let (here, plan) = swept();
    let stage = plan.stages.iter().position(|stage| stage.kind() == StageKind::Gradients).unwrap();
    let payload = plan.payload(stage).unwrap();
    let store = here.store();
    fs::remove_dir_all(store.artifact_dir(StageKind::Gradients, &payload.key())).unwrap();
    let Lookup::Miss(reservation) = store.reserve(&payload).unwrap() else { panic!("it was removed") };
    let mut random = tacq_testkit::random::Random::new(5);
    let large: Vec<u8> = (0..4_400_000).flat_map(|_| random.below(usize::MAX).to_le_bytes()).collect();
    fs::create_dir_all(reservation.output_dir().unwrap().join("sub")).unwrap();
    fs::write(reservation.output_dir().unwrap().join("large.bin"), &large).unwrap();
    let execution = artifact(&store, &plan, StageKind::Calibrate).manifest.execution;
    let ours = reservation.commit("large", execution).unwrap();
    each_place(|place| {
        let there = Sandbox::new();
        let remote = remote(place);
        assert_eq!(remote.push(&ours).unwrap(), Pushed::New { bytes: large.len() as u64 });
        let Fetched::Here(theirs) = fetch(&remote, &there.store(), &ours).unwrap() else {
            panic!("it is there")
        };
        assert!(fs::read(theirs.dir.join("large.bin")).unwrap() == large);
        // A file that is not what its manifest says never gets a name there.
        let mut damaged = large.clone();
        damaged[30_000_000] ^= 1;
        let path = ours.dir.join("large.bin");
        fs::write(&path, &damaged).unwrap();
        place.remove(&place.blobs()[0]);
        assert!(matches!(remote.push(&ours), Err(RemoteError::LocalDamage { .. })));
        assert_eq!(place.blobs(), Vec::<String>::new());
        fs::write(&path, &large).unwrap();
    });
}

#[test]
fn pushes_of_one_key_at_once_end_with_one_manifest() {
    let (here, plan) = swept();
    each_place(|place| {
        let ours = artifact(&here.store(), &plan, StageKind::Evaluate);
        let ended: Vec<Pushed> = std::thread::scope(|scope| {
            let pushes: Vec<_> = (0..6).map(|_| scope.spawn(|| remote(place).push(&ours).unwrap())).collect();
            pushes.into_iter().map(|push| push.join().unwrap()).collect()
        });
        let new = ended.iter().filter(|pushed| matches!(pushed, Pushed::New { .. })).count();
        let known = ended.iter().filter(|pushed| matches!(pushed, Pushed::Known { .. })).count();
        assert_eq!((new, known), (1, 5), "{ended:?}");
        assert_eq!(place.manifests().len(), 1);
    });
}

#[test]
fn another_result_under_the_same_key_is_told_and_not_replaced() {
    let (here, plan) = swept();
    each_place(|place| {
        let remote = remote(place);
        let ours = artifact(&here.store(), &plan, StageKind::Evaluate);
        remote.push(&ours).unwrap();
        let there = Sandbox::new();
        let Lookup::Miss(reservation) = there.store().reserve(&ours.manifest.payload).unwrap() else {
            panic!()
        };
        let output = reservation.output_dir().unwrap();
        for file in &ours.manifest.files {
            fs::copy(ours.dir.join(&file.path), output.join(&file.path)).unwrap();
        }
        fs::write(output.join("output.txt"), "another result\n").unwrap();
        let theirs = reservation.commit("evaluate", ours.manifest.execution.clone()).unwrap();
        let before = place.blobs();
        let Pushed::Differs { files, .. } = remote.push(&theirs).unwrap() else { panic!("they differ") };
        assert_eq!(files, ["output.txt"]);
        assert_eq!(place.blobs(), before, "nothing was uploaded for it");
        let third = Sandbox::new();
        let Fetched::Here(found) = fetch(&remote, &third.store(), &ours).unwrap() else {
            panic!("it is there")
        };
        assert_eq!(found.manifest, ours.manifest);
    });
}

#[test]
fn missing_and_damaged_blobs_are_misses_and_the_next_push_replaces_them() {
    let (here, plan) = swept();
    each_place(|place| {
        let remote = remote(place);
        let there = Sandbox::new();
        let ours = artifact(&here.store(), &plan, StageKind::Gradients);
        let wrong: Option<&[u8]> = Some(b"0123456789abcdeX\n");
        for (what, bytes) in [("are missing", None), ("are damaged", wrong), ("are damaged", Some(b"short"))]
        {
            remote.push(&ours).unwrap();
            let blob = place.blobs().remove(0);
            assert_eq!(place.read(&blob).len(), 17);
            match bytes {
                Some(bytes) => place.overwrite(&blob, bytes),
                None => place.remove(&blob),
            }
            let why = missed(fetch(&remote, &there.store(), &ours));
            assert!(why.contains(what), "{why}");
            assert!(there.store().get(StageKind::Gradients, &ours.manifest.key).unwrap().is_none());
            assert!(matches!(remote.push(&ours).unwrap(), Pushed::Known { bytes: 17 }), "{what}");
        }
        assert!(matches!(fetch(&remote, &there.store(), &ours).unwrap(), Fetched::Here(_)));
    });
}

#[test]
fn manifests_from_there_are_not_trusted() {
    let (here, plan) = swept();
    each_place(|place| {
        let remote = remote(place);
        let ours = artifact(&here.store(), &plan, StageKind::Gradients);
        remote.push(&ours).unwrap();
        let name = place.manifests().remove(0);
        let text = String::from_utf8(place.read(&name)).unwrap();
        let there = Sandbox::new();
        for (from, to, words) in [
            ("\"output.txt\"", "\"../../../output.txt\"", "no stage writes"),
            ("\"output.txt\"", "\"/tmp/output.txt\"", "no stage writes"),
            ("\"output.txt\"", "\"manifest.json\"", "no stage writes"),
            ("\"abs\"", "\"square\"", "of another stage"),
            ("{", "", "no manifest"),
        ] {
            place.overwrite(&name, text.replacen(from, to, 1).as_bytes());
            let why = missed(fetch(&remote, &there.store(), &ours));
            assert!(why.contains(words), "{to}: {why}");
        }
    });
}

#[test]
fn read_only_never_writes() {
    let (here, plan) = swept();
    each_place(|place| {
        let settings = RemoteSettings { mode: RemoteMode::ReadOnly, ..RemoteSettings::new(place.location()) };
        let ours = artifact(&here.store(), &plan, StageKind::Evaluate);
        remote(place).push(&ours).unwrap();
        let before = place.all();
        let reader = Remote::new(settings);
        assert!(matches!(reader.push(&ours), Err(RemoteError::ReadOnly { .. })));
        let there = Sandbox::new();
        assert!(matches!(fetch(&reader, &there.store(), &ours).unwrap(), Fetched::Here(_)));
        assert_eq!(place.all(), before);
    });
}

#[test]
fn what_is_there_is_found_one_by_one_and_by_listing() {
    let (here, plan) = swept();
    each_place(|place| {
        let remote = remote(place);
        let store = here.store();
        let keys = |kind: StageKind| {
            plan.stages.iter().filter(move |s| s.kind() == kind).filter_map(move |s| Some((kind, *s.key()?)))
        };
        let evaluations: Vec<_> = keys(StageKind::Evaluate).collect();
        for (kind, key) in &evaluations[1..] {
            remote.push(&store.get(*kind, key).unwrap().unwrap()).unwrap();
        }
        let mut asked: Vec<_> = evaluations.iter().copied().chain(keys(StageKind::Select)).collect();
        assert_eq!(remote.present(&asked).unwrap().len(), evaluations.len() - 1);
        // So many more that the kind is listed.
        let made_up = |i: u32| {
            let mut payload = artifact(&store, &plan, StageKind::Evaluate).manifest.payload;
            payload.params["limit"] = i.into();
            (StageKind::Evaluate, payload.key())
        };
        asked.extend((0..40).map(made_up));
        let found = remote.present(&asked).unwrap();
        assert_eq!(found.into_iter().collect::<Vec<_>>(), {
            let mut there: Vec<_> = evaluations[1..].iter().map(|(_, key)| *key).collect();
            there.sort();
            there
        });
    });
}

#[test]
fn a_store_that_is_not_there_is_told_in_a_sentence() {
    let sandbox = Sandbox::new();
    let nowhere = sandbox.root.join("not/mounted").display().to_string();
    sandbox.sweep_fake(&["run", "exp.yaml", "--remote", &nowhere]).expect(0).says(&[
        "going on without what others computed",
        "is the shared file system mounted?",
        &format!("{STAGES} computed"),
        "the next run tries again",
    ]);
    assert_eq!(
        sandbox.store().unpushed().unwrap().len(),
        1 + 2 + 4 + 3,
        "calibration, masks, results, sizes"
    );
    sandbox.sweep(&["store", "push", "exp.yaml", "--remote", &nowhere]).expect(3).says(&["not/mounted"]);
    sandbox.sweep(&["store", "push", "exp.yaml"]).expect(2).says(&["--remote s3://bucket/prefix"]);
    sandbox.sweep(&["store", "pull"]).expect(2).says(&["store pull FILE"]);
    sandbox.sweep(&["plan", "exp.yaml", "--remote", "ftp://x"]).expect(2).says(&["s3://bucket/prefix"]);
    // What was left is pushed by the next run, although it has nothing to compute.
    let place = sandbox.root.join("shared").display().to_string();
    sandbox.sweep_fake(&["run", "exp.yaml", "--remote", &place]).expect(0).says(&["pushed 7 artifacts"]);
    assert_eq!(sandbox.store().unpushed().unwrap(), []);
}
