//! The runtime: tasks stay with their thread, sockets and timers wake them wherever they are waited for.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::io::Write as _;
use std::net::{Shutdown, TcpStream as Peer};
use std::sync::mpsc;
use std::task::Poll;
use std::thread::{self, ThreadId};
use std::time::{Duration, Instant};

use futures_util::AsyncReadExt as _;
use futures_util::future::{join_all, poll_fn};
use futures_util::io::AsyncRead;
use mezite_actors::net::TcpStream;
use mezite_actors::{Latch, run, spawn, spawn_apart, time};

/// Long enough that only a lost wake-up takes so long.
const LOST: Duration = Duration::from_secs(30);

fn pair() -> (TcpStream, Peer) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let stream = run(TcpStream::connect(listener.local_addr().unwrap(), LOST)).unwrap();
    (stream, listener.accept().unwrap().0)
}

async fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut bytes = [0; 1024];
    let count = time::timeout(LOST, stream.read(&mut bytes)).await.expect("woken").unwrap();
    bytes[..count].to_vec()
}

/// Polls a read once, so that the stream is watched by the thread that runs now.
async fn begin_to_wait(stream: &mut TcpStream) {
    poll_fn(|cx| {
        let pending = std::pin::Pin::new(&mut *stream).poll_read(cx, &mut [0]).is_pending();
        assert!(pending, "nothing was sent yet");
        Poll::Ready(())
    })
    .await;
}

#[test]
fn an_end_that_comes_with_the_last_bytes_is_not_lost() {
    for waited in [false, true] {
        let (mut stream, mut peer) = pair();
        let task = spawn("reader", async move {
            if waited {
                begin_to_wait(&mut stream).await;
            }
            peer.write_all(b"last").unwrap();
            peer.shutdown(Shutdown::Write).unwrap();
            (read(&mut stream).await, read(&mut stream).await)
        });
        assert_eq!(run(task), Ok((b"last".to_vec(), Vec::new())), "waited before: {waited}");
    }
}

#[test]
fn what_comes_after_a_short_read_is_told() {
    let (mut stream, mut peer) = pair();
    let task = spawn("reader", async move {
        let mut all = Vec::new();
        for n in 0..100_u8 {
            peer.write_all(&[n]).unwrap();
            all.extend(read(&mut stream).await);
        }
        all
    });
    assert_eq!(run(task), Ok((0..100).collect()));
}

#[test]
fn a_stream_may_move_to_another_thread() {
    let (mut stream, mut peer) = pair();
    let stream = run(spawn_apart("first", async move {
        begin_to_wait(&mut stream).await;
        stream
    }));
    let mut streams = vec![stream.unwrap()];
    // A thread that is none of the runtime's, and one that is.
    run(begin_to_wait(&mut streams[0]));
    let mut stream = streams.remove(0);
    let reading = spawn_apart("second", async move { read(&mut stream).await });
    peer.write_all(b"here").unwrap();
    assert_eq!(run(reading), Ok(b"here".to_vec()));
}

#[test]
fn a_timer_may_move_to_another_thread() {
    let mut timer = time::sleep(Duration::from_millis(20));
    run(poll_fn(|cx| {
        let pending = std::pin::Pin::new(&mut timer).poll(cx).is_pending();
        assert!(pending, "not yet");
        Poll::Ready(())
    }));
    let moved = spawn_apart("sleeper", async move { time::timeout(LOST, timer).await });
    assert_eq!(run(moved), Ok(Ok(())));
}

#[test]
fn a_thread_that_sleeps_is_woken_for_an_earlier_timer() {
    // The later one is armed first, by a thread that then sleeps until it is due.
    let late = spawn("late", time::sleep(LOST));
    thread::sleep(Duration::from_millis(20));
    let started = Instant::now();
    run(time::sleep(Duration::from_millis(1)));
    assert!(started.elapsed() < LOST);
    drop(late.cancel());
}

fn thread_of_now() -> impl Future<Output = ThreadId> {
    poll_fn(|_| Poll::Ready(thread::current().id()))
}

#[test]
fn a_task_starts_others_on_its_own_thread() {
    let same = spawn("parent", async {
        let here = thread::current().id();
        let children = (0..8).map(|_| spawn("child", thread_of_now()));
        join_all(children).await.into_iter().all(|child| child == Ok(here))
    });
    assert_eq!(run(same), Ok(true));
}

#[test]
fn what_is_started_apart_is_spread_over_all_threads() {
    let count = thread::available_parallelism().map_or(1, usize::from);
    let held = Latch::new();
    let (sender, receiver) = mpsc::channel();
    for _ in 0..count {
        let (wait, sender) = (held.wait(), sender.clone());
        spawn_apart("apart", async move {
            sender.send(thread::current().id()).unwrap();
            wait.await;
        })
        .detach();
    }
    let mut threads: Vec<_> = receiver.iter().take(count).collect();
    threads.sort_by_key(|id| format!("{id:?}"));
    threads.dedup();
    held.set();
    assert_eq!(threads.len(), count);
}

#[test]
fn a_task_that_never_waits_lets_others_have_their_turn() {
    let (stop, stopped) = (Latch::new(), Latch::new());
    let (watched, told) = (stop.clone(), stopped.clone());
    let busy = spawn("busy", async move {
        poll_fn(|cx| {
            if watched.is_set() {
                return Poll::Ready(());
            }
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
        told.set();
    });
    // On whichever thread it runs, sockets and timers there are still served.
    let timers: Vec<_> =
        (0..8).map(|_| spawn_apart("timer", time::sleep(Duration::from_millis(1)))).collect();
    run(join_all(timers));
    stop.set();
    run(stopped.wait());
    assert_eq!(run(busy), Ok(()));
}
