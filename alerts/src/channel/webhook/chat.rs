//! Messages for incoming webhooks of Slack and Mattermost, which share the form of `attachments`: a bar in the colour of the
//! severity, a title that leads to the graph, the facts, the links. Mentions in texts from outside call nobody.

use serde_json::{Value, json};

use crate::notice::{Fact, Links, line};
use crate::outbox::Delivery;

/// Characters of one fact; Slack takes 2000.
const FACT_CHARS_MAX: usize = 1500;

/// How a service wants its texts.
struct Dialect {
    plain: fn(&str) -> String,
    rich: fn(&str) -> String,
    link: fn(&str, &str) -> String,
}

/// <https://api.slack.com/reference/messaging/attachments>
pub(super) fn slack(delivery: &Delivery, links: &Links) -> Value {
    let dialect = Dialect {
        plain: slack_text,
        rich: slack_text,
        link: |name, link| format!("<{link}|{name}>"),
    };
    message(delivery, links, &dialect)
}

/// <https://developers.mattermost.com/integrate/reference/message-attachments/>
pub(super) fn mattermost(delivery: &Delivery, links: &Links) -> Value {
    let dialect = Dialect {
        plain: without_mentions,
        rich: markdown,
        link: |name, link| format!("[{name}]({link})"),
    };
    message(delivery, links, &dialect)
}

fn message(delivery: &Delivery, links: &Links, dialect: &Dialect) -> Value {
    let (notice, over) = (&delivery.notice, delivery.over);
    let subject = (dialect.plain)(&notice.subject(over));
    let fields: Vec<Value> = notice
        .facts(over, links)
        .iter()
        .map(|fact| field(fact, dialect))
        .collect();
    let all_links = notice.all_links(links);
    let text: Vec<String> = all_links
        .iter()
        .map(|(name, link)| (dialect.link)(name, link))
        .collect();
    let mut attachment = json!({
        "color": notice.colour(over),
        "fallback": subject,
        "title": subject,
        "text": text.join(" \u{b7} "),
        "fields": fields,
        "footer": (dialect.plain)(&notice.foot()),
        "ts": notice.at.seconds(),
        "mrkdwn_in": ["text", "fields"],
    });
    if let Some(page) = notice.check.as_ref().and_then(|check| links.check(check)) {
        attachment["title_link"] = page.into();
    }
    json!({"attachments": [attachment]})
}

fn field(fact: &Fact, dialect: &Dialect) -> Value {
    let lines: Vec<String> = fact
        .text
        .lines()
        .map(|text| (dialect.rich)(&line(text, FACT_CHARS_MAX)))
        .collect();
    let value: String = lines.join("\n");
    let is_short = value.chars().count() <= 40;
    json!({"title": fact.name, "value": value, "short": is_short})
}

/// Slack reads `<`, `>` and `&` as markup: `<!channel>` would call everybody.
fn slack_text(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

/// `@all` calls everybody in Mattermost; with a character of no width in it, it does not.
fn without_mentions(text: &str) -> String {
    text.replace('@', "@\u{200b}")
}

fn markdown(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in without_mentions(text).chars() {
        if "\\`*_~[]<>|#!".contains(c) {
            safe.push('\\');
        }
        safe.push(c);
    }
    safe
}
