//! A log that grows, is rotated and cut, between runs.

use std::io::Write;

use super::*;

struct Bench {
    root: tempfile::TempDir,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir_all(root.path().join("var/log/nginx")).unwrap();
        let bench = Self { root };
        bench.write(b"");
        bench
    }

    fn log(&self) -> PathBuf {
        self.root.path().join("var/log/nginx/access.log")
    }

    fn write(&self, bytes: &[u8]) {
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(self.log())
            .unwrap();
        file.write_all(bytes).unwrap();
    }

    fn request(&self, status: u16, bytes: u64, rest: &str) {
        let line = format!(
            "h - - [10/Oct/2000:13:55:36 -0700] \"GET / HTTP/1.1\" {status} {bytes} \"-\" \"-\"{rest}\n"
        );
        self.write(line.as_bytes());
    }

    fn run(&self) -> String {
        let environment = Environment::default()
            .with_system(System::at(self.root.path()))
            .with_state_dir(self.root.path());
        let plugin = crate::bundled::find("weblog_nginx").unwrap();
        let samples = plugin.fetch(&environment).unwrap();
        let words: Vec<String> = samples
            .iter()
            .map(|sample| format!("{}={}", sample.field, sample.reading))
            .collect();
        words.join(" ")
    }

    fn check(&self, expect: &str) {
        assert_eq!(self.run(), expect);
    }
}

#[test]
fn what_is_written_is_counted_once_and_from_the_first_run_on() {
    let bench = Bench::new();
    bench.request(200, 100, "");
    bench.check("s2xx=0 s3xx=0 s4xx=0 s5xx=0 other=0 sent=0");
    bench.request(200, 10, "");
    bench.request(302, 20, "");
    bench.request(404, 30, "");
    bench.request(503, 40, "");
    bench.request(101, 50, "");
    bench.write(b"no request\n");
    bench.check("s2xx=1 s3xx=1 s4xx=1 s5xx=1 other=2 sent=150");
    bench.check("s2xx=1 s3xx=1 s4xx=1 s5xx=1 other=2 sent=150");
}

#[test]
fn a_line_counts_when_it_is_whole() {
    let bench = Bench::new();
    bench.write(b"h - - [t] \"GET /\" 2");
    bench.run();
    bench.write(b"00 5\nh - - [t] \"GET /\" 404 ");
    bench.check("s2xx=1 s3xx=0 s4xx=0 s5xx=0 other=0 sent=5");
    bench.write(b"7\n");
    bench.check("s2xx=1 s3xx=0 s4xx=1 s5xx=0 other=0 sent=12");
}

#[test]
fn a_rotation_loses_nothing() {
    for new_name in ["access.log.1", "access.log-20240101"] {
        let bench = Bench::new();
        bench.run();
        bench.request(200, 1, "");
        bench.run();
        bench.request(200, 2, "");
        fs::rename(bench.log(), bench.log().with_file_name(new_name)).unwrap();
        bench.request(404, 4, "");
        bench.check("s2xx=2 s3xx=0 s4xx=1 s5xx=0 other=0 sent=7");
        bench.request(404, 8, "");
        bench.check("s2xx=2 s3xx=0 s4xx=2 s5xx=0 other=0 sent=15");
    }
}

#[test]
fn a_log_that_was_cut_is_read_from_its_beginning() {
    let bench = Bench::new();
    bench.run();
    bench.request(200, 1, " and a long end that is not written again");
    bench.run();
    fs::write(bench.log(), b"").unwrap();
    bench.request(404, 2, "");
    bench.check("s2xx=1 s3xx=0 s4xx=1 s5xx=0 other=0 sent=3");
}

#[test]
fn latencies_are_of_the_last_run() {
    let bench = Bench::new();
    bench.run();
    for hundredth in 1..=100 {
        bench.request(200, 0, &format!(" {:.3}", f64::from(hundredth) / 100.0));
    }
    let text = bench.run();
    let number = |name: &str| -> f64 {
        let (_, rest) = text.split_once(name).unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    assert!((0.50..0.51).contains(&number("p50=")), "{text}");
    assert!((0.99..=1.0).contains(&number("p99=")), "{text}");
    assert!(text.ends_with("max=1"), "{text}");
    bench.check("s2xx=100 s3xx=0 s4xx=0 s5xx=0 other=0 sent=0 p50=U p90=U p99=U max=U");
}

#[test]
fn a_line_that_never_ends_is_passed_over() {
    let bench = Bench::new();
    bench.run();
    bench.write(&vec![b'x'; 200 << 10]);
    bench.check("s2xx=0 s3xx=0 s4xx=0 s5xx=0 other=0 sent=0");
    bench.write(b"\n");
    bench.request(200, 3, "");
    bench.check("s2xx=1 s3xx=0 s4xx=0 s5xx=0 other=0 sent=3");
}

#[test]
fn latency_is_declared_where_the_log_has_it() {
    let bench = Bench::new();
    let graphs = |bench: &Bench| -> Vec<String> {
        let environment = Environment::default().with_system(System::at(bench.root.path()));
        let plugin = crate::bundled::find("weblog_nginx").unwrap();
        let declarations = plugin.config(&environment).unwrap();
        declarations
            .iter()
            .map(|one| one.graph.to_string())
            .collect()
    };
    bench.request(200, 1, "");
    assert_eq!(graphs(&bench), ["weblog_nginx", "weblog_nginx.bytes"]);
    bench.request(200, 1, " 0.123");
    let expect = ["weblog_nginx", "weblog_nginx.bytes", "weblog_nginx.latency"];
    assert_eq!(graphs(&bench), expect);
}
