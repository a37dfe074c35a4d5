"""A photo's metadata: read from its file, cleaned of what no longer holds, fitted to the format it is written in."""

from .fields import Metadata
from .fitting import fit_metadata
from .reading import Stored, pixels_only, read_metadata, upright

__all__ = ["Metadata", "Stored", "fit_metadata", "pixels_only", "read_metadata", "upright"]
