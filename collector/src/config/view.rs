//! `[[view]]`: pages that have a name.

use ravenry_plugins::settings::Section;
use ravenry_web::source::View;

use super::Given;

/// More than this nobody finds anything in.
const VIEWS_MAX: usize = 500;

/// Takes all views of a file.
pub(super) fn read(root: &mut Section<'_, '_>, given: &mut Given, views: &mut Vec<View>) {
    for mut section in root.repeated_sections("view") {
        let name = section.parsed_by("name", parse_name);
        let title = section.text("title");
        let address = section.parsed_by("address", parse_address);
        match (name, address) {
            (Some(_), Some(_)) if views.len() >= VIEWS_MAX => {
                let text = format_args!("expected at most {VIEWS_MAX} views");
                section.report(&section.span(), "name", text);
            }
            (Some(name), Some(address)) => {
                let whole = format!("view {name}");
                if given.first_time(root, &whole, section.span_of("name")) {
                    views.push(View {
                        title: title.unwrap_or_else(|| name.clone()),
                        name,
                        address,
                    });
                }
            }
            _ if section.has_problems() => {}
            _ => section.report(
                &section.span(),
                "name",
                "expected name and address, such as name = \"web\", address = \"/group/web\"",
            ),
        }
        section.end();
    }
}

fn parse_name(text: &str) -> Result<String, String> {
    let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if (1..=64).contains(&text.len()) && text.bytes().all(is_good) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "expected 1 to 64 letters, digits and . _ -, found {text:?}"
    ))
}

/// The address of a page as the browser shows it, with or without what stands before the path.
fn parse_address(text: &str) -> Result<String, String> {
    let expected = || {
        format!(
            "expected the path of a page and its parameters, such as \"/group/web?view=wall\", found {text:?}"
        )
    };
    let is_path = text.starts_with('/') && !text.starts_with("//") && text.len() <= 2000;
    let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic()) && !text.contains('#');
    let leads_on = ["/wall", "/view", "/sign-", "/api/"];
    if !is_path || !is_plain || leads_on.iter().any(|start| text.starts_with(start)) {
        return Err(expected());
    }
    Ok(text.to_owned())
}
