//! The key file, with anything in it: it is refused and left alone, or its keys hold. If the
//! first byte is odd, the checksum is put behind the rest.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::{
    fs::{self, Permissions},
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::LazyLock,
};
use tempfile::TempDir;
use velo_node::{
    data_dir::{DataDir, Records},
    keystore::{Keys, KeystoreError},
};
use velo_protocol::crypto;

struct Home {
    _home: TempDir,
    dir: DataDir,
    path: PathBuf,
}

static HOME: LazyLock<Home> = LazyLock::new(|| {
    let home = tempfile::tempdir().expect("a folder");
    let dir = DataDir::open(home.path()).expect("a data directory");
    let path = dir.keys().join("device.key");
    fs::write(&path, []).expect("a file");
    fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("permissions");
    Home { _home: home, dir, path }
});

fuzz_target!(|input: &[u8]| {
    let Some((mend, content)) = input.split_first() else { return };
    let mut bytes = content.to_vec();
    if mend % 2 == 1 {
        bytes.extend(blake3::hash(content).as_bytes());
    }
    let Home { dir, path, .. } = &*HOME;
    fs::write(path, &bytes).expect("a file");
    // Trying a passphrase is slow on purpose; what stands under it was sealed by the program itself.
    let nobody = || Err(KeystoreError::PassphraseNeeded);
    match Keys::of_device_asking(dir, &Records::default(), &nobody) {
        Ok(keys) => {
            let identity = keys.identity();
            crypto::verify_chain(identity.person, identity.device_id(), &identity.chain)
                .expect("its chain holds");
        }
        Err(
            KeystoreError::Damaged { .. }
            | KeystoreError::PassphraseNeeded
            | KeystoreError::NoKeyring { .. }
            | KeystoreError::KeyringLocked { .. }
            | KeystoreError::NotInKeyring { .. },
        ) => {}
        Err(error) => panic!("{error}"),
    }
    assert!(fs::read(path).is_ok_and(|found| found == bytes), "the file was written to");
});
