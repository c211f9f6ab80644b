//! Messages for ntfy (<https://docs.ntfy.sh/publish/#publish-as-json>): posted to the server, the topic is in the body.

use serde_json::{Value, json};

use crate::notice::{Kind, Links, Notice};
use crate::outbox::Delivery;
use crate::severity::Severity;

/// A message of more than 4096 bytes becomes a file; a character has up to four.
const MESSAGE_CHARS_MAX: usize = 1000;

/// Buttons that a message may have.
const ACTIONS_MAX: usize = 3;

/// The server and the topic of `https://ntfy.sh/topic`.
pub(super) fn place(url: &str) -> (&str, &str) {
    let url = url.trim_end_matches('/');
    match url.rsplit_once('/') {
        Some((server, topic)) if !server.ends_with('/') => (server, topic),
        Some(_) | None => (url, ""),
    }
}

/// What is posted.
pub(super) fn body(delivery: &Delivery, links: &Links, url: &str) -> Value {
    let (notice, over) = (&delivery.notice, delivery.over);
    let (priority, tag) = urgency(delivery);
    let all_links = notice.all_links(links);
    let actions: Vec<Value> = all_links
        .iter()
        .take(ACTIONS_MAX)
        .map(|(name, link)| json!({"action": "view", "label": name, "url": link}))
        .collect();
    let mut message = json!({
        "topic": place(url).1,
        "title": notice.subject(over),
        "message": message(notice, delivery),
        "priority": priority,
        "tags": [tag],
        "actions": actions,
    });
    if let Some(page) = notice.check.as_ref().and_then(|check| links.check(check)) {
        message["click"] = page.into();
    }
    message
}

fn message(notice: &Notice, delivery: &Delivery) -> String {
    let facts = notice.facts(delivery.over, &Links::default());
    let lines: Vec<String> = facts
        .iter()
        .map(|fact| format!("{}: {}", fact.name, fact.text))
        .collect();
    let text = match lines.is_empty() {
        true => format!("{}.", notice.sentence(delivery.over)),
        false => lines.join("\n"),
    };
    match text.char_indices().nth(MESSAGE_CHARS_MAX) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    }
}

/// 5 goes through a phone's silence; the tag is an emoji's short code.
fn urgency(delivery: &Delivery) -> (u8, &'static str) {
    match (
        delivery.over,
        delivery.notice.kind,
        delivery.notice.severity,
    ) {
        (Some(_), _, _) | (None, Kind::Recovery, _) => (3, "white_check_mark"),
        (None, Kind::Acknowledged, _) => (2, "eyes"),
        (None, Kind::Withdrawn, _) => (2, "wastebasket"),
        (None, Kind::Test, _) => (3, "wave"),
        (
            None,
            Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder | Kind::Digest,
            severity,
        ) => match severity {
            Severity::Critical => (5, "rotating_light"),
            Severity::Warning => (4, "warning"),
            Severity::Unknown | Severity::Ok => (3, "question"),
        },
    }
}
