//! An image with one layer more, or a tar of a root file system anew. In: a source, certificates, an output. Out: the image written
//! there; the source is never changed, and nothing of it is run.

use std::io::Read;
use std::path::{Path, PathBuf};

use sidelight_host::trust_store::Anchor;
use sidelight_image::write::{
    Base, BaseLayer, Layers, NewImage, check_paths, stage, write_docker_archive, write_oci_archive, write_oci_layout,
    write_root_tar,
};
use sidelight_image::{EditRoot, EditWatch, Opened, Source};
use sidelight_model::time::Timestamp;
use sidelight_model::trust::{Change, Edit};
use sidelight_wire::trust_edit::{self, Plan, Request, Sketch, StoreKind};

use super::input::Wanted;
use crate::cli::TrustEdit;
use crate::commands::image_source;
use crate::commands::registry::Session;
use crate::exit::Failure;
use crate::render::escape;
use crate::schema::trust_edit::Outcome;
use crate::ui::Ui;

/// An image that was looked at.
pub(super) struct Seen {
    opened: Opened,
    links: std::collections::BTreeMap<String, String>,
    root: EditRoot,
    env: Vec<(String, String)>,
}

/// Where an image goes.
pub(super) enum Output {
    OciArchive(PathBuf, Option<String>),
    DockerArchive(PathBuf, Option<String>),
    OciLayout(PathBuf, Option<String>),
    Registry(String),
    RootTar(PathBuf),
}

/// Reads the image for planning.
pub(super) fn see(source: &str, options: &TrustEdit, ui: Ui) -> Result<Seen, Failure> {
    let mut opened = image_source::open(source, &options.image, ui)?;
    if opened.is_single_store() {
        let shown = escape::line(source);
        return Err(Failure::usage(format_args!(
            "{shown} is a trust store by itself, and neither an image nor a root file system"
        ))
        .hint("name the image, folder or container that it belongs to"));
    }
    let env = opened.config().env.clone();
    let mut watch = EditWatch::new(&env);
    let collected = opened.collect(&mut watch).map_err(image_source::failure)?;
    let root = watch.root(&collected);
    Ok(Seen { opened, links: collected.links, root, env })
}

impl Seen {
    /// The certificates that a query means.
    pub(super) fn matching(&self, query: &str) -> Vec<Anchor> {
        trust_edit::matching(&self.root.root, query)
    }

    /// The name of the image.
    pub(super) fn name(&self) -> Option<&str> {
        self.opened.image()
    }

    /// Plans for all certificates, each on top of the one before.
    pub(super) fn plan(
        &self,
        wanted: Vec<Wanted>,
        removing: bool,
        options: &TrustEdit,
        only: Option<&[StoreKind]>,
        now: Timestamp,
    ) -> Vec<Outcome> {
        let mut sketch = Sketch::new(&self.root.root);
        let at = moment(self.created(), now);
        let mut outcomes = Vec::new();
        for Wanted { anchor, warnings } in wanted {
            let request = Request {
                anchor: &anchor,
                at,
                env: &self.env,
                passwords: &options.storepass,
                openssl_dirs: &self.root.openssl_dirs,
                only,
                system_only: false,
            };
            let plan =
                if removing { trust_edit::remove(&sketch, &request) } else { trust_edit::add(&sketch, &request) };
            for change in plan.changes() {
                sketch.make(change.clone());
            }
            let result = word(&plan, removing, options.dry_run);
            outcomes.push(Outcome { anchor, plan, result, warnings });
        }
        outcomes
    }

    fn created(&self) -> Option<Timestamp> {
        let documents = self.opened.documents()?;
        Base { manifest: Vec::new(), config: documents.config.clone(), layers: Vec::new() }.created()
    }

    /// Writes the image with the changes. Gives what the result is called.
    pub(super) fn write(
        mut self,
        outcomes: &mut [Outcome],
        command: &str,
        source: &str,
        options: &TrustEdit,
        now: Timestamp,
        ui: Ui,
    ) -> Result<String, Failure> {
        let changes: Vec<Change> = outcomes.iter().flat_map(|outcome| outcome.plan.changes().cloned()).collect();
        let is_image = self.opened.documents().is_some();
        let output = output(options.output.as_deref(), is_image, source)?;
        let at = moment(self.created(), now);
        check_paths(&changes, &self.links).map_err(Failure::new)?;
        if let Output::RootTar(out) = &output {
            let old = root_tar(source)?;
            write_root_tar(&old, out, &changes, u64::try_from(at.as_secs()).unwrap_or(0))
                .map_err(|error| Failure::new(escape::line(&error.to_string())))?;
            return Ok(format!("rootfs:{}", out.display()));
        }
        let mut env = Vec::new();
        for variable in outcomes.iter_mut().flat_map(|outcome| &mut outcome.plan.variables) {
            variable.is_set = true;
            env.push((variable.name.to_owned(), variable.value.clone()));
        }
        let names: Vec<&str> = outcomes.iter().map(|outcome| outcome.anchor.name.as_str()).collect();
        let edit = Edit { changes, env, created_by: format!("{command} {}", names.join(" ")) };
        warn_of_what_is_left_out(&self.opened, ui);
        let base = base(&self.opened)?;
        let name = self.opened.image().map(|name| name.split('@').next().unwrap_or(name).to_owned());
        let folders = std::mem::take(&mut self.root.folders);
        let mut layers = OldLayers(&mut self.opened);
        let mut image = stage(base, &mut layers, &edit, &folders, at).map_err(Failure::new)?;
        put(&mut image, &output, name.as_deref(), options, ui)
    }
}

/// What the source has beside the one image that is written.
fn warn_of_what_is_left_out(opened: &Opened, ui: Ui) {
    let others = opened.other_platforms();
    if !others.is_empty() {
        let (platform, others) = (escape::line(&opened.config().platform), escape::line(&others.join(", ")));
        ui.warning(&format!(
            "the new image is for {platform} alone; the old one is there for {others} too (--platform chooses)"
        ));
    }
    if opened.is_attested() {
        ui.warning("the old image's attestations speak of it alone: the new one is written without them");
    }
}

/// Writes or pushes. An output without a name of its own keeps the image's.
fn put(
    image: &mut NewImage<'_>,
    output: &Output,
    old: Option<&str>,
    options: &TrustEdit,
    ui: Ui,
) -> Result<String, Failure> {
    let told = |scheme: &str, path: &Path, digest: String| format!("{scheme}:{} ({digest})", path.display());
    Ok(match output {
        Output::OciArchive(path, tag) => {
            let digest = write_oci_archive(image, path, tag.as_deref().or(old)).map_err(Failure::new)?;
            told("oci-archive", path, digest)
        }
        Output::DockerArchive(path, name) => {
            let digest = write_docker_archive(image, path, name.as_deref().or(old)).map_err(Failure::new)?;
            told("docker-archive", path, digest)
        }
        Output::OciLayout(path, tag) => {
            let digest = write_oci_layout(image, path, tag.as_deref().or(old)).map_err(Failure::new)?;
            told("oci", path, digest)
        }
        Output::Registry(name) => {
            let session = Session::new(name, &options.image.registry, None, ui)?;
            let pushed = session.push(image, None, |_, _, _| ())?;
            format!("docker://{pushed}")
        }
        Output::RootTar(path) => format!("rootfs:{}", path.display()),
    })
}

/// What became of a plan for an image.
fn word(plan: &Plan, removing: bool, planned: bool) -> &'static str {
    let nothing = plan.changes().next().is_none() && plan.variables.is_empty();
    match (removing, nothing, plan.left.is_empty()) {
        (true, true, true) => "absent",
        (false, true, true) => "already",
        _ if planned => "planned",
        (_, _, false) => "partly",
        (true, ..) => "removed",
        (false, ..) => "added",
    }
}

/// The time that new files get: of SOURCE_DATE_EPOCH, else of the image, so that the same input gives the same image.
fn moment(created: Option<Timestamp>, now: Timestamp) -> Timestamp {
    let epoch = std::env::var("SOURCE_DATE_EPOCH").ok().and_then(|text| text.parse::<i64>().ok());
    epoch.map(Timestamp::from_secs).or(created).unwrap_or(now)
}

fn base(opened: &Opened) -> Result<Base, Failure> {
    let documents = opened.documents().ok_or_else(|| Failure::new("this source is no image"))?;
    let layers: Vec<BaseLayer> = if documents.layers.is_empty() {
        opened.layers().iter().map(|_| BaseLayer { media_type: String::new(), digest: None, size: None }).collect()
    } else {
        let named = documents.layers.iter();
        named
            .map(|(kind, digest, size)| BaseLayer {
                media_type: kind.clone(),
                digest: Some(digest.clone()),
                size: *size,
            })
            .collect()
    };
    Ok(Base { manifest: documents.manifest.clone(), config: documents.config.clone(), layers })
}

/// The layers of the old image, as they are stored.
struct OldLayers<'o>(&'o mut Opened);

impl Layers for OldLayers<'_> {
    fn layer(&mut self, index: usize) -> Result<Box<dyn Read + Send>, String> {
        match self.0.layer_blob(index) {
            Ok(Some(blob)) => Ok(blob),
            Ok(None) => Err(format!(
                "layer {} is kept as a folder by its engine, not as the tar that it came as: save the image first (docker save, podman save), \
                 and give that archive",
                index + 1
            )),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// Where the result goes.
fn output(text: Option<&str>, is_image: bool, source: &str) -> Result<Output, Failure> {
    let forms = "oci-archive:FILE, docker-archive:FILE, oci:DIR or docker://HOST/NAME:TAG";
    let Some(text) = text else {
        let source = escape::line(source);
        return Err(if is_image {
            Failure::usage(format_args!(
                "{source} is an image, and images are not changed in place: say where the new one goes"
            ))
            .hint(format_args!("-o {forms}"))
            .hint("or print it: --as-dockerfile, --as-kubernetes; or look first: --dry-run")
        } else {
            Failure::usage(format_args!("{source} is a tar, and is not changed in place: say where the new one goes"))
                .hint("-o FILE.tar")
        });
    };
    let path_of = |rest: PathBuf| rest;
    match text.parse::<Source>().map_err(Failure::usage)? {
        Source::Rootfs(path) | Source::DockerArchive(path, None) if !is_image => Ok(Output::RootTar(path_of(path))),
        Source::Bare(path) if !is_image => Ok(Output::RootTar(path.into())),
        Source::OciArchive(path, tag) if is_image => Ok(Output::OciArchive(path, tag)),
        Source::DockerArchive(path, name) if is_image => Ok(Output::DockerArchive(path, name)),
        Source::OciLayout(path, tag) if is_image => Ok(Output::OciLayout(path, tag)),
        Source::Registry(name) if is_image => Ok(Output::Registry(name)),
        _ if !is_image => Err(Failure::usage(format_args!(
            "-o {}: a tar of a root file system becomes a tar: -o FILE.tar",
            escape::line(text)
        ))),
        _ => Err(Failure::usage(format_args!("-o {}: an image goes to {forms}", escape::line(text)))),
    }
}

/// The file of a tar of a root.
fn root_tar(source: &str) -> Result<PathBuf, Failure> {
    match source.parse::<Source>().map_err(Failure::usage)? {
        Source::Rootfs(path) => Ok(path),
        Source::Bare(word) => Ok(word.into()),
        _ => Err(Failure::usage(format_args!("{} cannot be written anew", escape::line(source)))),
    }
}
