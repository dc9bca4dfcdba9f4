//! What goes wrong: faults as planned, an operator at work, and the cause of a drill.

use std::sync::Arc;
use std::time::Duration;

use weir_model::{DatabaseAct, Order, PoolId, ServerId};

use super::client::Stage;
use super::net::Piece;
use super::oracles::Broken;
use super::plan::Fault;
use super::script::Habits;
use super::world::{Due, World};

impl World {
    pub(super) fn fault(&mut self, which: usize) -> Result<(), Broken> {
        let fault = self.plan.faults[which].fault;
        self.trace.line(self.now, || format!("fault {fault:?}"));
        match fault {
            Fault::Kill { one_in } => self.kill(one_in),
            Fault::Down(time) => {
                self.down_until = self.now.after(time);
                self.starting_until = self.down_until.after(time / 4);
                self.kill(1);
            }
            Fault::DialsHang(time) => self.hang_until = self.now.after(time),
            Fault::Garbage => {
                for n in 0..self.servers.len() {
                    if self.servers[n].session().is_none() || !self.roll.chance(0.4) {
                        continue;
                    }
                    // Nothing that could be a true answer: such a lie nobody can see through.
                    let what: &[u8] = match self.roll.below(3) {
                        0 => b"!!!!!!!!!!!!",
                        1 => b"Z\0\0\0\x05X",
                        _ => b"D\0\0\0\x01\0\0",
                    };
                    let at = self.servers[n].sock;
                    self.send_to_weir(at, what);
                    self.backend_ends(n, None);
                }
            }
            Fault::Resets => {
                for n in 0..self.clients.len() {
                    if self.clients[n].stage != Stage::Off && self.roll.chance(0.4) {
                        let Some(at) = self.sock_of_app[n].take() else {
                            continue;
                        };
                        self.end_towards_weir(at, Piece::Reset);
                        let mut wishes = Vec::new();
                        self.clients[n].ended(true, &mut wishes)?;
                        self.grant(n, wishes)?;
                    }
                }
            }
            Fault::Stall(time) => {
                let until = self.now.after(time);
                for sock in &mut self.socks {
                    if sock.open && self.roll.chance(0.3) {
                        sock.to_weir.stalled_until = until;
                        sock.to_peer.stalled_until = until;
                    }
                }
            }
            Fault::Slow(times, time) => self.slow = (times, self.now.after(time)),
            Fault::Crowd(time) => self.crowd_until = self.now.after(time),
            Fault::Orders(time) => self.operate(time),
        }
        Ok(())
    }

    /// An operator is at work.
    fn operate(&mut self, time: Duration) {
        let pools: Vec<PoolId> = self.sizes.keys().copied().collect();
        for pool in pools {
            let order = match self.roll.below(6) {
                0 => Order::Resize {
                    pool,
                    size: self.roll.between(1, 10) as u32,
                },
                1 => {
                    let resume = Order::Resume { pool: Some(pool) };
                    self.schedule(self.now.after(time), Due::Order(Box::new(resume)));
                    Order::Pause { pool: Some(pool) }
                }
                4 => Order::Database {
                    request: 1,
                    act: DatabaseAct::Reconnect,
                    database: None,
                },
                5 => {
                    let act = |act| Order::Database {
                        request: 2,
                        act,
                        database: self.keys.get(&pool).map(|k| Arc::clone(&k.database)),
                    };
                    let resume = act(DatabaseAct::Resume);
                    let pause = act(DatabaseAct::Pause);
                    self.schedule(self.now.after(time), Due::Order(Box::new(resume)));
                    pause
                }
                2 => Order::Warm {
                    pool,
                    servers: self.roll.between(0, 5) as u32,
                },
                _ => {
                    let open: Vec<ServerId> = self.sock_of_server.keys().copied().collect();
                    if open.is_empty() {
                        continue;
                    }
                    Order::CloseServer {
                        server: open[self.roll.below(open.len())],
                        now: self.roll.chance(0.5),
                    }
                }
            };
            self.schedule(self.now, Due::Order(Box::new(order)));
        }
    }

    fn kill(&mut self, one_in: u32) {
        for n in 0..self.servers.len() {
            if self.servers[n].is_gone() || self.roll.below(one_in as usize) != 0 {
                continue;
            }
            let at = self.servers[n].sock;
            let piece = match self.roll.below(3) {
                0 => {
                    let mut bye = Vec::new();
                    if self.servers[n].session().is_some() {
                        let says = "terminating connection due to administrator command";
                        super::pg_words::error(&mut bye, "FATAL", "57P01", says);
                    }
                    self.send_to_weir(at, &bye);
                    Piece::Fin
                }
                1 => Piece::Fin,
                _ => Piece::Reset,
            };
            self.backend_ends(n, Some(piece));
        }
    }

    pub(super) fn drill(&mut self) {
        use weir_model::Cause;
        let apply = |habits: &mut Habits, cause| match cause {
            Some(Cause::IdleInTransaction) => habits.think = Duration::from_millis(900),
            Some(Cause::PoolUndersized | Cause::TrafficSurge) => {
                habits.pause = Duration::from_millis(12);
            }
            _ => {}
        };
        let cause = self.plan.drill;
        for client in &mut self.clients {
            apply(&mut client.habits, cause);
        }
    }
}
