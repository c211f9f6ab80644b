//! The message as HTML for mail: one column, styles inline, nothing fetched from anywhere. Mail programs know little CSS, so
//! it is tables. Every text from outside is escaped.

use std::fmt::Write as _;

use ravenry_plugins::timestamp::Timestamp;

use super::{Kind, Links, Notice};
use crate::severity::Severity;

const FONT: &str = "font-family:-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif";
const NAME: &str = "padding:4px 14px 4px 0;color:#5f6b76;vertical-align:top;white-space:nowrap";
const TEXT: &str = "padding:4px 0;vertical-align:top;word-break:break-word";
const BUTTON: &str = "display:inline-block;margin:0 8px 8px 0;padding:9px 16px;border-radius:4px;text-decoration:none;\
                      font-weight:600";

impl Notice {
    /// The message as HTML. `picture` is the content id of a picture that goes with it.
    #[must_use]
    pub fn html(&self, over: Option<Timestamp>, links: &Links, picture: Option<&str>) -> String {
        let colour = self.colour(over);
        let (title, sentence) = self.title(over);
        let mut page = format!(
            "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
             <meta name=\"viewport\" content=\"width=device-width\"><title>{subject}</title></head>\n\
             <body style=\"margin:0;padding:0;background:#f2f4f6;color:#1c2126;{FONT};font-size:15px;line-height:1.45\">\n\
             <table role=\"presentation\" width=\"100%\" cellspacing=\"0\" cellpadding=\"0\"><tr><td align=\"center\" \
             style=\"padding:12px\">\n\
             <table role=\"presentation\" width=\"100%\" cellspacing=\"0\" cellpadding=\"0\" \
             style=\"max-width:660px;background:#ffffff;border:1px solid #d7dce1\">\n\
             <tr><td style=\"background:{colour};color:#ffffff;padding:10px 18px;font-size:13px;font-weight:700;\
             letter-spacing:.06em\">{title}</td></tr>\n\
             <tr><td style=\"padding:16px 18px 4px;font-size:19px;line-height:1.3;font-weight:600;\
             word-break:break-word\">{sentence}</td></tr>\n",
            subject = escape(&self.subject(over)),
            title = escape(&title),
            sentence = escape(&sentence),
        );
        self.write_facts(&mut page, over, links);
        if let Some(id) = picture {
            let label = super::line(&self.label, 100);
            let alt = escape(&format!("The graph of {label} over the last day"));
            let _ = writeln!(
                page,
                "<tr><td style=\"padding:4px 18px 10px\"><img src=\"cid:{}\" alt=\"{alt}\" width=\"622\" \
                 style=\"display:block;width:100%;max-width:622px;height:auto;border:0\"></td></tr>",
                escape(id)
            );
        }
        self.write_links(&mut page, links, colour);
        let _ = write!(
            page,
            "<tr><td style=\"padding:10px 18px;border-top:1px solid #e6e9ec;color:#5f6b76;font-size:12px\">{}</td></tr>\n\
             </table>\n</td></tr></table>\n</body></html>\n",
            escape(&self.foot())
        );
        page
    }

    /// The band at the top, and what stands below it.
    fn title(&self, over: Option<Timestamp>) -> (String, String) {
        let tag = self.tag(over).to_uppercase();
        match &self.check {
            None => (tag, format!("{}.", self.sentence(over))),
            Some(_) if self.kind == Kind::Digest => (tag, format!("{}.", self.sentence(over))),
            Some(check) => (
                format!("{tag} \u{b7} {}", check.host()),
                super::line(&format!("{}{}", self.sentence(over), self.more()), 400),
            ),
        }
    }

    fn write_facts(&self, page: &mut String, over: Option<Timestamp>, links: &Links) {
        let facts = self.facts(over, links);
        if facts.is_empty() {
            return;
        }
        page.push_str(
            "<tr><td style=\"padding:8px 18px\"><table role=\"presentation\" cellspacing=\"0\" cellpadding=\"0\" \
             style=\"font-size:14px;line-height:1.4\">\n",
        );
        for fact in facts {
            let text = escape(&fact.text).replace('\n', "<br>");
            let text = match &fact.link {
                Some(link) => format!(
                    "<a href=\"{}\" style=\"color:#0b5cad\">{text}</a>",
                    escape(link)
                ),
                None => text,
            };
            let name = fact.name;
            let _ = writeln!(
                page,
                "<tr><td style=\"{NAME}\">{name}</td><td style=\"{TEXT}\">{text}</td></tr>"
            );
        }
        page.push_str("</table></td></tr>\n");
    }

    /// The first link is what a person is wanted for.
    fn write_links(&self, page: &mut String, links: &Links, colour: &str) {
        let all = self.all_links(links);
        if all.is_empty() {
            return;
        }
        page.push_str("<tr><td style=\"padding:6px 18px 10px\">");
        for (place, (name, link)) in all.iter().enumerate() {
            let look = match place {
                0 => format!("background:{colour};color:#ffffff;border:1px solid {colour}"),
                _ => "background:#ffffff;color:#1c2126;border:1px solid #c3cad1".to_owned(),
            };
            let _ = write!(
                page,
                "<a href=\"{}\" style=\"{BUTTON};{look}\">{name}</a>",
                escape(link)
            );
        }
        page.push_str("</td></tr>\n");
    }

    /// White text on it has a contrast of 4.5 at least.
    pub(crate) fn colour(&self, over: Option<Timestamp>) -> &'static str {
        match (over, self.kind, self.severity) {
            (Some(_), _, _) | (None, Kind::Recovery, _) => "#1e7b34",
            (None, Kind::Acknowledged | Kind::Test | Kind::Withdrawn, _) => "#4a5560",
            (
                None,
                Kind::Problem | Kind::Worse | Kind::Update | Kind::Reminder | Kind::Digest,
                severity,
            ) => match severity {
                Severity::Critical => "#b3261e",
                Severity::Warning => "#8a5300",
                Severity::Unknown => "#6a3fa0",
                Severity::Ok => "#1e7b34",
            },
        }
    }
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::CheckName;
    use crate::rule::ContactName;

    #[test]
    fn what_a_plugin_says_is_never_markup() {
        let notice = Notice {
            kind: Kind::Problem,
            check: Some(CheckName::Host("web1".parse().unwrap())),
            label: String::from("<img src=x onerror=\"alert(1)\">"),
            output: String::from("</td><script>alert('1')</script>\nsecond & last"),
            threshold: String::from("\"'><b>"),
            why: String::from("<i>"),
            ..Notice::test(ContactName::new("<ops>"), Timestamp::EPOCH)
        };
        let page = notice.html(None, &Links::default(), Some("a\"b"));
        for bad in ["<script", "<img src=x", "<b>", "<i>", "<ops>", "cid:a\"b"] {
            assert!(!page.contains(bad), "{bad} in {page}");
        }
        assert!(page.contains("second &amp; last"), "{page}");
        assert!(!page.contains("href"), "no links without an address");
    }
}
