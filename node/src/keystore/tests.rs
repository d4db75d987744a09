//! Keys on a disk: kept, found again, changed, and refused when they are not what they were.

use super::*;
use proptest::prelude::*;
use velo_protocol::crypto;

const PASSPHRASE: &str = "correct horse";

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

fn passphrase(text: &str) -> Passphrase {
    Passphrase::new(text.to_owned())
}

fn nobody() -> Result<Passphrase, KeystoreError> {
    Err(KeystoreError::PassphraseNeeded)
}

#[expect(clippy::unnecessary_wraps, reason = "as it is asked for")]
fn somebody() -> Result<Passphrase, KeystoreError> {
    Ok(passphrase(PASSPHRASE))
}

fn made(folder: &Path) -> Keys {
    Keys::open_or_create(folder, &nobody).unwrap()
}

fn opened(folder: &Path) -> Result<Keys, KeystoreError> {
    Keys::open(folder, None, &nobody)
}

fn change(folder: &Path) -> Change {
    Change::begin(folder, &somebody).unwrap()
}

/// Whether `secret` stands anywhere in the files of `folder`.
fn holds(folder: &Path, secret: &[u8]) -> bool {
    let files = std::fs::read_dir(folder).unwrap().map(|file| std::fs::read(file.unwrap().path()).unwrap());
    files.into_iter().any(|bytes| bytes.windows(secret.len()).any(|window| window == secret))
}

#[test]
fn keys_come_back_and_their_chain_holds() {
    let folder = folder();
    let first = made(folder.path()).identity();
    let again = made(folder.path()).identity();
    assert_eq!(first.device_id(), again.device_id());
    assert_eq!((first.person, first.recovery), (again.person, again.recovery));
    assert_eq!(first.receiving.public(), again.receiving.public());
    assert!(first.private.is_some() && first.private == again.private);
    assert_eq!(again.chain[0].child_x25519, again.receiving.public().0);
    crypto::verify_chain(again.person, again.device_id(), &again.chain).unwrap();
}

#[test]
#[cfg(unix)]
fn a_file_that_others_can_read_is_refused_with_what_to_do() {
    use std::os::unix::fs::PermissionsExt;
    let folder = folder();
    made(folder.path());
    let path = file::path(folder.path());
    let mode = |mode| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    mode(0o644);
    let error = opened(folder.path()).unwrap_err().to_string();
    assert!(error.contains(&format!("chmod 600 {}", path.display())), "{error}");
    mode(0o600);
    opened(folder.path()).unwrap();
}

#[test]
fn damage_anywhere_is_noticed_and_never_overwritten() {
    let folder = folder();
    made(folder.path());
    let path = file::path(folder.path());
    let whole = std::fs::read(&path).unwrap();
    for at in 0..whole.len() {
        assert!(file::parse(&whole[..at]).is_none(), "cut at {at}");
    }
    std::fs::write(&path, &whole[..40]).unwrap();
    let error = Keys::open_or_create(folder.path(), &nobody).unwrap_err();
    assert!(matches!(error, KeystoreError::Damaged { .. }), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), &whole[..40]);
    std::fs::write(&path, vec![0; 10 * crate::limits::KEY_FILE]).unwrap();
    assert!(matches!(opened(folder.path()).unwrap_err(), KeystoreError::Damaged { .. }));
}

/// A file in each way of keeping keys. A cheap passphrase, since nothing is opened.
fn files() -> Vec<Vec<u8>> {
    let folder = folder();
    let keys = made(folder.path());
    let sealed = SealingKey::new(&passphrase(PASSPHRASE)).unwrap().seal(true, &keys.stored.encode()).unwrap();
    let entry = EntryName::random().unwrap();
    [file::plain(&keys.stored), file::sealed(&sealed), file::in_keyring(true, entry)]
        .map(|bytes| bytes.to_vec())
        .into()
}

#[test]
fn a_thousand_flipped_bits_are_refused() {
    let files = files();
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig::with_cases(1_000));
    let places = (0..files.len(), any::<prop::sample::Index>(), any::<prop::sample::Index>());
    let tried = runner.run(&places, |(which, one, other)| {
        let mut bytes = files[which].clone();
        let (one, other) = (one.index(8 * bytes.len()), other.index(8 * bytes.len()));
        bytes[one / 8] ^= 1 << (one % 8);
        prop_assert!(file::parse(&bytes).is_none());
        if one != other {
            bytes[other / 8] ^= 1 << (other % 8);
            prop_assert!(file::parse(&bytes).is_none());
        }
        // Somebody may mend the checksum: then it is read or refused.
        let end = bytes.len() - 32;
        let sum = blake3::hash(&bytes[..end]);
        bytes[end..].copy_from_slice(sum.as_bytes());
        let _ = file::parse(&bytes);
        Ok(())
    });
    tried.unwrap();
}

#[test]
fn the_right_phrase_wipes_the_root_and_no_other_does() {
    let folder = folder();
    let keys = made(folder.path());
    let (person, root) = (keys.person(), keys.stored.root.unwrap());
    assert!(holds(folder.path(), &root));
    let phrase = change(folder.path()).phrase().unwrap();
    let mut words: Vec<&str> = phrase.split(' ').collect();
    words.swap(2, 20);
    for (wrong, said) in [
        (words.join(" "), "words 3 and 21 are not those of your phrase"),
        (Root::from_seed([9; 32]).phrase().to_string(), "somebody else"),
        (phrase.replacen(words[0], "velo", 1), "word 1, \"velo\", is not in the list"),
        (String::new(), "this has 0"),
    ] {
        let error = change(folder.path()).confirm(&wrong).unwrap_err().to_string();
        assert!(words[2] == words[20] || error.contains(said), "{error}");
        assert!(!Standing::of(folder.path()).unwrap().phrase_confirmed);
    }
    change(folder.path()).confirm(&phrase).unwrap();
    assert!(!holds(folder.path(), &root));
    assert!(Standing::of(folder.path()).unwrap().phrase_confirmed);
    assert_eq!(opened(folder.path()).unwrap().person(), person);
    // Once more does no harm, and the person is still recognised.
    let mut change = change(folder.path());
    assert!(change.phrase().is_none());
    change.confirm(&phrase).unwrap();
    assert!(matches!(change.confirm(&Root::from_seed([9; 32]).phrase()), Err(KeystoreError::OtherPhrase)));
}

#[test]
fn a_passphrase_is_set_changed_and_removed() {
    let folder = folder();
    let (device, root) = {
        let keys = made(folder.path());
        (keys.identity().device_id(), keys.stored.root.unwrap())
    };
    change(folder.path()).set_passphrase(Some(&passphrase(PASSPHRASE))).unwrap();
    assert!(!holds(folder.path(), &root), "nothing is left in the open");
    let standing = Standing { place: Place::File, passphrase: true, phrase_confirmed: false };
    assert_eq!(Standing::of(folder.path()).unwrap(), standing);
    assert!(matches!(opened(folder.path()), Err(KeystoreError::PassphraseNeeded)));
    let wrong = Keys::open(folder.path(), None, &|| Ok(passphrase("battery staple")));
    assert!(matches!(wrong, Err(KeystoreError::WrongPassphrase)));
    let keys = Keys::open(folder.path(), None, &somebody).unwrap();
    assert_eq!(keys.identity().device_id(), device);

    let short = change(folder.path()).set_passphrase(Some(&passphrase("short")));
    assert!(matches!(short, Err(KeystoreError::PassphraseLength)));
    change(folder.path()).set_passphrase(Some(&passphrase("battery staple"))).unwrap();
    assert!(matches!(Keys::open(folder.path(), None, &somebody), Err(KeystoreError::WrongPassphrase)));
    let mut change = Change::begin(folder.path(), &|| Ok(passphrase("battery staple"))).unwrap();
    change.set_passphrase(None).unwrap();
    assert_eq!(opened(folder.path()).unwrap().identity().device_id(), device);
}

/// The person confirms in the app, which has no terminal to ask for the passphrase.
#[test]
fn a_running_node_confirms_under_the_passphrase_it_started_with() {
    let folder = folder();
    let root = made(folder.path()).stored.root.unwrap();
    change(folder.path()).set_passphrase(Some(&passphrase(PASSPHRASE))).unwrap();
    let door = Keys::open(folder.path(), None, &somebody).unwrap().door();
    let phrase = door.phrase().unwrap().unwrap();
    assert_eq!(Root::from_phrase(&phrase).unwrap().seed(), &root);
    door.confirm_phrase(&phrase).unwrap();
    assert!(door.phrase().unwrap().is_none());
    assert!(door.standing().unwrap().passphrase);
    assert!(Keys::open(folder.path(), None, &somebody).unwrap().stored.root.is_none());
}

#[test]
fn a_running_node_changes_the_passphrase_for_who_knows_it() {
    let folder = folder();
    made(folder.path());
    let door = opened(folder.path()).unwrap().door();
    door.set_passphrase(None, Some(&passphrase(PASSPHRASE))).unwrap();
    assert!(door.standing().unwrap().passphrase);
    let staple = passphrase("battery staple");
    for (now, expected) in [(None, "under a passphrase"), (Some(&staple), "is wrong")] {
        let refused = door.set_passphrase(now, None).unwrap_err().to_string();
        assert!(refused.contains(expected), "what the node knows opens nothing here: {refused}");
    }
    door.set_passphrase(Some(&passphrase(PASSPHRASE)), Some(&staple)).unwrap();
    let phrase = door.phrase().unwrap().unwrap();
    door.confirm_phrase(&phrase).unwrap();
    door.set_passphrase(Some(&staple), None).unwrap();
    assert!(!door.standing().unwrap().passphrase && opened(folder.path()).is_ok());
}

#[test]
fn one_change_at_a_time() {
    let folder = folder();
    made(folder.path());
    let first = change(folder.path());
    assert!(matches!(Change::begin(folder.path(), &nobody), Err(KeystoreError::Busy)));
    opened(folder.path()).unwrap();
    drop(first);
    change(folder.path());
}

#[test]
fn a_recovered_device_is_the_persons_and_has_no_root() {
    let (folder, root) = (folder(), Root::from_seed([4; 32]));
    let identity = Keys::recovered(folder.path(), &root).unwrap().identity();
    assert_eq!((identity.person, identity.chain.len()), (root.person(), 1));
    assert_eq!(identity.recovery, root.recovery_key());
    assert!(!holds(folder.path(), root.seed()));
    assert!(Standing::of(folder.path()).unwrap().phrase_confirmed);
    let again = Keys::recovered(folder.path(), &root);
    assert!(matches!(again, Err(KeystoreError::Taken { .. })), "keys are never replaced");
}

/// A crash in the middle of taking a passphrase away.
#[test]
fn what_a_crash_left_is_swept() {
    let folder = folder();
    let keys = made(folder.path());
    let stray = file::path(folder.path()).with_extension("new");
    std::fs::write(&stray, &*file::plain(&keys.stored)).unwrap();
    file::sweep(folder.path());
    assert!(!stray.exists());
}

/// Somebody else's backup may be a second name of the file.
#[test]
#[cfg(unix)]
fn a_second_name_of_the_file_is_left_alone() {
    let folder = folder();
    let keys = made(folder.path());
    let backup = folder.path().join("backup");
    std::fs::hard_link(file::path(folder.path()), &backup).unwrap();
    let phrase = change(folder.path()).phrase().unwrap();
    change(folder.path()).confirm(&phrase).unwrap();
    assert_eq!(std::fs::read(&backup).unwrap(), *file::plain(&keys.stored));
}

#[test]
fn no_secret_is_printed() {
    let folder = folder();
    let keys = made(folder.path());
    let shown =
        format!("{keys:?} {:?} {:?} {:?}", change(folder.path()), keys.door(), passphrase(PASSPHRASE));
    assert!(shown.starts_with("Keys(person ") && !shown.contains(PASSPHRASE), "{shown}");
    let bytes: Vec<String> = keys.stored.device[..4].iter().map(ToString::to_string).collect();
    assert!(!shown.contains(&bytes.join(", ")), "{shown}");
}
