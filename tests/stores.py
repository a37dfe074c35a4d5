"""Stores for tests: an S3 server on this machine, and what else a storage can lie on, each empty at first."""

from __future__ import annotations

import logging
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
    "NO_PROXY": "127.0.0.1",
}


@contextmanager
def s3_server() -> Iterator[dict[str, str]]:
    """Runs an S3 server on this machine. Yields the environment in which s3fs, boto3 and subprocesses find it."""
    from moto.moto_server.threaded_moto_server import ThreadedMotoServer

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield S3_ENVIRONMENT | {"AWS_ENDPOINT_URL": f"http://{host}:{port}"}
    finally:
        server.stop()


def forget_connections() -> None:
    """Makes s3fs read its environment again, which it does for its first connection only."""
    from s3fs import S3FileSystem

    S3FileSystem.clear_instance_cache()


def s3_client() -> Any:
    """Connects to the server by another library than the tested one."""
    import boto3

    return boto3.client("s3")


def new_bucket() -> str:
    """Makes a bucket on the server, and returns its URL."""
    name = f"laa-{secrets.token_hex(6)}"
    s3_client().create_bucket(Bucket=name)
    return f"s3://{name}"


def new_place(kind: str, request: pytest.FixtureRequest) -> str:
    """Returns an empty place: `local`, `memory`, `s3`, which needs the fixture `s3`, or `shared`, a driver that renames."""
    folder: Path = request.getfixturevalue("tmp_path")
    if kind == "s3":
        request.getfixturevalue("s3")
        return f"{new_bucket()}/out folder"
    if kind == "shared":
        request.getfixturevalue("shared_protocol")
        return f"shared://{folder}/deep/out"
    return str(folder / "out") if kind == "local" else f"memory://{secrets.token_hex(6)}/out"
