//! What concerns people: control bodies, link codes, and the messages about devices and keys.

use crate::{assert_golden, golden::reader::Reader};
use velo_protocol::{
    access::Role,
    codec,
    control::{CONTROL_VERSION, Cap, Genesis, Grant, Introduction, Join, Link, Revoke, Unlink},
    crypto::{LinkCert, SecretKey, Sig},
    founding::Founding,
    id::{DeviceId, EntryId, LogId, PersonId, WorkspaceId},
    keys::{
        secret::{Commitment, SealedKey},
        wrap::{RecipientKey, Wrap},
    },
    link_code::{LinkCode, LinkSecret},
    log::Head,
    message::{
        CarryAnswer, CarryOffer, CarryVerdict, Claim, ClaimBy, Confirmed, ConfirmedHead, LinkAccept,
        LinkDone, LinkOffer, Message, NeedKeys, Recover, Recovered,
    },
    root::{RecoveryKey, Root},
    ticket::SessionSecret,
};

const WORKSPACE: WorkspaceId = WorkspaceId([9; 32]);
const PERSON: PersonId = PersonId([4; 32]);
const SIG: Sig = Sig([7; 64]);

fn certificate() -> LinkCert {
    let (root, device) = (SecretKey::from_seed(&[1; 32]), SecretKey::from_seed(&[2; 32]));
    LinkCert::issue(PersonId(root.public()), &root, &device, [3; 32])
}

fn introduction() -> Introduction {
    Introduction {
        chain: vec![certificate()],
        recovery: RecoveryKey { key: RecipientKey([6; 32]), by_root: SIG },
    }
}

/// Certificates are 256 bytes: person, parent, child, its receiving key, and two signatures.
fn skip_chain(reader: &mut Reader<'_>) {
    assert_eq!(reader.number(), 1);
    reader.take(256);
}

#[test]
fn control_bodies_are_frozen() {
    let version = CONTROL_VERSION;
    let (subject, invite, device) = (PERSON, EntryId([5; 32]), DeviceId([8; 32]));
    let genesis = codec::encode(&Genesis { version, founder: introduction(), session: Commitment([7; 32]) });
    assert_golden("genesis", &genesis);
    let mut reader = Reader(&genesis);
    assert_eq!(reader.byte(), 1);
    skip_chain(&mut reader);
    // The recovery key, and the root's signature over it.
    assert_eq!((reader.take(32), reader.take(64)), (&[6; 32][..], &[7; 64][..]));
    assert_eq!((reader.take(32), reader.0.len()), (&[7; 32][..], 0), "the commitment to the session secret");
    let join = codec::encode(&Join { version, joiner: introduction(), by_invite: SIG });
    assert_golden("join", &join);
    let mut reader = Reader(&join);
    reader.byte();
    skip_chain(&mut reader);
    assert_eq!((reader.take(32), reader.take(64)), (&[6; 32][..], &[7; 64][..]));
    assert_eq!((reader.take(64), reader.0.len()), (&[7; 64][..], 0));
    let grant = codec::encode(&Grant { version, subject, role: Role::Owner });
    assert_golden("grant", &grant);
    assert_eq!(grant[1..], [&[4; 32][..], &[3]].concat());
    let cap = codec::encode(&Cap { version, subject, role: None });
    assert_golden("cap", &cap);
    assert_eq!(cap[1..], [&[4; 32][..], &[0]].concat());
    let revoke = codec::encode(&Revoke { version, invite });
    assert_golden("revoke", &revoke);
    assert_eq!(revoke[1..], [5; 32]);
    let link = codec::encode(&Link { version, chain: vec![certificate()] });
    assert_golden("link", &link);
    assert_eq!(link.len(), 2 + 256);
    let unlink = codec::encode(&Unlink { version, device });
    assert_golden("unlink", &unlink);
    assert_eq!(unlink[1..], [8; 32]);
}

#[test]
fn messages_about_people_are_frozen() {
    let wrap = wrap();
    let invite = ClaimBy::Invite { invite: EntryId([5; 32]), by_invite: SIG };
    let certificates = ClaimBy::Certificates { person: PERSON, chain: vec![certificate()] };
    let messages = [
        (
            "need-keys",
            6,
            Message::NeedKeys(NeedKeys { workspace: WORKSPACE, epochs: vec![EntryId([5; 32])] }),
        ),
        (
            "link-offer",
            7,
            Message::LinkOffer(LinkOffer { person: PERSON, introduction: introduction(), proof: [2; 32] }),
        ),
        (
            "link-accept",
            8,
            Message::LinkAccept(LinkAccept { receiving: RecipientKey([3; 32]), by_child: SIG }),
        ),
        (
            "link-done",
            9,
            Message::LinkDone(LinkDone {
                certificate: certificate(),
                private: Some(Box::new(Root::from_seed([9; 32]).private_workspace())),
                workspaces: vec![(WORKSPACE, SessionSecret([1; 32]))],
            }),
        ),
        ("recover", 10, Message::Recover(Recover { person: PERSON, by_root: SIG })),
        (
            "recovered",
            11,
            Message::Recovered(Recovered { workspace: WORKSPACE, founding: founding(), secret: wrap }),
        ),
        ("claim-invite", 12, Message::Claim(Claim { workspace: WORKSPACE, by: invite })),
        ("claim-certificates", 12, Message::Claim(Claim { workspace: WORKSPACE, by: certificates })),
        ("withdrawn", 13, Message::Withdrawn(WORKSPACE)),
    ];
    let lengths = [
        1 + 32 + 1 + 32,
        1 + 32 + 1 + 256 + 32 + 64 + 32,
        1 + 32 + 64,
        1 + 256 + 1 + 413 + 1 + 64,
        1 + 32 + 64,
        1 + 32 + 220 + 80,
        1 + 32 + 1 + 32 + 64,
        1 + 32 + 1 + 32 + 1 + 256,
        1 + 32,
    ];
    for ((name, tag, message), length) in messages.into_iter().zip(lengths) {
        let frame = message.encode();
        assert_golden(name, &frame);
        assert_eq!((frame[0], frame.len()), (tag, length), "{name}");
        assert_eq!(Message::decode(&frame), Ok(message), "{name}");
    }
}

fn founding() -> Founding {
    let genesis = Root::from_seed([9; 32]).private_workspace().genesis;
    Founding::of(genesis.origin.unwrap(), genesis).unwrap()
}

fn wrap() -> Wrap {
    Wrap { enc: [3; 32], key: SealedKey { text: [1; 32], tag: [2; 16] } }
}

#[test]
fn link_codes_are_frozen() {
    let (device, secret) = (DeviceId([8; 32]), LinkSecret([1; 16]));
    let code = LinkCode { device, secret, addresses: vec!["/ip4/127.0.0.1/tcp/4001".into()] };
    assert_golden("link-code", code.to_string().as_bytes());
    assert_eq!(code.to_string().parse(), Ok(code));
}

#[test]
fn messages_to_relays_are_frozen() {
    let offer =
        CarryOffer { workspace: WORKSPACE, secret: SessionSecret([1; 32]), token: "token".to_owned() };
    let carried = CarryVerdict::Carried { person: PERSON, chain: vec![certificate()] };
    let declined = CarryVerdict::Declined("no".to_owned());
    let answer = |verdict| Message::CarryAnswer(CarryAnswer { workspace: WORKSPACE, verdict });
    let head = Head { position: 7, id: EntryId([5; 32]) };
    let heads = vec![ConfirmedHead { log: LogId([4; 32]), head, held_s: 3_600 }];
    let confirmed = Confirmed { workspace: WORKSPACE, relay: DeviceId([3; 32]), heads };
    let messages = [
        ("carry-offer", 15, Message::CarryOffer(offer), 1 + 32 + 32 + 1 + 5),
        ("carry-answer-carried", 16, answer(carried), 1 + 32 + 1 + 32 + 1 + 256),
        ("carry-answer-declined", 16, answer(declined), 1 + 32 + 1 + 1 + 2),
        ("carry-answer-full", 16, answer(CarryVerdict::Full), 1 + 32 + 1),
        ("confirmed", 17, Message::Confirmed(confirmed), 1 + 32 + 32 + 1 + (32 + 1 + 32 + 3)),
    ];
    for (name, tag, message, length) in messages {
        let frame = message.encode();
        assert_golden(name, &frame);
        assert_eq!((frame[0], frame.len()), (tag, length), "{name}");
        assert_eq!(Message::decode(&frame), Ok(message), "{name}");
    }
}
