//! The two planes joined: rings and orders of the data plane as the control plane wants them.

use rtrb::Consumer;
use weir_control::plane::DataPlane;
use weir_model::{Event, Instant, Order, OrderRefused, Sample};
use weir_proxy::{Clock, OrderSender};

/// The running data plane, seen from control.
pub(crate) struct Wire {
    pub(crate) samples: Consumer<Sample>,
    pub(crate) events: Consumer<Event>,
    pub(crate) orders: OrderSender,
    pub(crate) clock: Clock,
}

impl DataPlane for Wire {
    fn next_sample(&mut self) -> Option<Sample> {
        self.samples.pop().ok()
    }

    fn next_event(&mut self) -> Option<Event> {
        self.events.pop().ok()
    }

    fn order(&mut self, order: Order) -> Result<(), OrderRefused> {
        self.orders
            .send(order)
            .map_err(|fault| OrderRefused::NotNow(fault.to_string()))
    }

    fn now(&self) -> Instant {
        self.clock.now()
    }
}
