"""The loop: steps until the schedule is spent, saving on the way; interrupted, it saves what is whole and ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..console import Screen, duration
from ..errors import LaaError
from ..utils.signals import DeferredSignals
from .divergence import LossMonitor
from .loader import PrefetchLoader
from .log import Row
from .parallel import Distributed
from .recorder import Recorder
from .trainer import Trainer

CHECK_STEPS = 20  # steps between looks at the loss, which make a GPU wait


@dataclass
class Interval:
    """What happened since the last validation."""

    faces: int
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0  # of steps, without validation
    data_seconds: float = 0.0  # of these, spent making samples or waiting for them

    def row(self, trainer: Trainer, least_s: float) -> Row:
        """For the log. `least_s`: what a face's matrix products alone would take."""
        seconds = max(1e-9, self.seconds)
        loss = sum(self.losses) / len(self.losses) if self.losses else float("nan")
        speed = (trainer.progress.faces - self.faces) / seconds
        return {
            "loss": loss,
            "faces_per_s": round(speed, 3),
            "data_share": round(self.data_seconds / seconds, 4),
            "matrix_share": round(speed * least_s, 4),
        }


class TrainingLoop:
    """Trains. Every process of a run goes through the same steps; the first one has the recorder's work.

    `least_s`: what the matrix products of a face alone would take on all devices together.
    """

    def __init__(
        self, trainer: Trainer, feed: PrefetchLoader, recorder: Recorder, world: Distributed, screen: Screen,
        clock: Callable[[], float] = time.monotonic, least_s: float = 0.0,
    ) -> None:  # fmt: skip
        self.trainer, self.loader, self.recorder, self.world, self.screen, self.clock, self.min_seconds_per_face = (
            trainer, feed, recorder, world, screen, clock, least_s,
        )  # fmt: skip
        self.monitor, self.interval, self.saved = LossMonitor(world), Interval(trainer.progress.faces), trainer.progress.minutes
        self.row: Row = self.interval.row(trainer, least_s)

    def run(self) -> Row:
        """Trains until the schedule is spent, and saves. Returns the last line's part of the log."""
        with DeferredSignals(self.screen) as interruptions:
            try:
                with self.screen.live() as show:
                    self.steps(interruptions, show)
            except BaseException:
                if not interruptions.mid_step:
                    self.rescue()
                raise
        if self.world.is_main:
            self.recorder.save(self.trainer)
        return self.row

    def steps(self, interruptions: DeferredSignals, show: Callable[[str], None]) -> None:
        """Steps, looks at the loss, and what is due."""
        progress, last = self.trainer.progress, self.clock()
        while self.trainer.progress_fraction < 1:
            with interruptions.deferred():
                start = self.clock()
                samples = self.loader(progress.step)
                self.interval.data_seconds += self.clock() - start
                self.monitor.add(self.trainer.step(samples))
                now = self.clock()
                minutes = (progress.minutes + (now - last) / 60) * self.world.is_main
                progress.minutes, stop = self.world.all_reduce_sum(minutes, interruptions.pending)
                self.interval.seconds += now - start
                last = now
            if stop:
                raise KeyboardInterrupt
            self.check_loss(last=self.trainer.progress_fraction >= 1)
            show(self.line())

    def check_loss(self, last: bool) -> None:
        """Looks at the loss now and then, and before anything is kept: the last state must be a good one."""
        progress = self.trainer.progress
        due = not last and self.monitor.is_good and progress.minutes - self.saved > self.trainer.config.save_minutes
        if due or last or progress.step % CHECK_STEPS == 0:
            self.interval.losses.append(self.monitor.check(progress.step))
            self.row = self.interval.row(self.trainer, self.min_seconds_per_face)
        if due and self.monitor.is_good:
            if self.world.is_main:
                self.recorder.save_and_record(self.trainer, self.row)
            self.saved, self.interval = progress.minutes, Interval(progress.faces)

    def rescue(self) -> None:
        """Saves what a run that ends early has reached, if it is sound."""
        if not self.world.is_main or self.trainer.progress.step == 0 or not self.monitor.is_good:
            return
        if self.monitor.recent and not all(loss.isfinite() for loss in self.monitor.recent):
            return
        try:
            self.recorder.save(self.trainer)
        except LaaError as failure:
            self.screen.notice(f"{failure}: the state before it is whole")
        else:
            self.screen.say(f"saved after {self.trainer.progress.faces} faces: go on with --resume")

    def line(self) -> str:
        """What a person sees while it runs; short enough for 80 columns. In brackets: over bicubic."""
        trainer, row, figures = self.trainer, self.interval.row(self.trainer, self.min_seconds_per_face), self.recorder.figures
        left = self.seconds_left(row["faces_per_s"])
        loss = f"loss {self.interval.losses[-1]:.4f}, " if self.interval.losses else ""
        validated = f", {figures['psnr_db']:.2f} dB ({figures['gain_db']:+.2f})" if figures else ""
        speed = f"{row['faces_per_s']:.1f} faces/s, {duration(left)} left"
        return f"{trainer.progress.faces} faces, {loss}{speed}{validated}, {row['data_share']:.0%} data wait"

    def seconds_left(self, faces_per_s: float) -> float:
        """Until the schedule is spent, at the pace of now."""
        trainer = self.trainer
        if trainer.config.minutes is not None:
            return max(0.0, 60 * (trainer.config.minutes - trainer.progress.minutes))
        whole = trainer.progress.faces / max(trainer.progress_fraction, 1e-9)
        return max(0.0, whole - trainer.progress.faces) / max(faces_per_s, 1e-9)
