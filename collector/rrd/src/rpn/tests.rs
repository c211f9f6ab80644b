use super::*;

/// 2026-07-26 00:00 in Zürich, a Sunday.
const MIDNIGHT: i64 = 1_785_016_800;

/// Four rows of an hour around midnight; `a` is 1, 2, unknown, 4.
fn rows(text: &str) -> Result<Vec<f64>, RpnError> {
    let program = Program::parse(text)?;
    let column = [1.0, 2.0, f64::NAN, 4.0];
    let columns = vec![&column[..]; program.variables().len()];
    let grid = Grid {
        first: MIDNIGHT - 3600,
        step: 3600,
        rows: 4,
        now: MIDNIGHT,
    };
    program.evaluate_in(&columns, grid, Tz::Europe__Zurich)
}

#[track_caller]
fn check(text: &str, expect: &str) {
    let shown = match rows(text) {
        Ok(values) => values
            .iter()
            .map(f64::to_string)
            .collect::<Vec<_>>()
            .join(" "),
        Err(error) => error.to_string(),
    };
    assert_eq!(shown, expect, "{text}");
}

#[test]
fn operators_do_what_the_manual_says() {
    check("a,1,+", "2 3 NaN 5");
    check("a,PREV(a),-", "NaN 1 NaN NaN");
    check("PREV,UN,0,PREV,IF,1,+", "1 2 3 4");
    check("a,7200,TREND", "NaN 1.5 NaN NaN");
    check("a,7200,TRENDNAN", "NaN 1.5 2 4");
    check("3600,1,3600,a,PREDICT", "NaN NaN NaN 4");
    check("10,20,30,3,1,ROLL,-,+", "20 20 20 20");
    check("10,20,30,3,-1,ROLL,100,*,+,+", "1050 1050 1050 1050");
    check("2.5,ROUND,-2.4,ROUND,+", "1 1 1 1");
    check("LTIME,TIME,-", "7200 7200 7200 7200");
    check("NEWDAY,10,*,NEWWEEK,+", "0 11 0 0");
    check("NOW,TIME,-", "3600 0 -3600 -7200");
    check("1,2,3,DEPTH,+,+,+,", "9 9 9 9");
    check("7,0,INDEX,+", "7 7 7 7");
}

#[test]
fn nothing_overflows_hangs_or_grows_without_limit() {
    let words = |word: &str, count: usize| vec![word; count].join(",");
    check(
        &format!("1,{}", words("DUP", 2000)),
        "RPN stack overflow at DUP",
    );
    check(&words("1", 5000), "RPN: more than 4096 words");
    check(
        "1,2,2,COPY,4,COPY,8,COPY,16,COPY,32,COPY,64,COPY,128,COPY,256,COPY,512,COPY,DUP",
        "RPN stack overflow at DUP",
    );
    check("1,-1,AVG", "RPN: AVG of -1 values");
    check("1,1e9,SORT", "RPN: SORT of 1000000000 values");
    check("1,UNKN,1,ROLL", "RPN: ROLL of NaN values");
    check(
        "1,-1e9,3600,a,PREDICT",
        "RPN: PREDICT of -1000000000 values",
    );
    check(
        "-1,1,0,a,PREDICT",
        "RPN: negative shift step not allowed: -1",
    );
    check("1,5,AVG", "RPN stack underflow at AVG");
    check("0,AVG", "NaN NaN NaN NaN");
    check("+", "RPN stack underflow at +");
    check("1,2", "RPN final stack size is 2, not 1");
    check("5,PREDICT", "RPN: expected a variable before PREDICT");
    check("5,6,TREND", "RPN: expected variable,seconds,TREND");
    check("a,b c,+", r#"RPN: unexpected word "b c""#);
    check("", r#"RPN: unexpected word """#);
}

#[test]
fn windows_over_many_rows_end_when_they_took_too_long() {
    let column = vec![1.0; 100_000];
    let program = Program::parse("a,1e18,TRENDNAN,0,-1000,2e9,a,PREDICT,+").unwrap();
    let columns = [Column::on_grid(&column, 1)];
    let grid = Grid {
        first: 1,
        step: 1,
        rows: column.len(),
        now: 0,
    };
    let mut machine = Machine::new(&columns, grid, Tz::UTC);
    machine.spend(WORK_MAX as usize - 1_000_000).unwrap();
    assert_eq!(machine.rows(&program.steps), Err(RpnError::Work));
}
