//! Inboxes: bounded, answered or known not to be, closed in order.

use std::convert::Infallible;
use std::future::pending;
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use futures_util::future::join;
use mezite_actors::{Addr, AskError, Inbox, Kind, Rank, Refused, Reply, inbox, run, spawn};

const LONG: Duration = Duration::from_hours(1);

fn small<M>() -> (Addr<M>, Inbox<M>) {
    inbox(Kind { name: "small", rank: Rank::Store, capacity: 2 })
}

#[test]
fn messages_arrive_in_order() {
    let (addr, mut inbox) = small();
    addr.offer(1).unwrap();
    addr.offer(2).unwrap();
    assert_eq!(run(inbox.recv()), Some(1));
    assert_eq!(run(inbox.recv()), Some(2));
}

#[test]
fn a_full_inbox_gives_the_message_back() {
    let (addr, mut inbox) = small();
    addr.offer("a").unwrap();
    addr.offer("b").unwrap();
    assert_eq!(addr.offer("c"), Err(Refused::Full("c")));
    assert_eq!(run(inbox.recv()), Some("a"));
    assert_eq!(addr.offer("c"), Ok(()));
}

#[test]
fn asking_a_full_inbox_does_not_wait() {
    let (addr, _inbox) = small::<Reply<u8>>();
    let (first, second) = (addr.ask(|reply| reply, LONG), addr.ask(|reply| reply, LONG));
    let waiting = join(first, second);
    futures_util::pin_mut!(waiting);
    assert_eq!((&mut waiting).now_or_never(), None);
    assert_eq!(addr.ask(|reply| reply, LONG).now_or_never(), Some(Err(AskError::Full)));
}

#[test]
fn a_question_is_answered() {
    let (addr, mut inbox) = small::<Reply<u8>>();
    let asker = spawn("asker", async move { addr.ask(|reply| reply, LONG).await });
    run(async {
        inbox.recv().await.unwrap().answer(9);
        assert_eq!(asker.await, Ok(Ok(9)));
    });
}

#[test]
fn a_dropped_reply_is_told_apart() {
    let (addr, mut inbox) = small::<Reply<u8>>();
    let asker = spawn("asker", async move { addr.ask(|reply| reply, LONG).await });
    run(async {
        drop(inbox.recv().await.unwrap());
        assert_eq!(asker.await, Ok(Err(AskError::Dropped)));
    });
}

#[test]
fn a_question_left_in_a_dropped_inbox_is_dropped() {
    let (addr, inbox) = small::<Reply<u8>>();
    let question = addr.ask(|reply| reply, LONG);
    futures_util::pin_mut!(question);
    assert_eq!((&mut question).now_or_never(), None);
    drop(inbox);
    assert_eq!(question.now_or_never(), Some(Err(AskError::Dropped)));
}

#[test]
fn no_answer_until_the_deadline_is_told_apart() {
    let (addr, mut inbox) = small::<Reply<u8>>();
    assert_eq!(run(addr.ask(|reply| reply, Duration::from_millis(1))), Err(AskError::TimedOut));
    assert_eq!(addr.ask(|reply| reply, Instant::now()).now_or_never(), Some(Err(AskError::TimedOut)));
    // The question stays accepted, but its reply knows that nobody waits.
    assert!(!run(inbox.recv()).unwrap().is_wanted());
}

#[test]
fn a_closed_inbox_is_told_apart() {
    let (addr, inbox) = small::<Reply<u8>>();
    drop(inbox);
    assert_eq!(run(addr.ask(|reply| reply, LONG)), Err(AskError::Closed));
    assert!(addr.is_closed());
}

#[test]
fn a_closed_inbox_refuses_and_keeps_what_it_has() {
    let (addr, mut inbox) = small();
    addr.offer(1).unwrap();
    inbox.close();
    assert_eq!(addr.offer(2), Err(Refused::Closed(2)));
    assert_eq!(run(addr.send(3)), Err(Refused::Closed(3)));
    assert_eq!(run(inbox.recv()), Some(1));
    assert_eq!(run(inbox.recv()), None);
}

#[test]
fn without_addresses_the_inbox_ends_when_it_is_empty() {
    let (addr, mut inbox) = small();
    addr.clone().offer(1).unwrap();
    drop(addr);
    assert_eq!(run(inbox.recv()), Some(1));
    assert_eq!(run(inbox.recv()), None);
}

#[test]
fn the_last_address_to_go_wakes_the_receiver() {
    let (addr, mut inbox) = small::<Infallible>();
    let receiver = spawn("receiver", async move { inbox.recv().await.is_none() });
    let other = addr.clone();
    drop(addr);
    spawn("holder", async move { drop(other) }).detach();
    assert_eq!(run(receiver), Ok(true));
}

#[test]
fn sending_waits_for_room() {
    let (addr, mut inbox) = small();
    let sender = spawn("sender", async move {
        for number in 0..1000 {
            addr.send(number).await.unwrap();
        }
    });
    run(async {
        for number in 0..1000 {
            assert_eq!(inbox.recv().await, Some(number));
        }
        assert_eq!(inbox.recv().await, None);
        sender.await.unwrap();
    });
}

#[test]
fn many_senders_all_get_room() {
    let (addr, mut inbox) = small();
    for sender in 0..50 {
        let addr = addr.clone();
        spawn("sender", async move { addr.send(sender).await.unwrap() }).detach();
    }
    drop(addr);
    run(async {
        let mut received = Vec::new();
        while let Some(sender) = inbox.recv().await {
            received.push(sender);
        }
        received.sort_unstable();
        assert_eq!(received, (0..50).collect::<Vec<_>>());
    });
}

#[test]
fn closing_wakes_who_waits_for_room() {
    let (addr, inbox) = small();
    addr.offer(1).unwrap();
    addr.offer(2).unwrap();
    let sending = addr.send(3);
    futures_util::pin_mut!(sending);
    assert_eq!((&mut sending).now_or_never(), None);
    let sender = addr.clone();
    let waiting = spawn("sender", async move { sender.send(4).await });
    drop(inbox);
    assert_eq!(sending.now_or_never(), Some(Err(Refused::Closed(3))));
    assert_eq!(run(waiting), Ok(Err(Refused::Closed(4))));
}

#[test]
fn a_sender_that_gave_up_takes_no_room() {
    let (addr, mut inbox) = small();
    addr.offer(1).unwrap();
    addr.offer(2).unwrap();
    assert_eq!(addr.send(3).now_or_never(), None);
    assert_eq!(run(inbox.recv()), Some(1));
    assert_eq!(addr.offer(4), Ok(()));
    inbox.close();
    assert_eq!(run(inbox.recv()), Some(2));
    assert_eq!(run(inbox.recv()), Some(4));
    assert_eq!(run(inbox.recv()), None);
}

#[test]
fn a_refusal_shows_no_message() {
    assert_eq!(format!("{:?} {:?}", Refused::Full("secret"), Refused::Closed("secret")), "Full Closed");
    assert_eq!(Refused::Full("secret").to_string(), "inbox full");
}

#[test]
fn an_inbox_serves_beside_other_work() {
    // A loop that polls: the inbox keeps its waker while something else is polled too.
    let (addr, mut inbox) = small();
    let looping = spawn("loop", async move {
        let other = pending::<()>().fuse();
        futures_util::pin_mut!(other);
        futures_util::select! {
            message = inbox.recv().fuse() => message,
            () = other => None,
        }
    });
    spawn("sender", async move { addr.send(5).await }).detach();
    assert_eq!(run(looping), Ok(Some(5)));
}
