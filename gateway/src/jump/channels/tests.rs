use super::*;

fn open(kind: &str, sender: u32, to: Option<(&str, u32)>) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_OPEN];
    message.string(kind).u32(sender).u32(1000).u32(100);
    if let Some((host, port)) = to {
        message.string(host).u32(port).string("127.0.0.1").u32(5);
    }
    message
}

fn request(channel: u32, kind: &str, rest: Option<&str>) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_REQUEST];
    message.u32(channel).string(kind).bool(true);
    if let Some(rest) = rest {
        message.string(rest);
    }
    message
}

fn data(channel: u32, bytes: &[u8]) -> Vec<u8> {
    let mut message = vec![msg::CHANNEL_DATA];
    message.u32(channel).string(bytes);
    message
}

fn numbers(channels: &mut Channels) -> Vec<u8> {
    channels.take_answers().iter().filter_map(|answer| answer.first().copied()).collect()
}

fn channels() -> Channels {
    Channels::new("example.org".to_owned())
}

fn cx() -> Context<'static> {
    Context::from_waker(futures_util::task::noop_waker_ref())
}

#[test]
fn a_way_to_a_node_is_a_channel_of_its_own() {
    let mut channels = channels();
    channels.handle(&open("direct-tcpip", 7, Some(("db-1", 22)))).unwrap();
    assert_eq!(numbers(&mut channels), [msg::CHANNEL_OPEN_CONFIRMATION]);
    let mut inner = channels.take_inner();
    let Inner { way: Way::Jump(node), pipe } = inner.remove(0) else { panic!("not a jump") };
    assert_eq!(node.to_string(), "db-1:22");
    let (mut reader, mut writer) = pipe.split();
    let (mut cx, mut message) = (cx(), Vec::new());
    channels.handle(&data(0, b"SSH-")).unwrap();
    channels.poll_inwards(&mut cx);
    let mut got = [0; 9];
    assert_eq!(reader.poll_drain_bytes(&mut cx, &mut got), Poll::Ready(4));
    assert_eq!(writer.poll_fill_bytes(&mut cx, &[7; 300]), Poll::Ready(300));
    // In messages of what the client takes.
    for _ in 0..3 {
        assert!(channels.poll_outwards(&mut cx, &mut message));
        assert_eq!(message.len(), 9 + 100);
    }
    assert!(!channels.poll_outwards(&mut cx, &mut message));
    drop((reader, writer));
    assert!(!channels.poll_outwards(&mut cx, &mut message));
    assert_eq!(numbers(&mut channels), [msg::CHANNEL_EOF, msg::CHANNEL_CLOSE]);
    channels.handle(&bare(msg::CHANNEL_CLOSE, 0)).unwrap();
    assert!(numbers(&mut channels).is_empty());
    assert!(channels.handle(&data(0, b"x")).is_err(), "it is closed");
}

#[test]
fn the_window_of_the_client_is_kept() {
    let mut channels = channels();
    channels.handle(&open("direct-tcpip", 7, Some(("db-1", 22)))).unwrap();
    let inner = channels.take_inner();
    let (mut cx, mut message) = (cx(), Vec::new());
    let (_reader, mut writer) = inner.into_iter().next().unwrap().pipe.split();
    assert_eq!(writer.poll_fill_bytes(&mut cx, &[7; 5000]), Poll::Ready(5000));
    let sent =
        std::iter::from_fn(|| channels.poll_outwards(&mut cx, &mut message).then(|| message.len() - 9));
    assert_eq!(sent.sum::<usize>(), 1000);
    let mut adjust = vec![msg::CHANNEL_WINDOW_ADJUST];
    adjust.u32(0).u32(50);
    channels.handle(&adjust).unwrap();
    assert!(channels.poll_outwards(&mut cx, &mut message));
    assert_eq!(message.len(), 9 + 50);
}

#[test]
fn hostile_016_more_than_our_window_is_a_violation() {
    let mut channels = channels();
    channels.handle(&open("direct-tcpip", 7, Some(("db-1", 22)))).unwrap();
    let inner = channels.take_inner();
    // Nobody reads inside: what is taken is bounded by the window.
    let most = WINDOW as usize;
    for _ in 0..most / 1024 {
        channels.handle(&data(0, &[0; 1024])).unwrap();
        channels.poll_inwards(&mut cx());
    }
    assert_eq!(channels.handle(&data(0, b"x")), Err(Misbehaviour::Malformed));
    drop(inner);
}

#[test]
fn the_subsystem_leads_to_a_node_of_this_cluster() {
    for (name, node) in [
        ("proxy:db-1:22", Some("db-1:22")),
        ("proxy:db-1:3022@example.org", Some("db-1:3022")),
        ("proxy:db-1:22@Example.ORG", Some("db-1:22")),
        ("proxy:10.0.0.7:22", Some("10.0.0.7:22")),
        ("proxy:fd00::7:22", Some("[fd00::7]:22")),
        ("proxy:[fd00::7]:22", Some("[fd00::7]:22")),
        ("proxy:db-1:22@other", None),
        ("proxy:db-1", None),
        ("proxy:-x:22", None),
        ("proxy:a b:22", None),
        ("proxy:", None),
        ("sftp", None),
        ("PROXY:db-1:22", None),
    ] {
        let mut channels = channels();
        channels.handle(&open("session", 1, None)).unwrap();
        channels.take_answers();
        channels.handle(&request(0, "subsystem", Some(name))).unwrap();
        let reached = channels.take_inner().into_iter().next().map(|inner| match inner.way {
            Way::Proxy(node) => node.to_string(),
            other => panic!("{other:?}"),
        });
        assert_eq!(reached.as_deref(), node, "{name}");
        let last = if node.is_some() { msg::CHANNEL_SUCCESS } else { msg::CHANNEL_CLOSE };
        assert_eq!(numbers(&mut channels).last(), Some(&last), "{name}");
        // One way is enough, and what is closed is closed.
        channels.handle(&request(0, "subsystem", Some("proxy:db-1:22"))).unwrap();
        assert_eq!(numbers(&mut channels), [msg::CHANNEL_FAILURE]);
        assert!(channels.take_inner().is_empty(), "{name}");
    }
}

#[test]
fn there_is_no_shell() {
    for kind in ["shell", "exec"] {
        let mut channels = channels();
        channels.handle(&open("session", 1, None)).unwrap();
        channels.take_answers();
        channels.handle(&request(0, kind, (kind == "exec").then_some("id"))).unwrap();
        let said = [
            msg::CHANNEL_SUCCESS,
            msg::CHANNEL_EXTENDED_DATA,
            msg::CHANNEL_REQUEST,
            msg::CHANNEL_EOF,
            msg::CHANNEL_CLOSE,
        ];
        assert_eq!(numbers(&mut channels), said);
        assert_eq!(channels.take_refused(), [kind]);
        assert!(channels.take_inner().is_empty());
    }
}

#[test]
fn what_leads_to_no_node_is_refused() {
    let mut channels = channels();
    for (kind, to) in [
        ("direct-tcpip", Some(("a b", 22))),
        ("direct-tcpip", Some(("-oProxyCommand=x", 22))),
        ("direct-tcpip", Some(("db-1", 0))),
        ("direct-tcpip", Some(("db-1", 70_000))),
        ("direct-tcpip", Some(("", 22))),
        ("direct-streamlocal@openssh.com", None),
        ("tun@openssh.com", None),
        ("x11", None),
    ] {
        channels.handle(&open(kind, 3, to)).unwrap();
        assert_eq!(numbers(&mut channels), [msg::CHANNEL_OPEN_FAILURE], "{kind} {to:?}");
    }
    assert!(channels.take_inner().is_empty());
    assert_eq!(channels.take_refused().len(), 8);
    let mut forward = vec![msg::GLOBAL_REQUEST];
    forward.string("tcpip-forward").bool(true).string("").u32(0);
    channels.handle(&forward).unwrap();
    assert_eq!(numbers(&mut channels), [msg::REQUEST_FAILURE]);
    let mut no_more = vec![msg::GLOBAL_REQUEST];
    no_more.string("no-more-sessions@openssh.com").bool(false);
    channels.handle(&no_more).unwrap();
    channels.handle(&open("session", 1, None)).unwrap();
    assert_eq!(numbers(&mut channels), [msg::CHANNEL_OPEN_FAILURE]);
}

#[test]
fn channels_are_bounded_and_cut_messages_are_violations() {
    let mut channels = channels();
    for sender in 0..300 {
        channels.handle(&open("direct-tcpip", sender, Some(("db-1", 22)))).unwrap();
    }
    let answers = numbers(&mut channels);
    assert_eq!(answers[..MAX_CHANNELS], [msg::CHANNEL_OPEN_CONFIRMATION; MAX_CHANNELS]);
    assert_eq!(answers[MAX_CHANNELS..], [msg::CHANNEL_OPEN_FAILURE; 300 - MAX_CHANNELS]);
    assert_eq!(channels.take_inner().len(), MAX_CHANNELS);
    for message in [
        vec![],
        vec![msg::CHANNEL_OPEN_CONFIRMATION],
        vec![msg::CHANNEL_SUCCESS],
        bare(msg::CHANNEL_EOF, 999),
        bare(msg::CHANNEL_CLOSE, 999),
        data(999, b"x"),
        vec![msg::CHANNEL_DATA, 0],
        vec![200],
    ] {
        assert!(channels.handle(&message).is_err(), "{message:?}");
    }
}
