//! Options of all commands that read an image. In: arguments. Out: [`ImageOptions`].

use clap::Args;
use sidelight_image::Platform;

/// Which image of a source is meant.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct ImageOptions {
    /// Platform, where the source has several: linux/amd64, linux/arm64/v8 [default: this machine's]
    #[arg(long, value_name = "OS/ARCH")]
    pub(crate) platform: Option<Platform>,

    /// Name of the image, where an archive holds several
    #[arg(long = "image", value_name = "NAME")]
    pub(crate) image_name: Option<String>,
}
