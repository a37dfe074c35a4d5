"""A photo's metadata: read from its file, cleaned of what no longer holds, fitted to the format it is written in."""

from .face_tags import FaceTag, read_face_tags
from .fields import Metadata
from .fitting import fit_metadata
from .reading import Stored, pixels_only, read_metadata, upright

__all__ = ["FaceTag", "Metadata", "Stored", "fit_metadata", "pixels_only", "read_face_tags", "read_metadata", "upright"]
