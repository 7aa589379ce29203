//! A sandbox's end: what agentd does about the gateway. Its flow is a plan ([`super::work`]).

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use protocol::{Backoff, ClientError, Control, Dialled, Inbox, Outbox, Report, deliver, persist};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use types::JobId;

use super::faults::Flaw;
use super::network::call;
use super::work;
use super::world::World;

/// One life of agentd; its exit code.
pub(super) async fn live(world: Rc<World>, job: JobId) -> i32 {
    let link = Rc::new(Link::new(world, job));
    let (acked, controls) = match link.begin().await {
        Ok(begun) => begun,
        Err(error) => {
            link.world.is_wrong(&format!("an agent was refused at once: {error}"));
            return 1;
        }
    };
    let (outbox, inbox, cancel) = (Outbox::new(acked), Inbox::default(), CancellationToken::new());
    let agent = work::Agent { link: &link, outbox: &outbox, inbox: &inbox, cancel: &cancel };
    let error = tokio::select! {
        biased;
        () = agent.work() => return 0,
        error = deliver(&outbox, async |batch| link.report(batch).await) => error,
        error = link.obey(controls, &cancel, &inbox) => error,
    };
    link.world.is_wrong(&format!("an agent was refused: {error}"));
    1
}

pub(super) struct Link {
    pub(super) world: Rc<World>,
    pub(super) job: JobId,
    /// The highest number that is durable.
    pub(super) acked: Cell<u64>,
    /// Of all that was reported.
    pub(super) sizes: RefCell<Vec<usize>>,
    key: RefCell<Option<String>>,
    /// What its numbers are ahead of the outbox's: nothing, but for [`Flaw::Renumbers`].
    shift: Cell<u64>,
}

/// What one control stream says.
type Controls = tokio::sync::mpsc::Receiver<Control>;

impl Link {
    fn new(world: Rc<World>, job: JobId) -> Self {
        let (acked, sizes, key, shift) = Default::default();
        Self { world, job, acked, sizes, key, shift }
    }

    async fn begin(&self) -> Result<(u64, Controls), ClientError> {
        let mut backoff = Backoff::default();
        loop {
            let acked = persist(async || self.hello().await).await?;
            match persist(async || self.control().await).await {
                // A hello that was given up was answered after this one.
                Err(ClientError::Answer(_)) => {
                    self.key.replace(None);
                    backoff.pause().await;
                }
                controls => return Ok((acked, controls?)),
            }
        }
    }

    async fn hello(&self) -> Result<u64, ClientError> {
        let key = self.key();
        let hello =
            call(&self.world, self.job, async move |gateway| gateway.hello(key.as_deref()).await);
        let (key, acked) = hello.await?;
        if key.is_some() {
            self.key.replace(key);
        }
        Ok(acked)
    }

    /// Sends once; after a passing error asks what arrived nevertheless.
    async fn report(&self, batch: &[Report]) -> Result<u64, ClientError> {
        let (key, mut reports) = (self.key(), batch.to_vec());
        let shift = self.shift.get();
        reports.iter_mut().for_each(|report| report.n += shift);
        let sent = call(&self.world, self.job, async move |gateway| {
            gateway.reports(key.as_deref(), reports).await
        });
        let acked = match sent.await {
            Err(error) if error.is_passing() => {
                let acked = persist(async || self.hello().await).await?;
                if self.world.has(Flaw::Renumbers) {
                    let before = batch.first().map_or(0, |report| report.n - 1);
                    self.shift.set(acked - before);
                }
                acked
            }
            answer => answer?,
        };
        self.acked.set(acked - self.shift.get());
        Ok(self.acked.get())
    }

    /// Whether a model answered; asked again when the connection breaks.
    pub(super) async fn ask(&self) -> Result<bool, ClientError> {
        persist(async || {
            let key = self.key();
            let asked = call(&self.world, self.job, async move |gateway| {
                gateway.model(key.as_deref()).await
            });
            asked.await
        })
        .await
    }

    async fn control(&self) -> Result<Controls, ClientError> {
        let key = self.key();
        let admitted = call(&self.world, self.job, async move |gateway| {
            gateway.admit(key.as_deref()).await.map(|()| gateway)
        });
        let gateway = admitted.await?;
        let (sender, controls) = tokio::sync::mpsc::channel(1);
        let (world, mut told) = (self.world.clone(), ::gateway::Told::default());
        let mut orders = gateway.orders.subscribe();
        let process = gateway.process.clone();
        process.borrow_mut().spawn_local(async move {
            while !world.bad_luck(8) {
                let control = tokio::select! {
                    biased;
                    () = gateway.closing.cancelled() => return,
                    () = sender.closed() => return,
                    control = told.next(&mut orders) => control,
                };
                world.delay().await;
                if sender.send(control).await.is_err() {
                    return;
                }
            }
        });
        Ok(controls)
    }

    async fn obey(
        self: &Rc<Self>,
        mut controls: Controls,
        cancel: &CancellationToken,
        inbox: &Inbox,
    ) -> ClientError {
        let (mut backoff, mut dialled) = (Backoff::default(), Dialled::default());
        loop {
            let control = controls.recv().await;
            match control {
                Some(Control::Ready) => {}
                Some(Control::Instruction(instruction)) => inbox.take(instruction),
                Some(Control::Dial(dial)) => {
                    if dialled.is_new(dial.n) || self.world.has(Flaw::DialsTwice) {
                        self.open(dial.n);
                    }
                }
                Some(Control::Cancel) => cancel.cancel(),
                None => {
                    backoff.pause().await;
                    match persist(async || self.control().await).await {
                        Ok(again) => controls = again,
                        Err(error) => return error,
                    }
                    continue;
                }
            }
            backoff = Backoff::default();
        }
    }

    /// Brings a connection that was asked for, beside all that goes on.
    fn open(self: &Rc<Self>, n: u64) {
        self.world.facts(self.job).dialled.push(n);
        let this = self.clone();
        if let Some(inside) = self.world.inside(self.job) {
            inside.borrow_mut().spawn_local(async move { this.arrive(n).await });
        }
    }

    async fn arrive(&self, n: u64) {
        let starts = Duration::from_millis(self.world.dice().u64(..2000));
        sleep(starts).await;
        let arrived = persist(async || {
            let key = self.key();
            let arrived = call(&self.world, self.job, async move |gateway| {
                gateway.admit(key.as_deref()).await?;
                gateway.arrived.send_modify(|arrived| arrived.push(n));
                Ok(())
            });
            arrived.await
        });
        // An error is that nobody waits for it any more.
        drop(arrived.await);
    }

    fn key(&self) -> Option<String> {
        self.key.borrow().clone()
    }
}
