"""fsspec's file systems as laa uses them: connecting, listing without caches, whole writes, and every error an OSError.

The only module that imports fsspec, and only when a URL is given. Credentials and options are fsspec's and its drivers' own:
their environment variables and configuration files.
"""

from __future__ import annotations

import errno
import inspect
import mimetypes
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from ..errors import UsageError
from .partial import PREFIX, SUFFIX

UNLISTED = ("data", "http", "https")  # protocols whose folders nobody can list
MODIFIED = ("LastModified", "mtime", "last_modified", "updated", "modified", "created")  # memory has the last one only
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PATH_ERRORS = {  # drivers raise them with a path, and no reason
    FileNotFoundError: errno.ENOENT,
    FileExistsError: errno.EEXIST,
    IsADirectoryError: errno.EISDIR,
    NotADirectoryError: errno.ENOTDIR,
}
OTHER_ERRORS = {PermissionError: errno.EACCES, TimeoutError: errno.ETIMEDOUT, NotImplementedError: errno.ENOTSUP}


class Listed(NamedTuple):
    """A file in a listing: its name below the folder listed, its size in bytes, and its last change in ns, where known."""

    name: str
    size: int
    mtime_ns: int | None


def connect(url: str, place: str) -> tuple[Any, str]:
    """Returns a URL's file system and its path there. `place`: what messages call it.

    fsspec keeps file systems by process, and by thread where they are not for several: so call it for each use, in any thread
    and after a fork (34 us). UsageError where a package is missing or the protocol unknown; OSError, too.
    """
    protocol = url.partition("://")[0]
    if protocol in UNLISTED:
        raise UsageError(f"{place} cannot be listed: copy it to a folder or an object store, such as s3://, first")
    if "::" in url:
        raise UsageError(f"{place}: laa takes no chained URLs: unpack or copy it first")
    try:
        from fsspec.core import url_to_fs
        from fsspec.registry import known_implementations
    except ImportError:
        raise UsageError(f"{place} is a URL, and fsspec is not installed: pip install 'laa[cluster]'") from None
    try:
        fs, path = url_to_fs(url)
    except ImportError as error:
        module = known_implementations.get(protocol, {}).get("class", "").partition(".")[0]
        raise UsageError(missing_driver(place, module, error)) from error
    except ValueError as error:
        if "Protocol not known" not in str(error):
            raise as_os_error(error, place) from error
        raise UsageError(f"{place}: fsspec knows no {protocol}://: check the URL, or install what brings it") from error
    except Exception as error:
        raise as_os_error(error, place) from error
    forget_listings(fs)
    return fs, path.rstrip("/")


def missing_driver(place: str, module: str, error: ImportError) -> str:
    """Says which package a URL needs."""
    cause = error.__cause__ if isinstance(error.__cause__, ImportError) else error
    if module == "fsspec":  # its own module for another project's package
        module = (cause.name or "").partition(".")[0]
    return f"{place} needs a package that cannot be imported ({error}; {cause}): pip install {module}"


def forget_listings(fs: Any) -> None:
    """Keeps a file system from answering out of its caches: others write there meanwhile."""
    if (cache := getattr(fs, "dircache", None)) is not None:
        with suppress(AttributeError):  # as an argument of their own not every driver takes it
            cache.use_listings_cache = False
        if len(cache):
            fs.invalidate_cache()


# Listing


def list_files(fs: Any, root: str, note: Callable[[str, Exception], None]) -> Iterator[Listed]:
    """Lists all files below a folder, in any order; none where it is not there. Any exception may come out.

    S3 comes in pages of 1,000 files; other object stores in one dict, as their drivers make it; the rest folder by folder.
    `note` is called with the path of each folder below it that could not be read, and why.
    """
    if hasattr(fs, "call_s3"):
        yield from list_s3(fs, root)
    elif has_own(fs, "find"):
        with suppress(FileNotFoundError):
            for path, info in fs.find(root, detail=True).items():
                if info["type"] != "directory" and path.startswith(f"{root}/"):
                    yield Listed(path[len(root) + 1 :], info["size"] or 0, modified_ns(info))
    else:
        yield from walk(fs, root, note)


def list_s3(fs: Any, root: str) -> Iterator[Listed]:
    """Lists S3's objects page by page; s3fs's own `find` makes a dict of them all first, 1.3 KB each."""
    bucket, key, _ = fs.split_path(root)
    prefix = f"{key}/" if key else ""
    request = {"Bucket": bucket, "Prefix": prefix, **fs.req_kw}
    while True:
        page = fs.call_s3("list_objects_v2", **request)
        for found in page.get("Contents", ()):
            yield Listed(found["Key"][len(prefix) :], found["Size"], modified_ns(found))
        if not page.get("IsTruncated"):
            return
        request["ContinuationToken"] = page["NextContinuationToken"]


def walk(fs: Any, root: str, note: Callable[[str, Exception], None]) -> Iterator[Listed]:
    """Lists files folder by folder; fsspec's own walk passes over folders that it could not read, and says nothing."""
    folders = [root]
    while folders:
        folder = folders.pop()
        try:
            found = fs.ls(folder or "/", detail=True)
        except FileNotFoundError:
            continue
        except Exception as error:
            if folder == root:
                raise
            note(folder, error)
            continue
        for info in found:
            path = info["name"].rstrip("/")
            if info["type"] == "directory" and path.startswith(f"{folder}/"):
                folders.append(path)
            elif info["type"] == "file":
                yield Listed(path[len(root) + 1 :], info["size"] or 0, modified_ns(info))


def file_info(fs: Any, path: str) -> dict[str, Any]:
    """Returns what a driver says of a file, or of a folder. FileNotFoundError, or any other exception.

    S3 is asked once: s3fs lists, too, where there is no file, to find a folder, and listings cost as much as writing.
    """
    if not hasattr(fs, "call_s3"):
        return dict(fs.info(path))
    bucket, key, _ = fs.split_path(path)
    found = fs.call_s3("head_object", Bucket=bucket, Key=key, **fs.req_kw)
    return {"type": "file", "size": found["ContentLength"], "LastModified": found["LastModified"]}


def has_own(fs: Any, method: str) -> bool:
    """Whether a driver does something itself, not by fsspec's general way."""
    from fsspec.asyn import AsyncFileSystem
    from fsspec.spec import AbstractFileSystem

    if isinstance(fs, AsyncFileSystem):
        return getattr(type(fs), f"_{method}") is not getattr(AsyncFileSystem, f"_{method}")
    return getattr(type(fs), method) is not getattr(AbstractFileSystem, method)


def modified_ns(info: dict[str, Any]) -> int | None:
    """Finds when a file was changed last in what a driver says of it, in ns; None where it does not say.

    S3 tells parts of a second in listings, and whole ones of a single file: they are left out, so that both agree.
    """
    key = next((key for key in MODIFIED if info.get(key)), None)
    value = info[key] if key else None
    with suppress(ValueError, TypeError, OverflowError):
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, (int, float)):
            return round(value * 10**6) * 1000
        if isinstance(value, datetime):
            since = (value if value.tzinfo else value.replace(tzinfo=UTC)) - EPOCH
            step = timedelta(seconds=1) if key == "LastModified" else timedelta(microseconds=1)
            return since // step * (step // timedelta(microseconds=1)) * 1000
    return None


# Reading and writing


def read_options(fs: Any) -> dict[str, int]:
    """Returns what `cat_file` needs to read a file in one request: s3fs asks for its size first, to read it in pieces."""
    parameters = inspect.signature(getattr(fs, "_cat_file", fs.cat_file)).parameters
    return {"max_concurrency": 1} if "max_concurrency" in parameters else {}


def put(fs: Any, path: str, content: bytes, *, overwrite: bool) -> None:
    """Writes a file, whole or not at all. Without `overwrite` FileExistsError where there is one, or any other exception.

    Object stores do it by themselves; elsewhere a partial file gets the name, where the driver can rename.
    """
    if has_own(fs, "pipe_file"):
        put_object(fs, path, content, overwrite=overwrite)
        return
    folder = path.rpartition("/")[0]
    fs.makedirs(folder, exist_ok=True)
    if not has_own(fs, "mv"):
        fs.pipe_file(path, content)
        return
    partial = partial_name(folder)
    try:
        fs.pipe_file(partial, content)
        rename(fs, partial, path, overwrite=overwrite)
    except BaseException:
        with suppress(Exception):
            fs.rm_file(partial)
        raise


def partial_name(folder: str) -> str:
    """Makes up a name that a folder does not have yet."""
    return f"{folder}/{PREFIX}{secrets.token_hex(8)}{SUFFIX}"


def put_object(fs: Any, path: str, content: bytes, *, overwrite: bool) -> None:
    """Writes an object; without `overwrite` on condition that there is none, where the store knows conditions."""
    options = type_options(fs, path)
    if overwrite:
        fs.pipe_file(path, content, **options)
        return
    try:
        fs.pipe_file(path, content, mode="create", **options)
    except (NotImplementedError, TypeError):
        fs.pipe_file(path, content, **options)
    except OSError as error:
        if error.errno != errno.ENOSYS:
            raise
        fs.pipe_file(path, content, **options)


def type_options(fs: Any, path: str) -> dict[str, str]:
    """Returns what tells a store a file's media type, by its suffix, for a browser to show it rather than to save it."""
    kind = mimetypes.guess_type(path)[0]
    if kind is None:
        return {}
    if hasattr(fs, "call_s3"):
        return {"ContentType": kind}
    parameters = inspect.signature(getattr(fs, "_pipe_file", fs.pipe_file)).parameters
    return {"content_type": kind} if "content_type" in parameters else {}


def rename(fs: Any, partial: str, path: str, *, overwrite: bool) -> None:
    """Gives a partial file its name, also where the file system renames over nothing."""
    if not overwrite and fs.exists(path):
        raise FileExistsError(path)
    try:
        fs.mv(partial, path)
    except Exception:
        if not (overwrite and fs.exists(path) and fs.exists(partial)):
            raise
        replace(fs, partial, path)


def replace(fs: Any, partial: str, path: str) -> None:
    """Puts a file in the place of another, which comes back where that fails."""
    former = partial_name(path.rpartition("/")[0])
    fs.mv(path, former)
    try:
        fs.mv(partial, path)
    except BaseException:
        fs.mv(former, path)
        raise
    fs.rm_file(former)


# Errors


def as_os_error(error: Exception, place: str) -> OSError:
    """Makes an OSError with a number and a reason out of whatever a driver has raised."""
    if isinstance(error, OSError) and error.errno and error.strerror:
        return OSError(error.errno, sentence(error.strerror), place)
    for kind, number in PATH_ERRORS.items():
        if isinstance(error, kind):
            said = hasattr(error.__cause__, "response")  # by a server
            return OSError(number, sentence(str(error)) if said else os.strerror(number), place)
    number = next((number for kind, number in OTHER_ERRORS.items() if isinstance(error, kind)), errno.EIO)
    return OSError(number, sentence(str(error)) or type(error).__name__, place)


def sentence(text: str) -> str:
    """Brings a driver's words on one line, as the system's own are written."""
    return " ".join(text.split()).rstrip(".")
