use super::*;

fn device(n: u8) -> DeviceId {
    DeviceId([n; 32])
}

fn lan(port: u16) -> Multiaddr {
    format!("/ip4/192.168.0.2/tcp/{port}").parse().unwrap()
}

fn wan() -> Multiaddr {
    "/ip4/93.184.216.34/tcp/4001".parse().unwrap()
}

/// At an address of its own.
fn neighbour(n: usize) -> Multiaddr {
    format!("/ip4/192.168.{}.{}/tcp/4001", 1 + n / 200, 1 + n % 200).parse().unwrap()
}

/// A dialer in virtual time. The device is number 5.
struct Bench {
    dialer: Dialer,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        Self { dialer: Dialer::new(device(5), 7), now: Instant::now() }
    }

    fn pass(&mut self, time: Duration) {
        self.now += time;
    }

    /// Time until the next dial; lets it pass.
    fn until_next(&mut self) -> Duration {
        let wait = self.dialer.next_wake().unwrap().saturating_duration_since(self.now);
        self.pass(wait);
        wait
    }

    /// The next dial, after the time until then.
    fn next(&mut self) -> (Duration, Target, Vec<Multiaddr>) {
        let wait = self.until_next();
        let (target, addresses) = self.dialer.poll(self.now).unwrap();
        (wait, target, addresses)
    }

    fn knows(&self, wanted: &Target) -> bool {
        self.dialer.targets().any(|(target, _)| target == wanted)
    }

    fn fail(&mut self, peer: DeviceId) {
        self.dialer.failed(&Target::Peer(peer), "refused", self.now);
    }
}

fn ms(wait: Duration) -> u128 {
    wait.as_millis()
}

#[test]
fn the_smaller_id_dials_at_once_and_the_larger_one_waits() {
    let mut bench = Bench::new();
    bench.dialer.discovered(device(9), &[lan(1)], bench.now);
    assert_eq!(bench.next(), (Duration::ZERO, Target::Peer(device(9)), vec![lan(1)]));
    bench.dialer.discovered(device(1), &[lan(2)], bench.now);
    let (wait, target, _) = bench.next();
    assert_eq!(target, Target::Peer(device(1)));
    assert!((300..=390).contains(&ms(wait)), "{wait:?}");
}

#[test]
fn the_peer_that_dials_us_meanwhile_is_not_dialled() {
    let mut bench = Bench::new();
    bench.dialer.discovered(device(1), &[lan(2)], bench.now);
    bench.dialer.connected(device(1), Path::Lan, bench.now);
    assert_eq!(bench.dialer.next_wake(), None);
    bench.dialer.discovered(device(1), &[lan(3)], bench.now);
    assert_eq!(bench.dialer.next_wake(), None);
}

#[test]
fn delays_double_with_jitter_up_to_the_cap_of_the_path() {
    for (address, cap) in [(lan(1), 30_000), (wan(), 60_000)] {
        let mut bench = Bench::new();
        bench.dialer.discovered(device(9), &[address], bench.now);
        bench.next();
        let mut base = 250;
        for _ in 0..12 {
            bench.fail(device(9));
            let (wait, ..) = bench.next();
            let range = (base * 7 / 10)..=(base * 13 / 10).min(cap);
            assert!(range.contains(&ms(wait)), "{wait:?} is not in {range:?}");
            base = (base * 2).min(cap);
        }
    }
}

#[test]
fn hope_starts_the_delay_anew() {
    let hopes: [fn(&mut Bench); 3] = [
        |bench| bench.dialer.discovered(device(9), &[lan(1)], bench.now),
        |bench| bench.dialer.redial(bench.now),
        |bench| bench.dialer.wanted(Some(device(9)), &lan(1), bench.now),
    ];
    for hope in hopes {
        let mut bench = Bench::new();
        bench.dialer.discovered(device(9), &[lan(1)], bench.now);
        for _ in 0..8 {
            bench.next();
            bench.fail(device(9));
        }
        hope(&mut bench);
        assert_eq!(bench.next().0, Duration::ZERO);
        bench.fail(device(9));
        assert!(ms(bench.until_next()) <= 325);
    }
}

#[test]
fn a_stable_session_starts_the_delay_anew_and_a_short_one_does_not() {
    for (held, longest) in [(60_000, 325), (59_999, 5_200)] {
        let mut bench = Bench::new();
        bench.dialer.discovered(device(9), &[lan(1)], bench.now);
        for _ in 0..4 {
            bench.next();
            bench.fail(device(9));
        }
        bench.dialer.connected(device(9), Path::Lan, bench.now);
        bench.pass(Duration::from_millis(held));
        bench.dialer.disconnected(device(9), "cut", bench.now);
        let wait = ms(bench.until_next());
        assert!((longest * 7 / 13..=longest).contains(&wait), "{wait} ms after {held} ms");
    }
}

#[test]
fn a_peer_set_aside_is_not_dialled_until_its_time_or_a_persons_wish() {
    let mut bench = Bench::new();
    bench.dialer.discovered(device(9), &[lan(1)], bench.now);
    bench.next();
    bench.dialer.set_aside(device(9), Duration::from_mins(10), bench.now);
    bench.pass(Duration::from_secs(10));
    bench.dialer.discovered(device(9), &[lan(1)], bench.now);
    bench.dialer.redial(bench.now);
    assert_eq!(bench.dialer.poll(bench.now), None);
    let mut later = Bench { dialer: bench.dialer, now: bench.now };
    assert_eq!(later.next().0, Duration::from_secs(590));
    later.dialer.set_aside(device(9), Duration::from_mins(10), later.now);
    later.dialer.wanted(Some(device(9)), &lan(1), later.now);
    assert_eq!(later.next().0, Duration::ZERO);
}

#[test]
fn an_address_is_a_target_until_a_device_answers() {
    let mut bench = Bench::new();
    bench.dialer.wanted(None, &lan(1), bench.now);
    assert_eq!(bench.next().1, Target::Address(lan(1)));
    bench.dialer.answered(&lan(1), device(9));
    assert!(bench.dialer.is_dialling(device(9)));
    bench.dialer.connected(device(9), Path::Lan, bench.now);
    bench.dialer.disconnected(device(9), "cut", bench.now);
    assert_eq!(bench.next().1, Target::Peer(device(9)));
    assert_eq!(bench.dialer.targets().count(), 1);
}

fn stranger(n: usize) -> DeviceId {
    let mut bytes = [200; 32];
    bytes[..8].copy_from_slice(&n.to_be_bytes());
    DeviceId(bytes)
}

#[test]
fn what_strangers_announce_is_bounded_and_gives_way() {
    let mut bench = Bench::new();
    for n in 0..TARGETS + 10 {
        bench.dialer.discovered(stranger(n), &[neighbour(n)], bench.now);
    }
    assert_eq!(bench.dialer.targets().count(), TARGETS);
    bench.dialer.wanted(Some(device(9)), &lan(1), bench.now);
    assert_eq!(bench.dialer.targets().count(), TARGETS);
    assert!(bench.knows(&Target::Peer(device(9))));
    let mut dials = 0;
    while bench.dialer.poll(bench.now + COURTESY * 2).is_some() {
        dials += 1;
    }
    assert_eq!(dials, STRANGERS + 1, "and the one that is wanted");
    assert_eq!(bench.dialer.next_wake(), None);
}

/// Junk that nobody can reach stayed for good once: nobody else was ever discovered again.
#[test]
fn a_newcomer_takes_the_place_of_the_stranger_who_failed_most() {
    let mut bench = Bench::new();
    for n in 0..TARGETS {
        bench.dialer.discovered(stranger(n), &[lan(1)], bench.now);
    }
    bench.fail(stranger(3));
    bench.fail(stranger(7));
    bench.fail(stranger(7));
    bench.dialer.discovered(device(9), &[lan(2)], bench.now);
    assert!(bench.knows(&Target::Peer(device(9))) && bench.knows(&Target::Peer(stranger(3))));
    assert!(!bench.knows(&Target::Peer(stranger(7))));
}

/// Every throwaway key that had opened a session once was dialled for good, and with enough of
/// them a ticket's address found no place any more.
#[test]
fn a_session_alone_makes_nobody_known() {
    let mut bench = Bench::new();
    for n in 0..TARGETS {
        bench.dialer.connected(stranger(n), Path::Lan, bench.now);
        bench.dialer.disconnected(stranger(n), "no common workspace", bench.now);
    }
    assert_eq!(bench.dialer.targets().count(), 0);
    bench.dialer.connected(device(9), Path::Lan, bench.now);
    bench.dialer.trusted(device(9), Some(&lan(1)));
    bench.dialer.disconnected(device(9), "cut", bench.now);
    assert_eq!(bench.next().2, vec![lan(1)]);
}

#[test]
fn a_persons_wish_always_finds_a_place() {
    let mut bench = Bench::new();
    for port in 1..=TARGETS as u16 {
        bench.dialer.wanted(None, &lan(port), bench.now);
    }
    bench.dialer.failed(&Target::Address(lan(4)), "refused", bench.now);
    bench.dialer.wanted(Some(device(9)), &lan(1), bench.now);
    assert_eq!(bench.dialer.targets().count(), TARGETS);
    assert!(bench.knows(&Target::Peer(device(9))) && !bench.knows(&Target::Address(lan(4))));
    // Whoever nobody asked for does not displace what somebody did.
    bench.dialer.discovered(device(8), &[lan(1)], bench.now);
    assert!(!bench.knows(&Target::Peer(device(8))));
}

#[test]
fn an_announcement_that_runs_out_is_forgotten_unless_the_peer_is_known() {
    let mut bench = Bench::new();
    bench.dialer.discovered(device(8), &[lan(1)], bench.now);
    bench.dialer.remembered(device(9), &[lan(2)], bench.now);
    bench.dialer.expired(device(8), &[lan(1)]);
    bench.dialer.expired(device(9), &[lan(2)]);
    let left: Vec<_> = bench.dialer.targets().map(|(target, _)| target.clone()).collect();
    assert_eq!(left, vec![Target::Peer(device(9))]);
}

/// One packet of eight false addresses in a colleague's name erased every address that had worked.
#[test]
fn what_is_announced_stands_behind_what_is_known_and_displaces_nothing() {
    let mut bench = Bench::new();
    let known: Vec<_> = (1..=ADDRESSES as u16).map(lan).collect();
    bench.dialer.remembered(device(9), &known, bench.now);
    let junk: Vec<_> = (100..108).map(lan).collect();
    bench.dialer.discovered(device(9), &junk, bench.now);
    let with_hints = [known.clone(), vec![lan(107), lan(106), lan(105)]].concat();
    assert_eq!(bench.next().2, with_hints);
    // A false address that answers first must not do so every time.
    bench.fail(device(9));
    assert_eq!(bench.next().2, known);
    bench.fail(device(9));
    assert_eq!(bench.next().2, with_hints);
}

#[test]
fn a_peer_that_moved_is_dialled_at_once_where_it_is_announced() {
    let mut bench = Bench::new();
    bench.dialer.remembered(device(9), &[lan(1)], bench.now);
    bench.next();
    bench.fail(device(9));
    bench.dialer.discovered(device(9), &[lan(2)], bench.now);
    assert_eq!(bench.next(), (Duration::ZERO, Target::Peer(device(9)), vec![lan(1), lan(2)]));
}

#[test]
fn an_announced_address_that_proves_right_is_known_from_then_on() {
    let mut bench = Bench::new();
    bench.dialer.remembered(device(9), &[lan(1), lan(2)], bench.now);
    bench.dialer.discovered(device(9), &[lan(3), lan(4)], bench.now);
    bench.dialer.learned(device(9), &lan(5));
    bench.dialer.wrong_address(device(9), &lan(2));
    bench.dialer.wrong_address(device(9), &lan(3));
    assert_eq!(bench.next().2, vec![lan(1), lan(5), lan(4)]);
    bench.dialer.trusted(device(9), Some(&lan(4)));
    let (_, dial) = bench.dialer.targets().next().unwrap();
    assert_eq!(dial.addresses().cloned().collect::<Vec<_>>(), vec![lan(4), lan(1), lan(5)]);
}

fn through_a_relay() -> Multiaddr {
    let relay = libp2p::PeerId::random();
    format!("/ip4/93.184.216.34/tcp/4001/p2p/{relay}/p2p-circuit").parse().unwrap()
}

#[test]
fn over_a_relay_a_direct_address_is_tried_now_and_then() {
    let mut bench = Bench::new();
    let target = Target::Peer(device(9));
    bench.dialer.remembered(device(9), &[through_a_relay()], bench.now);
    bench.next();
    bench.dialer.connected(device(9), Path::Relayed, bench.now);
    assert_eq!(bench.dialer.next_wake(), None, "no other way is known");
    bench.dialer.learned(device(9), &wan());
    for wanted in [10, 20, 40, 80, 160, 300, 300] {
        let (wait, dialled, addresses) = bench.next();
        assert_eq!((wait.as_secs(), &dialled, addresses), (wanted, &target, vec![wan()]));
        assert!(bench.dialer.failed(&target, "refused", bench.now).is_some());
    }
    bench.dialer.discovered(device(9), &[lan(1)], bench.now);
    let (wait, _, addresses) = bench.next();
    assert!(wait < COURTESY * 2, "announced on the LAN: {wait:?}");
    assert_eq!(addresses, [wan(), lan(1)]);
    bench.dialer.connected(device(9), Path::Lan, bench.now);
    assert_eq!(bench.dialer.next_wake(), None);
}

#[test]
fn who_is_reached_through_a_relay_is_dialled_when_it_is_there() {
    let mut bench = Bench::new();
    let relay = DeviceId(velo_protocol::crypto::SecretKey::from_seed(&[1; 32]).public());
    let at = super::super::identity::peer_id(&relay).unwrap();
    let through = address::circuit(at, &wan());
    bench.dialer.remembered(device(9), &[through], bench.now);
    bench.dialer.remembered(device(8), &[lan(1)], bench.now);
    for _ in 0..2 {
        bench.next();
    }
    for peer in [8, 9] {
        bench.fail(device(peer));
    }
    bench.dialer.relay_up(relay, bench.now);
    let (wait, target, _) = bench.next();
    assert_eq!((wait, target), (Duration::ZERO, Target::Peer(device(9))));
    assert!(bench.until_next() > Duration::ZERO, "the other goes on waiting");
}

#[test]
fn announced_strangers_leave_dials_for_those_who_are_kept() {
    let mut bench = Bench::new();
    for n in 6..=100 {
        bench.dialer.discovered(device(n), &[neighbour(usize::from(n))], bench.now);
    }
    bench.pass(Duration::from_secs(1));
    let dialled = std::iter::from_fn(|| bench.dialer.poll(bench.now)).count();
    assert_eq!(dialled, STRANGERS);
    bench.dialer.remembered(device(200), &[lan(2)], bench.now);
    bench.pass(COURTESY * 2);
    assert_eq!(bench.dialer.poll(bench.now).unwrap().0, Target::Peer(device(200)));
    assert_eq!(bench.dialer.next_wake(), None, "nobody else's turn");
    bench.fail(device(6));
    bench.pass(COURTESY * 2);
    assert!(bench.dialer.poll(bench.now).is_some(), "the next stranger");
}

#[test]
fn strangers_at_one_address_leave_dials_for_those_at_others() {
    let mut bench = Bench::new();
    for n in 6..=100 {
        bench.dialer.discovered(device(n), &[lan(u16::from(n))], bench.now);
    }
    bench.pass(Duration::from_secs(1));
    assert_eq!(std::iter::from_fn(|| bench.dialer.poll(bench.now)).count(), STRANGERS_OF_ONE);
    assert_eq!(bench.dialer.next_wake(), None, "nobody takes the call");
    bench.dialer.discovered(device(200), &[neighbour(1)], bench.now);
    bench.pass(COURTESY * 2);
    assert_eq!(bench.dialer.poll(bench.now).unwrap().0, Target::Peer(device(200)));
    bench.fail(device(6));
    assert!(bench.dialer.poll(bench.now).is_some(), "the next at the one address");
}

#[test]
fn what_a_person_removes_is_dialled_no_more() {
    let mut bench = Bench::new();
    bench.dialer.wanted(None, &lan(1), bench.now);
    bench.dialer.remembered(device(8), &[lan(1), lan(2)], bench.now);
    bench.dialer.remembered(device(9), &[lan(3)], bench.now);
    assert!(!bench.dialer.forget_address(&lan(4)) && !bench.dialer.forget_device(device(7)));
    assert!(bench.dialer.forget_address(&lan(1)));
    assert!(!bench.dialer.forget_address(&lan(1)));
    assert!(bench.dialer.forget_device(device(9)));
    assert!(!bench.knows(&Target::Peer(device(9))) && !bench.knows(&Target::Address(lan(1))));
    assert_eq!(bench.next().2, vec![lan(2)]);
    bench.dialer.connected(device(8), Path::Lan, bench.now);
    assert!(bench.dialer.forget_device(device(8)));
    assert!(bench.knows(&Target::Peer(device(8))), "the session goes on");
    assert_eq!(bench.dialer.disconnected(device(8), "cut", bench.now), None);
    assert_eq!(bench.dialer.targets().count(), 0);
}
