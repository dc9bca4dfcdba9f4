//! The worker's lines to the control plane: rings up, a bounded channel down.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};

use mio::Waker;
use rtrb::{Consumer, Producer, RingBuffer};
use weir_model::{Event, NewSettings, Order, PoolerSettings, Sample};

use crate::clock::Clock;
use crate::tls::{TlsContexts, TlsFault};

/// Orders that may wait for the worker; it takes them all at each turn, so more than this means
/// that it doesn't turn any more.
const ORDERS_MAX: usize = 1024;

/// Samples that may wait for control: a minute and a half at ten a second.
const SAMPLES_MAX: usize = 1024;

/// Events that may wait for control: about a second of a busy worker, whose control plane looks
/// ten times a second.
const EVENTS_MAX: usize = 32 * 1024;

/// Why an order didn't reach the worker.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OrderNotSent {
    /// The worker doesn't keep up; nothing was sent.
    #[error("the worker has {ORDERS_MAX} orders waiting already")]
    Full,
    /// The worker has exited.
    #[error("the worker has exited")]
    Gone,
    /// The new settings name certificates or keys that can't be used; the old ones hold.
    #[error("{}", lines(.0))]
    Tls(Vec<TlsFault>),
}

fn lines(faults: &[TlsFault]) -> String {
    let lines: Vec<String> = faults.iter().map(ToString::to_string).collect();
    lines.join("\n")
}

/// What goes down.
pub(crate) enum Down {
    /// An order for the engine.
    Order(Order),
    /// Certificates for connections that begin from now on.
    Tls(Arc<TlsContexts>),
}

/// Sends orders to the worker from any thread, without ever waiting.
#[derive(Clone, Debug)]
pub struct OrderSender {
    orders: SyncSender<Down>,
    stop: Arc<AtomicBool>,
    waker: Arc<Waker>,
}

impl OrderSender {
    /// Queues an order and wakes the worker. With [`Order::Configure`] the files that the settings
    /// name are read here first, in the caller's thread: a fault in one of them refuses the whole.
    pub fn send(&self, order: Order) -> Result<(), OrderNotSent> {
        if let Order::Configure {
            settings: NewSettings(settings),
            ..
        } = &order
        {
            self.reload_tls(settings)?;
        }
        self.push(Down::Order(order))
    }

    /// Reads certificates and keys anew. Connections that are there keep what they began with.
    /// Answers what an operator should be warned of.
    pub fn reload_tls(&self, settings: &PoolerSettings) -> Result<Vec<String>, OrderNotSent> {
        let contexts =
            TlsContexts::load(settings, Clock::unix_seconds()).map_err(OrderNotSent::Tls)?;
        let warnings = contexts.warnings.clone();
        self.push(Down::Tls(Arc::new(contexts)))?;
        Ok(warnings)
    }

    fn push(&self, down: Down) -> Result<(), OrderNotSent> {
        self.orders.try_send(down).map_err(|fault| match fault {
            TrySendError::Full(_) => OrderNotSent::Full,
            TrySendError::Disconnected(_) => OrderNotSent::Gone,
        })?;
        // A lost wake-up only costs the order the rest of the 100 ms until the next sample.
        let _ = self.waker.wake();
        Ok(())
    }

    /// The worker exits at once: open transactions are cut, queued bytes are lost.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Release);
        let _ = self.waker.wake();
    }
}

/// The worker's end of [`OrderSender`].
pub(crate) struct Orders {
    orders: Receiver<Down>,
    stop: Arc<AtomicBool>,
}

impl Orders {
    /// A sender and the worker's end.
    pub(crate) fn channel(waker: Arc<Waker>) -> (OrderSender, Self) {
        let (sender, orders) = sync_channel(ORDERS_MAX);
        let stop = Arc::new(AtomicBool::new(false));
        let sender = OrderSender {
            orders: sender,
            stop: Arc::clone(&stop),
            waker,
        };
        (sender, Self { orders, stop })
    }

    /// The next order, if there is one. That all senders are gone is no reason to stop serving.
    pub(crate) fn take(&self) -> Option<Down> {
        self.orders.try_recv().ok()
    }

    /// True once [`OrderSender::stop`] was called.
    pub(crate) fn stopped(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}

/// Sees every event before any byte that belongs to it is sent, and gives back what the ring shall
/// have. Called on the worker's thread: it must not wait.
pub struct EventTap(Box<dyn FnMut(Event) -> Option<Event> + Send>);

impl EventTap {
    /// A tap that does this.
    pub fn new(take: impl FnMut(Event) -> Option<Event> + Send + 'static) -> Self {
        Self(Box::new(take))
    }
}

impl fmt::Debug for EventTap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EventTap(…)")
    }
}

/// The worker's end of the rings. What doesn't fit is lost and counted.
pub(crate) struct Reporter {
    samples: Producer<Sample>,
    events: Producer<Event>,
    tap: Option<EventTap>,
    lost: u64,
}

impl Reporter {
    /// Both rings.
    pub(crate) fn rings(tap: Option<EventTap>) -> (Self, Consumer<Sample>, Consumer<Event>) {
        let (sample_writer, samples) = RingBuffer::new(SAMPLES_MAX);
        let (event_writer, events) = RingBuffer::new(EVENTS_MAX);
        let reporter = Self {
            samples: sample_writer,
            events: event_writer,
            tap,
            lost: 0,
        };
        (reporter, samples, events)
    }

    /// Reports an event.
    pub(crate) fn event(&mut self, event: Event) {
        let event = match &mut self.tap {
            None => event,
            Some(tap) => match (tap.0)(event) {
                Some(event) => event,
                None => return,
            },
        };
        // Once nobody reads, the ring needn't hold what nobody will see.
        if self.events.is_abandoned() || self.events.push(event).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// Reports a sample; fills in how much was lost so far. A lost sample counts as a lost event.
    pub(crate) fn sample(&mut self, mut sample: Sample) {
        sample.worker.events_lost_total = self.lost;
        if self.samples.is_abandoned() || self.samples.push(sample).is_err() {
            self.lost = self.lost.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_ring_loses_and_counts_and_an_abandoned_one_too() {
        let (mut reporter, samples, events) = Reporter::rings(None);
        for _ in 0..EVENTS_MAX + 5 {
            reporter.event(Event::Draining);
        }
        assert_eq!(reporter.lost, 5);
        drop((samples, events));
        reporter.event(Event::Draining);
        assert_eq!(reporter.lost, 6);
    }
}
