//! A Slack incoming webhook, in Block Kit.
//!
//! The answer is `ok` and no more: a message can't be edited later, so what changes comes as
//! another message. The top-level `text` is what a phone shows.

use serde_json::{Value, json};

use super::{Message, What, facts, page, runes, summary};

/// Characters of a header block.
pub const HEADER_MAX: usize = 150;
/// Characters of a section's text.
pub const SECTION_MAX: usize = 3_000;
/// Fields of a section.
pub const FIELDS_MAX: usize = 10;
/// Characters of a field.
pub const FIELD_MAX: usize = 2_000;
/// Characters of a button's link.
pub const URL_MAX: usize = 3_000;

/// One message.
pub fn message(message: &Message<'_>) -> Value {
    let incident = message.incident;
    let head = summary(message);
    let mut blocks = vec![json!({
        "type": "header",
        "text": { "type": "plain_text", "text": runes(&head, HEADER_MAX) },
    })];
    let says = match message.what {
        What::Test => super::TEST_SAYS.to_owned(),
        _ => page(incident),
    };
    blocks.push(json!({
        "type": "section",
        "text": { "type": "mrkdwn", "text": runes(&escaped(&says), SECTION_MAX) },
    }));
    let fields: Vec<Value> = facts(incident)
        .into_iter()
        .take(FIELDS_MAX)
        .map(|(name, value)| {
            let text = format!("*{}*\n{}", escaped(&name), escaped(&value));
            json!({ "type": "mrkdwn", "text": runes(&text, FIELD_MAX) })
        })
        .collect();
    if !fields.is_empty() && message.what != What::Test {
        blocks.push(json!({ "type": "section", "fields": fields }));
    }
    let buttons: Vec<Value> = [
        ("Open incident", message.link()),
        ("Report", message.report_link()),
    ]
    .into_iter()
    // Slack refuses the whole message for one button whose link isn't a URL.
    .filter(|(_, url)| url.starts_with("http") && url.len() <= URL_MAX)
    .map(|(text, url)| {
        json!({
            "type": "button", "text": { "type": "plain_text", "text": text }, "url": url,
        })
    })
    .collect();
    if !buttons.is_empty() {
        blocks.push(json!({ "type": "actions", "elements": buttons }));
    }
    json!({ "text": escaped(&head), "blocks": blocks })
}

/// Slack's three control characters; without it `<!channel>` in a query would ring everybody.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
