//! Stopping: what was accepted is finished, in the order of the ranks; what does not end is cut.
#![allow(clippy::unwrap_used)]

use std::convert::Infallible;
use std::future::pending;
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use mezite_actors::{
    Actor, Addr, AskError, Context, Inbox, Kind, Latch, Rank, Refused, Reply, Stop, Supervisor, run,
};

const LONG: Duration = Duration::from_hours(1);
const NOBODY: Vec<&str> = Vec::new();

const DOOR: Kind = Kind { name: "door", rank: Rank::Front, capacity: 8 };

/// Notes what it is told, once it may begin.
struct Writer {
    may_begin: Latch,
    written: Numbers,
}

impl Actor for Writer {
    const KIND: Kind = Kind { name: "writer", rank: Rank::Store, capacity: 8 };
    type Msg = (u32, Reply<()>);

    async fn handle(&mut self, (number, reply): Self::Msg, _: &mut Context<Self::Msg>) {
        self.may_begin.wait().await;
        self.written.lock().unwrap().push(number);
        reply.answer(());
    }
}

type Numbers = Arc<Mutex<Vec<u32>>>;

/// A store, what it wrote, and the latch that lets it begin.
fn writer(supervisor: &Supervisor) -> (Addr<<Writer as Actor>::Msg>, Numbers, Latch) {
    let (written, may_begin) = (Arc::default(), Latch::new());
    let actor = Writer { may_begin: may_begin.clone(), written: Arc::clone(&written) };
    (supervisor.start(actor), written, may_begin)
}

/// A task at the front that takes no messages.
fn front<F>(supervisor: &Supervisor, run: impl FnOnce(Stop) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    drop(supervisor.task(DOOR, |_: Inbox<Infallible>, stop| run(stop)));
}

#[test]
fn draining_finishes_what_was_accepted() {
    run(async {
        let supervisor = Supervisor::new();
        let (addr, written, may_begin) = writer(&supervisor);
        let questions = (0..8).map(|number| addr.ask(move |reply| (number, reply), LONG));
        let stopping = async {
            supervisor.drain();
            let cut = supervisor.cut(LONG);
            may_begin.set();
            cut.await
        };
        let (answers, cut) = futures_util::join!(futures_util::future::join_all(questions), stopping);
        assert!(answers.into_iter().all(|answer| answer == Ok(())));
        assert_eq!((cut, &*written.lock().unwrap()), (NOBODY, &(0..8).collect::<Vec<_>>()));
    });
}

#[test]
fn draining_closes_the_front_and_only_that() {
    run(async {
        let supervisor = Supervisor::new();
        let (store, _, may_begin) = writer(&supervisor);
        may_begin.set();
        let door = supervisor.task(DOOR, |inbox: Inbox<u8>, _| async move {
            let _inbox = inbox;
            pending::<()>().await;
        });
        supervisor.drain();
        assert_eq!(door.offer(1), Err(Refused::Closed(1)));
        assert_eq!(store.ask(|reply| (1, reply), LONG).await, Ok(()));
    });
}

#[test]
fn nothing_is_started_where_a_rank_drains() {
    run(async {
        let supervisor = Supervisor::new();
        supervisor.drain();
        let late = supervisor.task(DOOR, |mut inbox: Inbox<u8>, _| async move {
            inbox.recv().await;
        });
        assert_eq!(late.offer(1), Err(Refused::Closed(1)));
        let (store, _, may_begin) = writer(&supervisor);
        may_begin.set();
        assert_eq!(store.ask(|reply| (1, reply), LONG).await, Ok(()), "others go on");
        supervisor.cut(LONG).await;
        let (store, ..) = writer(&supervisor);
        assert_eq!(store.ask(|reply| (1, reply), LONG).await, Err(AskError::Closed));
    });
}

#[test]
fn who_answers_ends_after_who_asks() {
    run(async {
        let supervisor = Supervisor::new();
        let (store, written, may_begin) = writer(&supervisor);
        may_begin.set();
        // Asks only when told to stop: the store has to be there then.
        front(&supervisor, move |stop| async move {
            stop.drain.wait().await;
            store.ask(|reply| (1, reply), LONG).await.unwrap();
        });
        supervisor.drain();
        assert_eq!(supervisor.cut(LONG).await, NOBODY);
        assert_eq!(*written.lock().unwrap(), [1]);
    });
}

#[test]
fn what_does_not_end_is_cut_at_the_deadline() {
    run(async {
        let supervisor = Supervisor::with_grace(Duration::ZERO);
        let (held, dropped) = mpsc::channel::<Infallible>();
        front(&supervisor, move |_| async move {
            let _held = held;
            pending::<()>().await;
        });
        supervisor.drain();
        assert_eq!(supervisor.cut(Duration::ZERO).await, ["door"]);
        assert_eq!(dropped.recv(), Err(mpsc::RecvError), "what it held was dropped");
    });
}

#[test]
fn a_question_to_an_actor_that_is_cut_is_dropped() {
    run(async {
        let supervisor = Supervisor::with_grace(Duration::ZERO);
        let (addr, written, _never) = writer(&supervisor);
        let (answer, cut) =
            futures_util::join!(addr.ask(|reply| (1, reply), LONG), supervisor.cut(Duration::ZERO));
        assert_eq!((answer, cut), (Err(AskError::Dropped), vec!["writer"]));
        assert!(written.lock().unwrap().is_empty());
    });
}

#[test]
fn what_is_cut_may_say_goodbye() {
    run(async {
        let supervisor = Supervisor::with_grace(LONG);
        let said = Latch::new();
        let saying = said.clone();
        front(&supervisor, move |stop| async move {
            stop.cut.wait().await;
            saying.set();
        });
        assert_eq!(supervisor.cut(Duration::ZERO).await, NOBODY);
        assert!(said.is_set());
    });
}

#[test]
fn what_uses_the_time_up_leaves_the_store_its_grace() {
    run(async {
        let supervisor = Supervisor::with_grace(LONG);
        let (store, written, may_begin) = writer(&supervisor);
        front(&supervisor, move |stop| async move {
            stop.cut.wait().await;
            // Cut itself, it still asks; the store begins only when the front has gone.
            let _ = store.ask(|reply| (1, reply), Duration::ZERO).await;
            may_begin.set();
        });
        assert_eq!(supervisor.cut(Duration::ZERO).await, NOBODY);
        assert_eq!(*written.lock().unwrap(), [1]);
    });
}

#[test]
fn a_stop_of_nobody_is_done() {
    let supervisor = Supervisor::new();
    supervisor.drain();
    assert_eq!(run(supervisor.cut(LONG)), NOBODY);
    assert_eq!(run(supervisor.cut(LONG)), NOBODY);
}

#[test]
fn tasks_that_panic_hold_up_no_stop() {
    run(async {
        let supervisor = Supervisor::new();
        front(&supervisor, |_| async { panic!("on purpose") });
        assert_eq!(supervisor.cut(LONG).await, NOBODY);
    });
}
