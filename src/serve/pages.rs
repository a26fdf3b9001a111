//! The pages around the report.

use super::error::ServeError;
use super::site::{Fragment, Site};
use super::snapshot::{RunNow, Snapshot};
use super::stage;
use crate::page::assets;
use minijinja::value::Serde;
use minijinja::{Environment, UndefinedBehavior, Value, context};
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;

const STYLE: &str = include_str!("../../templates/serve/serve.css");
const DEMO: &str = include_str!("../../templates/demo/demo.js");
const DEMO_STYLE: &str = include_str!("../../templates/demo/demo.css");
const LIVE: &str = include_str!("../../templates/serve/live.js");
const INDEX_SCRIPT: &str = include_str!("../../templates/serve/index.js");

/// Names end in .html so that all that is written into them is escaped.
const TEMPLATES: [(&str, &str); 5] = [
    ("demo.html", include_str!("../../templates/demo/demo.html.j2")),
    ("base.html", include_str!("../../templates/serve/base.html.j2")),
    ("index.html", include_str!("../../templates/serve/index.html.j2")),
    ("sweep.html", include_str!("../../templates/serve/sweep.html.j2")),
    ("stage.html", include_str!("../../templates/serve/stage.html.j2")),
];

/// A file that pages ask for.
#[derive(Debug)]
pub(super) struct Asset {
    pub kind: &'static str,
    pub text: String,
    /// What browsers that have it tell it by: it changes with the program.
    pub tag: String,
}

/// Names, kinds, and what they are put together from.
const ASSETS: [(&str, &str, &[&str]); 7] = [
    ("style.css", "text/css; charset=utf-8", &[assets::STYLE, STYLE, DEMO_STYLE]),
    ("d3.js", SCRIPT, &[assets::D3]),
    ("plot.js", SCRIPT, &[assets::PLOT]),
    ("report.js", SCRIPT, &[assets::SCRIPT]),
    ("live.js", SCRIPT, &[LIVE]),
    ("demo.js", SCRIPT, &[DEMO]),
    ("index.js", SCRIPT, &[INDEX_SCRIPT]),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// The files that pages ask for, by name.
pub(super) fn assets() -> BTreeMap<&'static str, Asset> {
    let asset = |(name, kind, parts): (&'static str, &'static str, &[&str])| {
        let text = parts.concat();
        let tag = format!("\"{}\"", &blake3::hash(text.as_bytes()).to_hex()[..16]);
        (name, Asset { kind, text, tag })
    };
    ASSETS.into_iter().map(asset).collect()
}

/// What the list of experiments says of one.
#[derive(Debug, Serialize)]
pub(super) struct Listed {
    slug: String,
    experiment: String,
    file: String,
    trials: usize,
    trials_done: usize,
    run: Option<RunNow>,
    problems: Vec<String>,
}

impl Listed {
    pub fn new(site: &Site) -> Self {
        let now = site.now();
        Self {
            slug: site.slug.clone(),
            experiment: now.experiment.clone(),
            file: site.file.display().to_string(),
            trials: now.trials,
            trials_done: now.trials_done,
            run: now.run.clone(),
            problems: now.problems.clone(),
        }
    }
}

/// The templates.
pub(super) struct Pages(Environment<'static>);

impl Pages {
    pub fn new() -> Result<Self, ServeError> {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
        environment.add_global("version", env!("CARGO_PKG_VERSION"));
        for (name, source) in TEMPLATES {
            environment.add_template(name, source)?;
        }
        crate::report::add_filters(&mut environment);
        Ok(Self(environment))
    }

    fn make(&self, name: &str, values: Value) -> Result<String, ServeError> {
        Ok(self.0.get_template(name)?.render(values)?)
    }

    /// All experiments.
    pub fn index(&self, sites: &[Arc<Site>], has_demo: bool) -> Result<String, ServeError> {
        let sites: Vec<Listed> = sites.iter().map(|site| Listed::new(site)).collect();
        self.make("index.html", context! { sites => Value::from(Serde(sites)), has_demo })
    }

    /// A sweep with its report.
    pub fn sweep(&self, site: &Site, may_write: bool, n_sites: usize) -> Result<String, ServeError> {
        let now = site.now();
        let Fragment { html, version, .. } = site.fragment();
        let report = Value::from_safe_string(html.to_string());
        self.make(
            "sweep.html",
            context! {
                experiment => &now.experiment, file => site.file.display().to_string(), has_others => n_sites > 1,
                may_write, report, report_version => version,
            },
        )
    }

    /// The demonstration, before anything is chosen.
    pub fn demo(&self, values: Value) -> Result<String, ServeError> {
        self.make("demo.html", values)
    }

    /// A stage.
    pub fn stage(&self, now: &Snapshot, page: &stage::Page<'_>) -> Result<String, ServeError> {
        self.make("stage.html", context! { experiment => &now.experiment, stage => Value::from(Serde(page)) })
    }
}
