//! Availability, noise, and the log.

use crate::ask;

#[test]
fn availability_is_of_hosts_groups_or_checks() {
    let check = |query: &str, has: &[&str], has_not: &[&str]| {
        let page = ask(&format!("/reports{query}"));
        let csv = ask(&format!("/reports.csv{query}"));
        assert_eq!(
            (page.status.as_u16(), csv.status.as_u16()),
            (200, 200),
            "{query}"
        );
        for name in has {
            assert!(
                page.text().contains(&format!(">{name}</a>")),
                "{query}: {name}"
            );
            assert!(
                csv.text().contains(&format!("\"{name}\",")),
                "{query}: {name}"
            );
        }
        let table = page.text().split("id=\"noise\"").next().unwrap();
        for name in has_not {
            assert!(!table.contains(&format!(">{name}</a>")), "{query}: {name}");
            assert!(
                !csv.text().contains(&format!("\"{name}\",")),
                "{query}: {name}"
            );
        }
    };
    check("", &["10.0.0.7", "db-1"], &["db-1/load/load"]);
    check("?per=group", &["ungrouped", "Berlin DC/db"], &["db-1"]);
    check(
        "?per=check&check=df",
        &["web1.example.net/df/_dev_vda1"],
        &["db-1"],
    );
    check("?per=host&host=db*", &["db-1"], &["10.0.0.7"]);
    for query in ["?days=0", "?per=year", "?dasy=7"] {
        assert_eq!(
            ask(&format!("/reports{query}")).status.as_u16(),
            400,
            "{query}"
        );
    }
}

#[test]
fn a_report_as_a_file_is_in_seconds() {
    let csv = ask("/reports.csv?days=1&host=10.0.0.7");
    assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8");
    let lines: Vec<&str> = csv.text().lines().collect();
    assert_eq!(
        lines,
        [
            "name,ok,unknown,warning,critical,downtime,no_data,availability",
            "\"10.0.0.7\",43200,21600,0,0,21600,0,0.666667"
        ]
    );
}

#[test]
fn what_told_people_most_comes_first() {
    let page = ask("/reports");
    let noise = page.text().split("id=\"noise\"").nth(1).unwrap();
    let at = |name: &str| noise.find(&format!(">{name}</a>")).unwrap();
    assert!(at("web1.example.net/df/_dev_vda1") < at("10.0.0.7"));
}

#[test]
fn the_log_is_read_page_by_page() {
    let page = ask("/log");
    assert!(
        page.text()
            .contains("<a href=\"/incident/42\">incident 42 began")
    );
    assert!(page.text().contains("did thing 299") && page.text().contains("did thing 101"));
    assert!(!page.text().contains("did thing 100<"));
    assert!(page.text().contains("before=101"));
    let older = ask("/log?host=&incident=&before=101");
    assert!(older.text().contains("did thing 100") && !older.text().contains("Older"));
    assert!(
        !page.text().contains("<script>alert"),
        "no text becomes markup"
    );
    assert_eq!(ask("/log?before=x").status.as_u16(), 400);
    assert_eq!(ask("/notices").status.as_u16(), 200);
}
