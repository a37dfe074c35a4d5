"""The table of training tasks."""

from __future__ import annotations

import pytest

from laa_cli.errors import UsageError
from laa_cli.train.schedule import TASK_NAMES
from laa_cli.train.tasks import TASKS, find_task


def test_the_tasks_have_the_names_that_the_settings_know() -> None:
    assert tuple(TASKS) == TASK_NAMES
    assert all(task.name == name and find_task(name) is task for name, task in TASKS.items())
    with pytest.raises(UsageError, match="task must be one of protocol, photo, background, not 'video'"):
        find_task("video")
