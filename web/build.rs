//! Turns `assets/` into a table of bytes: each file under a name that holds a hash of its content, plain and gzipped, so
//! that browsers may keep it for ever and nothing is compressed twice. Fonts are the graph module's and stay out.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::{env, fs};

use flate2::Compression;
use flate2::write::GzEncoder;
use xxhash_rust::xxh3::xxh3_64;

fn main() -> io::Result<()> {
    let root = PathBuf::from(required("CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(required("OUT_DIR")?);
    println!("cargo::rerun-if-changed=assets");
    let mut names: Vec<String> = fs::read_dir(root.join("assets"))?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| content_type(name).is_some())
        .collect();
    names.sort();
    let mut constants = String::new();
    let mut rows = String::new();
    for name in &names {
        let asset = Asset::load(&root.join("assets").join(name), name, &out)?;
        asset
            .emit(&mut constants, &mut rows)
            .map_err(io::Error::other)?;
    }
    let table = format!(
        "{constants}\n/// Every asset.\npub(crate) static ASSETS: [Asset; {}] = [\n{rows}];\n",
        names.len()
    );
    fs::write(out.join("assets.rs"), table)
}

fn required(variable: &str) -> io::Result<String> {
    env::var(variable).map_err(|error| io::Error::other(format!("{variable}: {error}")))
}

fn content_type(name: &str) -> Option<&'static str> {
    match Path::new(name).extension()?.to_str()? {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "svg" => Some("image/svg+xml"),
        _ => None,
    }
}

struct Asset {
    file: String,
    constant: String,
    content_type: &'static str,
    plain: PathBuf,
    gzip: PathBuf,
}

impl Asset {
    fn load(path: &Path, name: &str, out: &Path) -> io::Result<Self> {
        let bytes = fs::read(path)?;
        let (stem, extension) = name.rsplit_once('.').unwrap_or((name, ""));
        let file = format!("{stem}-{:016x}.{extension}", xxh3_64(&bytes));
        // A copy beside the table, which stays true when the tree moves.
        let plain = out.join(&file);
        fs::write(&plain, &bytes)?;
        let gzip = out.join(format!("{file}.gz"));
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(&bytes)?;
        fs::write(&gzip, encoder.finish()?)?;
        Ok(Self {
            file,
            constant: name.to_uppercase().replace(['.', '-'], "_"),
            content_type: content_type(name).unwrap_or("application/octet-stream"),
            plain,
            gzip,
        })
    }

    fn emit(&self, constants: &mut String, rows: &mut String) -> std::fmt::Result {
        writeln!(constants, "/// Where the page finds it.")?;
        writeln!(
            constants,
            "pub(crate) const {}: &str = {:?};",
            self.constant,
            format!("/assets/{}", self.file)
        )?;
        writeln!(
            rows,
            "    Asset {{ file: {:?}, content_type: {:?}, plain: include_bytes!({:?}), gzip: include_bytes!({:?}) }},",
            self.file, self.content_type, self.plain, self.gzip
        )
    }
}
