//! Who waits for whom: the tree from PostgreSQL's root blocker to the client that waits, and each
//! pool's queue, as rows.

use serde::Deserialize;

use super::skin::{Skin, seconds};

/// A tree deeper than this is drawn no deeper.
const DEPTH_MAX: usize = 12;

/// `GET /api/v1/waits`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Waits {
    pub(crate) at: String,
    pub(crate) says: String,
    pub(crate) roots: Vec<Node>,
    #[serde(rename = "pools")]
    pub(crate) queues: Vec<Queue>,
}

/// The lock that somebody waits for.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Lock {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) mode: String,
    pub(crate) relation: String,
}

/// Somebody who blocks, is blocked, holds a server or waits for one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Node {
    /// Zero: a prepared transaction.
    #[serde(rename = "backend_pid")]
    pub(crate) pid: Option<i64>,
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) application: String,
    pub(crate) host: String,
    pub(crate) client: Option<u64>,
    pub(crate) server: Option<u64>,
    /// PostgreSQL's word, or Weir's for a waiter.
    pub(crate) state: String,
    pub(crate) client_state: String,
    /// How long it has been like this.
    #[serde(alias = "held_s")]
    pub(crate) state_s: f64,
    pub(crate) lock: Option<Lock>,
    pub(crate) statement: String,
    /// How many wait behind it.
    pub(crate) victims: u64,
    /// Stands elsewhere in the tree with those that it blocks.
    pub(crate) repeated: bool,
    /// Backends that a holder waits for.
    pub(crate) blocked_by: Vec<i64>,
    pub(crate) blocks: Vec<Node>,
}

/// Who has this pool's servers, and who stands in line for one.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Queue {
    pub(crate) database: String,
    pub(crate) user: String,
    pub(crate) size: u32,
    pub(crate) waiting: u64,
    pub(crate) oldest_wait_s: f64,
    pub(crate) holders_total: u64,
    pub(crate) holders: Vec<Node>,
    pub(crate) waiters: Vec<Node>,
}

/// One line of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) id: String,
    /// Branches, and what stands at their end.
    pub(crate) who: String,
    pub(crate) what: String,
    pub(crate) for_s: Option<f64>,
    pub(crate) statement: String,
    pub(crate) kind: Kind,
    pub(crate) node: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Holds what others want, and waits for nobody.
    Root,
    Blocked,
    Pool,
    Holder,
    Waiter,
}

impl Node {
    /// `pid 4711 checkout 10.0.0.7`.
    fn who(&self) -> String {
        let mut parts = Vec::new();
        match self.pid {
            Some(0) => parts.push("a prepared transaction".to_owned()),
            Some(pid) => parts.push(format!("pid {pid}")),
            None => {}
        }
        if let Some(client) = self.client {
            parts.push(format!("client {client}"));
        }
        for text in [&self.application, &self.host] {
            if !text.is_empty() {
                parts.push(text.clone());
            }
        }
        match parts.is_empty() {
            true => "not known".to_owned(),
            false => parts.join(" "),
        }
    }

    fn what(&self) -> String {
        let mut parts = Vec::new();
        let states = [&self.state, &self.client_state];
        if let Some(state) = states.into_iter().find(|state| !state.is_empty()) {
            parts.push(state.replace('_', " "));
        }
        if let Some(lock) = &self.lock {
            let on = match lock.relation.is_empty() {
                true => &lock.kind,
                false => &lock.relation,
            };
            parts.push(format!("wants {} on {on}", lock.mode));
        }
        if !self.blocked_by.is_empty() {
            let pids: Vec<String> = self.blocked_by.iter().map(i64::to_string).collect();
            parts.push(format!("blocked by {}", pids.join(", ")));
        }
        match self.victims {
            0 => {}
            n => parts.push(format!("blocks {n}")),
        }
        if self.repeated {
            parts.push("also elsewhere in this tree".to_owned());
        }
        parts.join(", ")
    }
}

impl Waits {
    /// The forest, line by line: blockers first, then the queues, longest first.
    pub(crate) fn lines(&self, skin: Skin) -> Vec<Line> {
        let mut lines = Vec::new();
        for (index, root) in self.roots.iter().enumerate() {
            let id = format!("b{index}");
            lines.push(line(root, id.clone(), root.who(), Kind::Root));
            below(&root.blocks, &id, "", skin, &mut lines);
        }
        let mut queues: Vec<&Queue> = self.queues.iter().collect();
        queues.sort_by_key(|queue| std::cmp::Reverse(queue.waiting));
        for queue in queues {
            let name = format!("{}/{}", queue.database, queue.user);
            let what = match queue.waiting {
                0 => "nobody waits".to_owned(),
                1 => format!("1 waits, for {}", seconds(queue.oldest_wait_s)),
                n => format!("{n} wait, the first for {}", seconds(queue.oldest_wait_s)),
            };
            lines.push(Line {
                id: format!("q{name}"),
                who: format!("pool {name}, {} servers", queue.size),
                what,
                for_s: (queue.waiting > 0).then_some(queue.oldest_wait_s),
                statement: String::new(),
                kind: Kind::Pool,
                node: None,
            });
            let beyond = |total: u64, listed: &[Node]| total.saturating_sub(listed.len() as u64);
            let more_hold = beyond(queue.holders_total, &queue.holders);
            let more_wait = beyond(queue.waiting, &queue.waiters);
            let mut below: Vec<(String, String, Kind, Option<&Node>)> = Vec::new();
            for (n, holder) in queue.holders.iter().enumerate() {
                let who = format!("holds: {}", holder.who());
                below.push((format!("h{n}"), who, Kind::Holder, Some(holder)));
            }
            if more_hold > 0 {
                let who = format!("and {more_hold} more hold");
                below.push(("h".to_owned(), who, Kind::Holder, None));
            }
            for (n, waiter) in queue.waiters.iter().enumerate() {
                let who = format!("waits: {}", waiter.who());
                below.push((format!("w{n}"), who, Kind::Waiter, Some(waiter)));
            }
            if more_wait > 0 {
                let who = format!("and {more_wait} more wait");
                below.push(("w".to_owned(), who, Kind::Waiter, None));
            }
            let count = below.len();
            for (n, (id, who, kind, node)) in below.into_iter().enumerate() {
                let id = format!("q{name}{id}");
                let who = format!("{}{who}", skin.branch(n + 1 == count));
                lines.push(match node {
                    Some(node) => line(node, id, who, kind),
                    None => Line {
                        id,
                        who,
                        what: String::new(),
                        for_s: None,
                        statement: String::new(),
                        kind,
                        node: None,
                    },
                });
            }
        }
        lines
    }
}

fn line(node: &Node, id: String, who: String, kind: Kind) -> Line {
    Line {
        id,
        who,
        what: node.what(),
        for_s: Some(node.state_s),
        statement: node.statement.clone(),
        kind,
        node: Some(node.clone()),
    }
}

fn below(nodes: &[Node], id: &str, indent: &str, skin: Skin, lines: &mut Vec<Line>) {
    let step = skin.branch(true).chars().count();
    if indent.chars().count() >= DEPTH_MAX * step {
        return;
    }
    for (n, node) in nodes.iter().enumerate() {
        let last = n + 1 == nodes.len();
        let id = format!("{id}.{n}");
        let who = format!("{indent}{}{}", skin.branch(last), node.who());
        lines.push(line(node, id.clone(), who, Kind::Blocked));
        let trunk = match (last, skin.unicode) {
            (true, _) => "   ",
            (false, true) => "│  ",
            (false, false) => "|  ",
        };
        below(&node.blocks, &id, &format!("{indent}{trunk}"), skin, lines);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SKIN: Skin = Skin {
        colour: false,
        unicode: true,
    };

    fn node(pid: i64, blocks: Vec<Node>) -> Node {
        Node {
            pid: Some(pid),
            blocks,
            ..Node::default()
        }
    }

    #[test]
    fn the_tree_goes_from_the_root_blocker_to_who_waits_at_last() {
        let waits = Waits {
            roots: vec![node(
                1,
                vec![node(2, vec![node(3, vec![])]), node(4, vec![])],
            )],
            ..Waits::default()
        };
        let lines: Vec<String> = waits.lines(SKIN).into_iter().map(|line| line.who).collect();
        assert_eq!(lines, ["pid 1", "├─ pid 2", "│  └─ pid 3", "└─ pid 4"]);
    }

    #[test]
    fn the_longest_queue_comes_first_and_who_is_not_listed_is_counted() {
        let queue = |database: &str, waiting| Queue {
            database: database.to_owned(),
            user: "u".to_owned(),
            size: 2,
            waiting,
            holders_total: 2,
            oldest_wait_s: 2.5,
            holders: vec![node(7, vec![])],
            waiters: vec![Node {
                client: Some(9),
                ..Node::default()
            }],
        };
        let waits = Waits {
            queues: vec![queue("a", 1), queue("b", 41)],
            ..Waits::default()
        };
        let lines = waits.lines(SKIN);
        let who: Vec<&str> = lines.iter().map(|line| line.who.as_str()).collect();
        assert_eq!(
            who,
            [
                "pool b/u, 2 servers",
                "├─ holds: pid 7",
                "├─ and 1 more hold",
                "├─ waits: client 9",
                "└─ and 40 more wait",
                "pool a/u, 2 servers",
                "├─ holds: pid 7",
                "├─ and 1 more hold",
                "└─ waits: client 9",
            ]
        );
        assert_eq!(lines[0].what, "41 wait, the first for 2.5 s");
    }

    #[test]
    fn a_tree_without_end_is_drawn_to_a_bounded_depth() {
        let mut deep = node(0, vec![]);
        for pid in 1..100 {
            deep = node(pid, vec![deep]);
        }
        let waits = Waits {
            roots: vec![deep],
            ..Waits::default()
        };
        assert_eq!(waits.lines(SKIN).len(), DEPTH_MAX + 1);
    }
}
