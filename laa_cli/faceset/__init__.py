"""The face set on disk: written by `laa prepare`, read by `laa train` and `laa bench`."""
