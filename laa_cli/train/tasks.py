"""The table of training tasks."""

from __future__ import annotations

from ..errors import UsageError
from .background_task import BackgroundTask
from .face_tasks import BlindTask, ProtocolTask
from .training_task import TrainingTask

# Photos' weights grow from the same trunk as those for the paper's task: some 40 % of their crops are that task's.
TASKS: dict[str, TrainingTask] = {task.name: task for task in (ProtocolTask(), BlindTask(paper_share=0.3), BackgroundTask())}


def find_task(name: str) -> TrainingTask:
    """Finds a task. UsageError where there is none of that name."""
    if name not in TASKS:
        raise UsageError(f"task must be one of {', '.join(TASKS)}, not {name!r}", "task")
    return TASKS[name]
