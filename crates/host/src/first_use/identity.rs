//! What a container can know of itself. In: /proc/self/mountinfo, /run/.containerenv, /etc/hostname. Out: its name, identifier and image.
//!
//! No engine tells a container its image's digest. podman names image and identifier to privileged containers; everywhere else whoever
//! deploys must say it.

use std::path::Path;

/// Most bytes of a file that says something.
const LARGEST: u64 = 1 << 20;
/// Engines name containers and images by so many hexadecimal digits.
const ID: usize = 64;

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identity {
    /// The host name: the beginning of the identifier unless somebody chose another, or the pod's name.
    pub name: Option<String>,
    /// The engine's identifier of the container.
    pub id: Option<String>,
    /// The image's name and identifier.
    pub image: Option<String>,
}

impl Identity {
    /// Looks.
    pub fn of_this_container() -> Self {
        let text = |path: &str| {
            let bytes = crate::files::read_bounded(Path::new(path), LARGEST).unwrap_or_default();
            String::from_utf8_lossy(&bytes).into_owned()
        };
        Self::read(&text("/etc/hostname"), &text("/proc/self/mountinfo"), &text("/run/.containerenv"))
    }

    fn read(hostname: &str, mountinfo: &str, containerenv: &str) -> Self {
        let name = Some(hostname.trim()).filter(|name| !name.is_empty()).map(str::to_owned);
        let told = |key: &str| {
            let value = containerenv.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='))?;
            Some(value.trim_matches('"').to_owned()).filter(|value| !value.is_empty())
        };
        let image = match (told("image"), told("imageid").filter(|id| is_id(id))) {
            (Some(name), Some(id)) => Some(format!("{name} sha256:{id}")),
            (name, id) => name.or_else(|| id.map(|id| format!("sha256:{id}"))),
        };
        Self { name, id: told("id").filter(|id| is_id(id)).or_else(|| from_mounts(mountinfo)), image }
    }
}

/// Docker and podman bind `…/containers/ID/hostname` (`…-containers/ID/userdata/hostname`) over /etc/hostname. What containerd binds there for
/// Kubernetes belongs to the pod's sandbox, which is another container.
fn from_mounts(mountinfo: &str) -> Option<String> {
    mountinfo.lines().find_map(|line| {
        let mut fields = line.split(' ');
        let (root, at) = (fields.nth(3)?, fields.next()?);
        if at != "/etc/hostname" {
            return None;
        }
        let parts: Vec<&str> = root.split('/').collect();
        let place = parts.iter().position(|part| is_id(part))?;
        let above = parts.get(place.checked_sub(1)?)?;
        above.ends_with("containers").then(|| parts[place].to_owned())
    })
}

fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_tell_what_they_tell() {
        let id = "0a".repeat(32);
        let mount = |root: &str| format!("9 8 8:1 {root} /etc/hostname rw - ext4 /dev/sda rw\n");
        let docker = Identity::read("web\n", &mount(&format!("/var/lib/docker/containers/{id}/hostname")), "");
        assert_eq!(docker, Identity { name: Some("web".to_owned()), id: Some(id.clone()), image: None });
        let podman = mount(&format!("/containers/overlay-containers/{id}/userdata/hostname"));
        assert_eq!(Identity::read("", &podman, "").id, Some(id.clone()));
        let sandbox = mount(&format!("/var/lib/containerd/io.containerd.grpc.v1.cri/sandboxes/{id}/hostname"));
        assert_eq!(Identity::read("", &sandbox, ""), Identity::default());
        let image = "1b".repeat(32);
        let told = format!("engine=\"podman-4.3.1\"\nid=\"{id}\"\nimage=\"quay.example/app:1\"\nimageid=\"{image}\"\n");
        let told = Identity::read("", "", &told);
        assert_eq!((told.id, told.image), (Some(id), Some(format!("quay.example/app:1 sha256:{image}"))));
        assert_eq!(Identity::read("", "1 2", "image=\"\"\nimageid=\"x\"\nid"), Identity::default());
    }
}
