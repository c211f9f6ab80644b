//! Checks about hosts that have no agent, and checks that are there no more.

use expect_test::expect;

use ravenry_plugins::name::HostName;

use super::{World, check, one_contact, rows};

#[test]
fn what_an_agent_said_of_another_host_is_unknown_when_the_agent_is_gone_and_its_host_explains_it() {
    check(
        one_contact(),
        "
        web1           x*10 .*20 x*5
        web1>sw1       x*10 .*20 x*5
        sw1/if_7/up    50*10 .*20 50*5
        sw1/check_fan  ok*10 .*20 ok*5
        ",
        expect![[r#"
            14:00 1-ops-1 [down] web1: nothing is heard of the host
            30:00 1-ops-2 [up] web1: the host is heard of again after 16m
        "#]],
    );
}

#[test]
fn an_agent_that_stops_speaking_of_a_host_is_a_witness_of_its_silence() {
    check(
        one_contact(),
        "
        web1           x*40
        web1>sw1       x*10 .*30
        sw1/if_7/up    50*10 .*20 50*10
        ",
        expect![[r#"
            12:00 1-ops-1 [unknown] sw1: if_7 up has no value
            30:00 1-ops-2 [ok] sw1: if_7 up is 50 (was unknown for 18m)
        "#]],
    );
}

#[test]
fn a_host_that_another_agent_speaks_of_now_is_no_longer_the_first_ones() {
    check(
        one_contact(),
        "
        web1           x*10 .*20
        web2           x*30
        web1>sw1       x*10 .*20
        web2>sw1       .*9 x*21
        sw1/if_7/up    50*30
        ",
        expect![[r#"
            14:00 1-ops-1 [down] web1: nothing is heard of the host
        "#]],
    );
}

#[test]
fn a_restart_remembers_who_speaks_of_whom() {
    check(
        one_contact(),
        "
        clock          .*10 crash .*30
        web1           x*10 .*31
        web1>sw1       x*10 .*31
        sw1/if_7/up    50*10 .*31
        ",
        expect![[r#"
            17:00 1-ops-1 [down] web1: nothing is heard of the host
        "#]],
    );
}

#[test]
fn a_check_that_is_gone_is_not_missed_and_its_incident_ends() {
    check(
        one_contact(),
        "
        web1            x*30
        web1/df/root    50*2 99*5 gone .*22
        web1/check_disk ok*2 crit*5 gone .*22
        web1/load/load  50*10 gone .*19
        ",
        expect![[r#"
            04:00 1-ops-1 [critical] web1: df root is 99 (critical above 98)
            04:00 2-ops-1 [critical] web1: check_disk: DISK CRITICAL - it is bad
            07:00 1-ops-2 [not watched any more] web1: df root is not judged any more (was critical for 3m)
            07:00 2-ops-2 [not watched any more] web1: check_disk is not judged any more (was critical for 3m)
        "#]],
    );
}

#[test]
fn silence_about_another_host_makes_its_checks_unknown_and_keeps_what_was_bad() {
    let rows = rows(
        "
        web1           x*10 .*20
        web1>sw1       x*10 .*20
        sw1/if_7/up    50*10 .*20
        sw1/if_8/up    50*2 99*8 .*20
        sw1/check_fan  ok*10 .*20
        ",
    );
    let mut world = World::new(one_contact(), &rows);
    world.live(&rows);
    let sw1 = HostName::new("sw1").unwrap();
    let checks = world.engine.checks_of(&sw1).into_iter().skip(1);
    let lines: Vec<String> = checks
        .map(|check| format!("{} {:?}", check.name, check.severity))
        .collect();
    expect![[r#"
        sw1/if_7/up Unknown
        sw1/if_8/up Critical
        sw1/check_fan Unknown"#]]
    .assert_eq(&lines.join("\n"));
}
