//! `weir report render`: an incident's report in every form and format.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, anyhow};
use serde_json::Value;
use weir_control::incident::entry::IncidentId;
use weir_control::incident::json as incident_json;
use weir_control::report::{self, Form, Format};

use crate::Failed;
use crate::cli::{RenderArgs, Source};
use crate::incident::{find, from_file, get_text, parse, pretty};
use crate::report_pdf;

/// `weir report render …`.
pub(crate) fn render(args: &RenderArgs) -> Result<(), Failed> {
    let id = parse(&args.id)?;
    let form: Form = args.form.parse().map_err(Failed::Usage)?;
    if let Some(template) = &args.template {
        return by_template(args, id, form, template);
    }
    let format = args.format.as_deref().unwrap_or("md");
    if form != Form::Full && matches!(format, "json" | "github") {
        return Err(Failed::Usage(format!(
            "weir report render: --format {format} has the whole incident in it, so there is no {} form of it; \
             take md, html, pdf or confluence",
            form.name()
        )));
    }
    match format {
        "github" => issues(args, id),
        "pdf" => pdf(args, id, form),
        _ => text(args, id, form, format),
    }
}

fn text(args: &RenderArgs, id: IncidentId, form: Form, format: &str) -> Result<(), Failed> {
    let text = rendered(&args.source, id, form, format)?;
    let Some(path) = &args.out else {
        crate::say(&text);
        return Ok(());
    };
    let extension = match format {
        "confluence" => "xhtml",
        other => other,
    };
    let name = match form {
        Form::Full => format!("report.{extension}"),
        _ => format!("report-{}.{extension}", form.name()),
    };
    let file = in_directory(path, &name);
    write(&file, text.as_bytes())?;
    let mut written = vec![file.clone()];
    if form == Form::Full && matches!(format, "md" | "confluence") {
        let beside = file.parent().unwrap_or(Path::new("."));
        written.extend(write_charts(&args.source, id, beside)?);
    }
    for file in written {
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

/// The text, from the store's file or from a running Weir.
fn rendered(source: &Source, id: IncidentId, form: Form, format: &str) -> Result<String, Failed> {
    let Some(incidents) = from_file(source)? else {
        return get_text(
            source,
            &format!(
                "/api/v1/incidents/{id}/report?format={format}&form={}",
                form.name()
            ),
        );
    };
    let incident = find(&incidents, id)?;
    Ok(match format {
        "md" => report::render(incident, form, Format::Markdown),
        "html" => report::render(incident, form, Format::Html),
        "confluence" => report::render(incident, form, Format::Confluence),
        "context" => report::context(incident, form).to_string(),
        "github" => report::issues_json(incident, None).to_string(),
        _ => pretty(&incident_json::document(incident)),
    })
}

fn pdf(args: &RenderArgs, id: IncidentId, form: Form) -> Result<(), Failed> {
    let Some(out) = &args.out else {
        return Err(Failed::Usage(
            "weir report render: a PDF goes to a file; say which with --out report.pdf".to_owned(),
        ));
    };
    let browser = report_pdf::browser(args.browser.as_deref())?;
    let html = rendered(&args.source, id, form, "html")?;
    let name = match form {
        Form::Full => "report.pdf".to_owned(),
        _ => format!("report-{}.pdf", form.name()),
    };
    let file = in_directory(out, &name);
    report_pdf::print(&browser, &html, &file)?;
    eprintln!("wrote {}", file.display());
    Ok(())
}

fn issues(args: &RenderArgs, id: IncidentId) -> Result<(), Failed> {
    let answer = rendered(&args.source, id, Form::Full, "github")?;
    let document: Value = serde_json::from_str(&answer).context("the API's answer is not JSON")?;
    let issues = document["issues"]
        .as_array()
        .ok_or_else(|| anyhow!("the answer holds no issues"))?;
    let Some(out) = &args.out else {
        crate::say(&pretty(&document));
        return Ok(());
    };
    std::fs::create_dir_all(out).with_context(|| format!("couldn't make {}", out.display()))?;
    if issues.is_empty() {
        eprintln!("no open actions in {id}: nothing to write");
    }
    for issue in issues {
        // The name comes from outside when another Weir answers: only its last part counts.
        let name = issue["file"].as_str().unwrap_or_default();
        let Some(name) = Path::new(name).file_name() else {
            return Err(anyhow!("the answer names no file for an issue").into());
        };
        let file = out.join(name);
        write(&file, issue["text"].as_str().unwrap_or_default().as_bytes())?;
        eprintln!("wrote {}", file.display());
    }
    Ok(())
}

fn by_template(
    args: &RenderArgs,
    id: IncidentId,
    form: Form,
    template: &Path,
) -> Result<(), Failed> {
    if args.format.is_some() {
        return Err(Failed::Usage(
            "weir report render: --template decides the format by its own extension; leave --format out".to_owned(),
        ));
    }
    let source = std::fs::read_to_string(template)
        .with_context(|| format!("couldn't read {}", template.display()))?;
    let context: Value = serde_json::from_str(&rendered(&args.source, id, form, "context")?)
        .context("the API's answer is not JSON")?;
    let name = template.to_string_lossy();
    let mut text =
        report::template::render(&name, &source, &context).map_err(|fault| anyhow!("{fault}"))?;
    if !text.ends_with('\n') {
        text.push('\n');
    }
    match &args.out {
        None => crate::say(&text),
        Some(path) => {
            let name = template.file_name().map_or_else(
                || "report.txt".to_owned(),
                |n| n.to_string_lossy().into_owned(),
            );
            let file = in_directory(path, name.trim_end_matches(".j2"));
            if same_file(&file, template) {
                return Err(Failed::Usage(format!(
                    "weir report render: --out {} would overwrite the template",
                    file.display()
                )));
            }
            write(&file, text.as_bytes())?;
            eprintln!("wrote {}", file.display());
        }
    }
    Ok(())
}

fn same_file(a: &Path, b: &Path) -> bool {
    match (a.canonicalize(), b.canonicalize()) {
        (Ok(a), Ok(b)) => a == b,
        _ => false,
    }
}

/// The charts that the text refers to, beside it.
fn write_charts(source: &Source, id: IncidentId, dir: &Path) -> Result<Vec<PathBuf>, Failed> {
    let charts: Vec<(String, String)> = match from_file(source)? {
        Some(incidents) => report::charts(find(&incidents, id)?),
        None => ["wait.svg", "hold.svg"]
            .into_iter()
            // An incident without numbers has no charts, and its report none to show.
            .filter_map(|name| {
                let path = format!("/api/v1/incidents/{id}/charts/{name}");
                Some((name.to_owned(), get_text(source, &path).ok()?))
            })
            .collect(),
    };
    let mut written = Vec::new();
    for (name, svg) in charts {
        let file = dir.join(name);
        write(&file, svg.as_bytes())?;
        written.push(file);
    }
    Ok(written)
}

/// `path` itself, or `name` in it where it is a directory.
fn in_directory(path: &Path, name: &str) -> PathBuf {
    if path.is_dir() {
        path.join(name)
    } else {
        path.to_owned()
    }
}

fn write(file: &Path, bytes: &[u8]) -> Result<(), Failed> {
    std::fs::write(file, bytes).with_context(|| format!("couldn't write {}", file.display()))?;
    Ok(())
}
