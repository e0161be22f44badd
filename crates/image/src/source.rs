//! The names of image sources. In: what a user wrote. Out: [`Source`]. Spec: containers-transports(5), and what
//! `sidelight trust --help` adds to it.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

/// Where an image, a root file system or a host is found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// `docker-archive:FILE[:NAME]`: what `docker save` writes.
    DockerArchive(PathBuf, Option<String>),
    /// `oci-archive:FILE[:TAG]`.
    OciArchive(PathBuf, Option<String>),
    /// `oci:DIR[:TAG]`.
    OciLayout(PathBuf, Option<String>),
    /// `dir:DIR`: a copy that skopeo made.
    SkopeoDir(PathBuf),
    /// `docker-daemon:NAME`.
    DockerDaemon(String),
    /// `containers-storage:NAME`: podman's, buildah's and CRI-O's.
    ContainersStorage(String),
    /// `containerd:NAME`: containerd's content store.
    Containerd(String),
    /// `docker://HOST/NAME:TAG`: from a registry.
    Registry(String),
    /// `rootfs:DIR` or `rootfs:FILE.tar`.
    Rootfs(PathBuf),
    /// `container:ID`: a running container of any engine.
    Container(String),
    /// `pid:N`: what the process sees as `/`.
    Pid(u32),
    /// `host`.
    Host,
    /// `-`: an archive on standard input.
    Stdin,
    /// `mozilla`: the list of roots that is shipped inside.
    Mozilla,
    /// A bare word: a file or folder, else an image's name.
    Bare(String),
}

/// A source that cannot be meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no image source: {why}")]
pub struct ParseSourceError {
    /// What was written.
    pub text: String,
    /// Why not.
    pub why: String,
}

impl Source {
    /// Whether a bare word is written as files are, so that it is not meant as an image's name.
    pub fn names_a_file(&self) -> bool {
        let Self::Bare(word) = self else { return false };
        let endings = [".tar", ".tar.gz", ".tgz", ".tar.zst"];
        word.starts_with(['/', '.', '~']) || endings.iter().any(|ending| word.ends_with(ending))
    }
}

impl FromStr for Source {
    type Err = ParseSourceError;

    fn from_str(text: &str) -> Result<Self, ParseSourceError> {
        let wrong = |why: &str| ParseSourceError { text: text.to_owned(), why: why.to_owned() };
        match text {
            "" => return Err(wrong("it is empty")),
            "-" => return Ok(Self::Stdin),
            "host" => return Ok(Self::Host),
            "mozilla" => return Ok(Self::Mozilla),
            _ => {}
        }
        let Some((scheme, rest)) = text.split_once(':') else { return Ok(Self::Bare(text.to_owned())) };
        let tagged = |rest: &str| match rest.split_once(':') {
            Some((file, tag)) => (PathBuf::from(file), Some(tag.to_owned())),
            None => (PathBuf::from(rest), None),
        };
        let source = match scheme {
            "docker-archive" => {
                let (file, name) = tagged(rest);
                Self::DockerArchive(file, name)
            }
            "oci-archive" => {
                let (file, tag) = tagged(rest);
                Self::OciArchive(file, tag)
            }
            "oci" => {
                let (folder, tag) = tagged(rest);
                Self::OciLayout(folder, tag)
            }
            "dir" => Self::SkopeoDir(rest.into()),
            "docker-daemon" => Self::DockerDaemon(rest.to_owned()),
            "containers-storage" => Self::ContainersStorage(rest.to_owned()),
            "containerd" => Self::Containerd(rest.to_owned()),
            "docker" => match rest.strip_prefix("//") {
                Some(name) => Self::Registry(name.to_owned()),
                None => return Err(wrong("an image of a registry is written docker://HOST/NAME:TAG")),
            },
            "rootfs" => Self::Rootfs(rest.into()),
            "container" => Self::Container(rest.to_owned()),
            "pid" => Self::Pid(rest.parse().map_err(|_| wrong("the number of a process follows `pid:`"))?),
            _ => return Ok(Self::Bare(text.to_owned())),
        };
        if rest.is_empty() || rest == "//" {
            return Err(wrong("nothing follows the colon"));
        }
        Ok(source)
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tagged = |f: &mut fmt::Formatter<'_>, scheme: &str, path: &PathBuf, tag: &Option<String>| {
            write!(f, "{scheme}:{}", path.display())?;
            tag.as_ref().map_or(Ok(()), |tag| write!(f, ":{tag}"))
        };
        match self {
            Self::DockerArchive(file, name) => tagged(f, "docker-archive", file, name),
            Self::OciArchive(file, tag) => tagged(f, "oci-archive", file, tag),
            Self::OciLayout(folder, tag) => tagged(f, "oci", folder, tag),
            Self::SkopeoDir(folder) => write!(f, "dir:{}", folder.display()),
            Self::DockerDaemon(name) => write!(f, "docker-daemon:{name}"),
            Self::ContainersStorage(name) => write!(f, "containers-storage:{name}"),
            Self::Containerd(name) => write!(f, "containerd:{name}"),
            Self::Registry(name) => write!(f, "docker://{name}"),
            Self::Rootfs(path) => write!(f, "rootfs:{}", path.display()),
            Self::Container(id) => write!(f, "container:{id}"),
            Self::Pid(pid) => write!(f, "pid:{pid}"),
            Self::Host => f.write_str("host"),
            Self::Stdin => f.write_str("-"),
            Self::Mozilla => f.write_str("mozilla"),
            Self::Bare(word) => f.write_str(word),
        }
    }
}
