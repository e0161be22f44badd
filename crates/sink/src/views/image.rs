//! Images by name and size. In: bytes, of which the first are enough. Out: one line. Vector graphics are XML.

use imagesize::ImageType;

use super::page::Page;

/// Lays out `bytes`; `None` when they are no image that is known.
pub(super) fn show(bytes: &[u8], page: &mut Page) -> Option<()> {
    let kind = kind(bytes)?;
    match imagesize::blob_size(bytes) {
        Ok(size) => page.line(&format!("{kind} image, {} × {} pixels", size.width, size.height)),
        Err(_) => page.line(&format!("{kind} image, whose size is not in the bytes at hand")),
    }
    Some(())
}

/// What kind of image it is.
pub(super) fn kind(bytes: &[u8]) -> Option<&'static str> {
    // Formats whose beginning other content may have by chance are left out.
    match imagesize::image_type(bytes).ok()? {
        ImageType::Png => Some("PNG"),
        ImageType::Jpeg => Some("JPEG"),
        ImageType::Gif => Some("GIF"),
        ImageType::Webp => Some("WebP"),
        ImageType::Bmp => Some("BMP"),
        ImageType::Ico => Some("icon"),
        ImageType::Tiff => Some("TIFF"),
        ImageType::Heif(_) => Some("HEIF"),
        ImageType::Jxl => Some("JPEG XL"),
        ImageType::Psd => Some("Photoshop"),
        ImageType::Qoi => Some("QOI"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use crate::views::{ViewOptions, view};

    #[test]
    fn images_are_named_with_their_size() {
        let png =
            [&b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"[..], &640_u32.to_be_bytes(), &480_u32.to_be_bytes(), &[8; 9]].concat();
        let gif = [&b"GIF89a"[..], &[3, 0, 2, 0], &[0; 9]].concat();
        let jpeg = b"\xff\xd8\xff\xe0\0\x10JFIF\0\x01\x01\0\0\x01\0\x01\0\0\xff\xc0\0\x11\x08\0\x20\0\x40\x03\x01\x11\0\x02\x11\x01\x03\x11\x01";
        let webp =
            [&b"RIFF\x1a\0\0\0WEBPVP8L\x0d\0\0\0\x2f"[..], &[0x09, 0x40, 0x02, 0, 0, 0, 0, 0, 0, 0, 0, 0]].concat();
        let bmp =
            [&b"BM"[..], &[0; 12], &40_u32.to_le_bytes(), &7_u32.to_le_bytes(), &9_u32.to_le_bytes(), &[0; 8]].concat();
        for (bytes, words) in [
            (&png[..], "PNG image, 640 × 480 pixels\n"),
            (&gif, "GIF image, 3 × 2 pixels\n"),
            (jpeg, "JPEG image, 64 × 32 pixels\n"),
            (&webp, "WebP image, 10 × 10 pixels\n"),
            (&bmp, "BMP image, 7 × 9 pixels\n"),
            (&png[..12], "PNG image, whose size is not in the bytes at hand\n"),
        ] {
            let options = ViewOptions { cut: true, ..ViewOptions::default() };
            for content_type in ["image/whatever", "application/octet-stream"] {
                let view = view(content_type, "", bytes, &options);
                assert_eq!((view.name, view.text.as_str()), ("image", words));
            }
        }
        let svg = view("image/svg+xml", "", b"<svg><path d=\"M0\"/></svg>", &ViewOptions::default());
        assert_eq!((svg.name, svg.text.as_str()), ("xml", "<svg>\n  <path d=\"M0\"/>\n</svg>\n"));
        let other = view("image/png", "", b"<html>no such image</html>", &ViewOptions::default());
        assert_eq!(
            (other.name, other.problem.as_deref()),
            ("html", Some("declared as an image, but it is none that is known"))
        );
    }
}
