//! `ravenry store repair` and `ravenry store reshape`: what changes files, when no collector works on them.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use ravenry::lock::DataLock;
use ravenry::store::fault::Fault;
use ravenry::store::repair::{carry_out, make_safe, plan, reshape_file};
use ravenry::store::verify::{Finding, Scope};
use ravenry_plugins::clock;

use super::verify::alike;
use super::{Files, count, progress};

/// What both commands ask.
#[derive(Args, Debug)]
struct Consent {
    /// Do it without asking
    #[arg(long, short = 'y')]
    yes: bool,
    /// Only say what would be done
    #[arg(long, short = 'n', conflicts_with = "yes")]
    dry_run: bool,
}

impl Consent {
    /// Whether it is to be done.
    fn given(&self, question: &str) -> anyhow::Result<bool> {
        if self.dry_run {
            println!("nothing was changed");
            return Ok(false);
        }
        if self.yes {
            return Ok(true);
        }
        if !io::stdin().is_terminal() {
            bail!("nobody can be asked here: say --yes to have it done, or --dry-run to only look");
        }
        print!("{question} [y/N] ");
        io::stdout().flush()?;
        let mut answer = String::new();
        io::stdin().read_line(&mut answer)?;
        let given = matches!(answer.trim(), "y" | "Y" | "yes");
        if !given {
            println!("nothing was changed");
        }
        Ok(given)
    }
}

/// `ravenry store repair`
#[derive(Args, Debug)]
pub(crate) struct Repair {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    consent: Consent,
}

impl Repair {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let scope = self.files.scope()?;
        let _lock = DataLock::take(&scope.data)?;
        let verified = self.files.verify(&scope)?;
        let steps = plan(&verified.findings);
        let mended = |finding: &&Finding| steps.iter().any(|step| step.path == finding.path);
        let left: Vec<&Finding> = verified
            .findings
            .iter()
            .filter(|finding| !mended(finding))
            .collect();
        let (wrong, notes): (Vec<&Finding>, Vec<&Finding>) = left
            .into_iter()
            .partition(|finding| finding.fault.is_wrong());
        let mut is_left = !wrong.is_empty();
        for Finding { path, fault } in wrong {
            println!("left: {path}: {fault}");
        }
        for (path, more, text) in alike(&notes) {
            println!("note: {path}{more}: {text}");
        }
        for step in &steps {
            let found = verified
                .findings
                .iter()
                .find(|found| found.path == step.path);
            let fault = found.map_or_else(String::new, |found| found.fault.to_string());
            println!("{}: {fault}: {}", step.path, step.remedy);
        }
        if steps.is_empty() {
            println!("there is nothing that can be mended");
            return Ok(verdict(is_left));
        }
        if !self
            .consent
            .given(&format!("Change {}?", count(steps.len() as u64, "file")))?
        {
            return Ok(verdict(true));
        }
        let now = clock::now();
        for step in &steps {
            match carry_out(&scope.data, step, now) {
                Ok(done) => println!("{}: {done}", step.path),
                Err(error) => {
                    is_left = true;
                    eprintln!("{}: not mended: {error}", step.path);
                }
            }
        }
        make_safe(&scope.data)?;
        Ok(verdict(is_left))
    }
}

/// `ravenry store reshape`
#[derive(Args, Debug)]
pub(crate) struct Reshape {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    consent: Consent,
}

impl Reshape {
    pub(super) fn run(self) -> anyhow::Result<ExitCode> {
        let scope = self.files.scope()?;
        let _lock = DataLock::take(&scope.data)?;
        let mut verified = self.files.verify(&scope)?;
        let is_other = |finding: &Finding| matches!(finding.fault, Fault::OtherRows { .. });
        verified.findings.retain(is_other);
        let findings: Vec<&Finding> = verified.findings.iter().collect();
        for (path, more, text) in alike(&findings) {
            println!("{path}{more}: {text}");
        }
        let number = verified.findings.len() as u64;
        if number == 0 {
            println!("every file has the rows that it should");
            return Ok(ExitCode::SUCCESS);
        }
        if !self
            .consent
            .given(&format!("Rewrite {}?", count(number, "file")))?
        {
            return Ok(verdict(true));
        }
        reshape_all(&scope, &verified.findings)
    }
}

fn reshape_all(scope: &Scope, findings: &[Finding]) -> anyhow::Result<ExitCode> {
    let bar = progress(findings.len(), "files rewritten");
    let mut failed = false;
    for finding in findings {
        let Fault::OtherRows { shape, .. } = &finding.fault else {
            continue;
        };
        if let Err(error) = reshape_file(&scope.data.join(Path::new(&finding.path)), shape) {
            failed = true;
            bar.suspend(|| eprintln!("{}: not rewritten: {error}", finding.path));
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    make_safe(&scope.data)?;
    println!("{} rewritten", count(findings.len() as u64, "file"));
    Ok(verdict(failed))
}

fn verdict(is_left: bool) -> ExitCode {
    if is_left {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    }
}
