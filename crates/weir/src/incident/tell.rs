//! `weir incident …`, where it changes something: one request to the running Weir each.

use serde_json::{Value, json};
use weir_control::incident::entry::IncidentId;
use weir_model::Wall;

use super::{parse, post, pretty, text};
use crate::Failed;
use crate::cli::{
    ActionArgs, ActionCommand, DeclareArgs, DetailArgs, EndArgs, OrNever, Output, SayArgs, Who,
};
use crate::when::When;

/// A wish: where it goes, and its body without `by`.
pub(super) struct Wish {
    path: String,
    body: Value,
    who: Who,
}

impl Wish {
    fn of(id: &str, verb: &str, body: Value, who: Who) -> Result<Self, Failed> {
        let id = parse(id)?;
        Ok(Self {
            path: format!("/api/v1/incidents/{id}/{verb}"),
            body,
            who,
        })
    }

    /// Sends it, and says what came of it.
    pub(super) fn send(mut self) -> Result<(), Failed> {
        let source = &self.who.source;
        if source.store.is_some() {
            return Err(Failed::Usage(
                "weir incident: --store only reads; to change an incident, ask the running Weir (--api)"
                    .to_owned(),
            ));
        }
        self.body["by"] = json!(super::who(self.who.by.clone()));
        let answer = post(source, &self.path, &self.body)?;
        if source.output == Output::Json {
            crate::say(&pretty(&answer));
        } else {
            eprintln!("{}", answer.get("says").map_or("done", text));
        }
        Ok(())
    }
}

pub(super) fn say(verb: &str, args: SayArgs) -> Result<Wish, Failed> {
    with(verb, args, json!({}))
}

/// Words, and more.
pub(super) fn with(verb: &str, args: SayArgs, mut body: Value) -> Result<Wish, Failed> {
    body["text"] = json!(args.text.join(" "));
    Wish::of(&args.id, verb, body, args.who)
}

pub(super) fn about(
    verb: &str,
    id: &str,
    words: &[String],
    mut body: Value,
    who: Who,
) -> Result<Wish, Failed> {
    body["text"] = json!(words.join(" "));
    Wish::of(id, verb, body, who)
}

pub(super) fn ended(verb: &str, args: EndArgs) -> Result<Wish, Failed> {
    with(verb, args.say, json!({ "at": time(args.at) }))
}

pub(super) fn declare(args: DeclareArgs) -> Wish {
    Wish {
        path: "/api/v1/incidents".to_owned(),
        body: json!({
            "title": args.title.join(" "),
            "severity": args.severity.name(),
            "service": args.service,
            "impact_started_at": time(args.since),
            "detected_at": time(args.noticed),
            "level": args.level.map(|level| level.name()),
            "pool": args.pool,
            "detected_by": if args.by_alert { "alert" } else { "person" },
            "text": args.text,
        }),
        who: args.who,
    }
}

pub(super) fn merge(id: &str, into: &str, words: &[String], who: Who) -> Result<Wish, Failed> {
    let into: IncidentId = parse(into)?;
    about("merge", id, words, json!({ "into": into.to_string() }), who)
}

pub(super) fn correction(to: &OrNever) -> Value {
    match to {
        OrNever::At(when) => json!(time(Some(*when))),
        OrNever::Never => Value::Null,
    }
}

pub(super) fn update(
    id: &str,
    doing: &[String],
    impact: Option<String>,
    next: Option<std::time::Duration>,
    who: Who,
) -> Result<Wish, Failed> {
    let body = json!({
        "doing": doing.join(" "),
        "impact": impact,
        "next_update_in": next.map(|next| weir_model::HumanDuration(next).to_string()),
    });
    Wish::of(id, "update", body, who)
}

pub(super) fn action(command: ActionCommand) -> Result<Wish, Failed> {
    match command {
        ActionCommand::List { .. } => Err(Failed::Usage("that is for looking".to_owned())),
        ActionCommand::Add {
            id,
            says,
            kind,
            for_what,
            details,
            who,
        } => {
            let mut body = json!({
                "do": "add", "says": says.join(" "), "type": kind.name(), "for": for_what,
            });
            set(&mut body, details);
            Wish::of(&id, "actions", body, who)
        }
        ActionCommand::Adopt { id, ids, who } => {
            Wish::of(&id, "actions", json!({ "do": "adopt", "ids": ids }), who)
        }
        ActionCommand::Change {
            id,
            action,
            text,
            details,
            who,
        } => {
            let mut body = json!({ "do": "change", "id": action });
            set(&mut body, details);
            about("actions", &id, &text, body, who)
        }
        ActionCommand::Done(args) => on("done", args),
        ActionCommand::Wontdo(args) => on("decline", args),
        ActionCommand::Reopen(args) => on("reopen", args),
        ActionCommand::Verify { action, ok, .. } => {
            let body = json!({ "do": "verify", "id": action.action, "ok": ok });
            about("actions", &action.id, &action.text, body, action.who)
        }
    }
}

fn on(what: &str, args: ActionArgs) -> Result<Wish, Failed> {
    let body = json!({ "do": what, "id": args.action });
    about("actions", &args.id, &args.text, body, args.who)
}

fn set(body: &mut Value, details: DetailArgs) {
    for (name, value) in [
        ("owner", details.owner),
        ("due", details.due),
        ("priority", details.priority),
        ("tracker", details.tracker),
        ("verify", details.verify),
    ] {
        if let Some(value) = value {
            body[name] = json!(value);
        }
    }
}

/// RFC 3339, as the API takes it.
pub(super) fn time(when: Option<When>) -> Option<String> {
    let (_, now): (_, Wall) = crate::clock::zero();
    let at = when?.at(now);
    jiff::Timestamp::from_microsecond(at.as_micros())
        .ok()
        .map(|at| format!("{at:.3}"))
}
