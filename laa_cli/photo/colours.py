"""Converts CMYK and L*a*b* to sRGB by colour profiles."""

from __future__ import annotations

import io

from PIL import Image, ImageCms

from .metadata.icc import profile_space


def to_srgb(image: Image.Image, icc: bytes | None) -> Image.Image:
    """Converts CMYK, by its own ICC profile if that is intact, and L*a*b* to RGB."""
    if icc and image.mode == "CMYK" and profile_space(icc) == "CMYK":
        profile = ImageCms.ImageCmsProfile(io.BytesIO(icc))
    elif image.mode == "LAB":
        profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    else:
        return image.convert("RGB")
    try:
        converted = ImageCms.profileToProfile(image, profile, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except ImageCms.PyCMSError:
        return image.convert("RGB")
    return converted or image.convert("RGB")
