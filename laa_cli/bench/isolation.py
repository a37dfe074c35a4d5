"""Runs a measurement in a process of its own, so that its peak memory is its own."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any, TypeVar

from ..errors import LaaError, out_of_memory

Result = TypeVar("Result")


def in_subprocess(what: str, function: Callable[..., Result], *arguments: Any) -> Result:
    """Calls a function of a module in a fresh process. LaaError where that raises one, is out of memory or ends early."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=send_result, args=(sender, function, arguments))
    process.start()
    sender.close()
    try:
        return receive_result(what, receiver)
    finally:
        process.join()


def receive_result(what: str, receiver: Connection) -> Any:
    """Waits for what `send_result` sends. LaaError where that is a failure, or nothing."""
    try:
        failure, result = receiver.recv()
    except EOFError as error:
        raise LaaError(f"the measurement of {what} ended early: see that memory suffices, and run it again") from error
    if failure:
        raise LaaError(f"{what} is not measured: {failure}")
    return result


def send_result(sender: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    """Calls a function and sends why it failed, empty where it did not, and its result, to the process that waits for it."""
    try:
        sender.send(("", function(*arguments)))
    except LaaError as error:
        sender.send((str(error), None))
    except Exception as error:
        if not out_of_memory(error):
            raise
        sender.send(("there is too little memory for it", None))
