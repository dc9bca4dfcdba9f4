//! Puts the built dashboard into the binary: every file of `web/dist`, if it is there, with the
//! compressed variants beside it (`make web` makes both). Without it the list is empty, and `cargo build`
//! needs no Node. Why no crate does this: docs/decisions/0062.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};

/// A dashboard of more bytes than this, uncompressed, is something else that lies there.
const BYTES_MAX: u64 = 8 << 20;

fn main() {
    let dist = Path::new(&var("CARGO_MANIFEST_DIR")).join("../../web/dist");
    // A folder that isn't there yet must be noticed once it is.
    println!("cargo::rerun-if-changed={}", dist.display());
    println!("cargo::rerun-if-changed=build.rs");
    let mut files = BTreeMap::new();
    collect(&dist, "", &mut files);
    let total: u64 = files
        .values()
        .map(|path| fs::metadata(path).map_or(0, |meta| meta.len()))
        .sum();
    if total > BYTES_MAX {
        println!("cargo::warning=web/dist has {total} bytes; the dashboard is left out");
        files.clear();
    }
    let mut out = String::from("pub(crate) static FILES: &[File] = &[\n");
    for (name, path) in &files {
        if is_variant(name, &files) {
            continue;
        }
        let Ok(content) = fs::read(path) else {
            continue;
        };
        let variant = |ending: &str| match files.get(&format!("{name}.{ending}")) {
            Some(path) => included(path),
            None => "&[]".to_owned(),
        };
        let _ = writeln!(
            out,
            "    File {{ path: {name:?}, kind: {:?}, tag: \"\\\"{}\\\"\", plain: {}, brotli: {}, gzip: {} }},",
            kind(name),
            tag(&content),
            included(path),
            variant("br"),
            variant("gz"),
        );
    }
    out.push_str("];\n");
    let place = Path::new(&var("OUT_DIR")).join("dist.rs");
    fs::write(&place, out).unwrap_or_else(|fault| panic!("{}: {fault}", place.display()));
}

fn var(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|fault| panic!("{name}: {fault}"))
}

/// By path from the folder on; a map, so that they are sorted.
fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let path = entry.path();
        // Hidden ones are notes of the build.
        if name.starts_with('.') {
            continue;
        }
        let name = format!("{prefix}{name}");
        if path.is_dir() {
            collect(&path, &format!("{name}/"), files);
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            files.insert(name, path);
        }
    }
}

/// `app.js.br` beside `app.js`.
fn is_variant(name: &str, files: &BTreeMap<String, PathBuf>) -> bool {
    let plain = name.strip_suffix(".br").or(name.strip_suffix(".gz"));
    plain.is_some_and(|plain| files.contains_key(plain))
}

fn included(path: &Path) -> String {
    let path = path.canonicalize().unwrap_or_else(|_| path.to_owned());
    format!("include_bytes!({:?})", path.display().to_string())
}

/// Two files of different content must not share it; nobody attacks their own build.
fn tag(content: &[u8]) -> String {
    let mut hasher = std::hash::DefaultHasher::new();
    hasher.write(content);
    format!("{:016x}-{:x}", hasher.finish(), content.len())
}

fn kind(name: &str) -> &'static str {
    match name.rsplit('.').next().unwrap_or_default() {
        "html" => "text/html; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "svg" => "image/svg+xml",
        "png" => "image/png",
        "ico" => "image/x-icon",
        "woff2" => "font/woff2",
        "json" => "application/json",
        "webmanifest" => "application/manifest+json",
        "txt" => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
