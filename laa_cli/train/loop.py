"""The training loop: steps until the schedule is spent, validating and saving on the way; interrupted, it saves and ends."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from ..console import Screen, duration
from ..errors import LaaError
from ..utils.signals import DeferredSignals
from .divergence import LossMonitor
from .loader import PrefetchLoader
from .log import TrainingFigures
from .parallel import Distributed
from .recorder import Recorder
from .trainer import Trainer

CHECK_STEPS = 20  # steps between checks of the loss, which make a GPU wait


@dataclass
class Interval:
    """What happened since the last validation. `first_sample`: samples seen when it began."""

    first_sample: int
    losses: list[float] = field(default_factory=list)
    seconds: float = 0.0  # of steps, without validation
    data_seconds: float = 0.0  # of these, spent making samples or waiting for them

    def figures(self, trainer: Trainer, min_seconds_per_sample: float) -> TrainingFigures:
        """Computes the log's figures. `min_seconds_per_sample`: as `TrainingLoop` has it."""
        seconds = max(1e-9, self.seconds)
        loss = sum(self.losses) / len(self.losses) if self.losses else float("nan")
        speed = (trainer.progress.faces - self.first_sample) / seconds
        return {
            "loss": loss,
            "faces_per_s": round(speed, 3),
            "data_share": round(self.data_seconds / seconds, 4),
            "matrix_share": round(speed * min_seconds_per_sample, 4),
        }


class TrainingLoop:
    """Trains. Every process of a run goes through the same steps; the main one validates and saves, too.

    `min_seconds_per_sample`: what a sample takes at a model FLOPs utilization (MFU) of 1: its matrix products alone, on all
    devices together.
    """

    def __init__(
        self,
        trainer: Trainer,
        loader: PrefetchLoader,
        recorder: Recorder,
        distributed: Distributed,
        screen: Screen,
        *,
        clock: Callable[[], float] = time.monotonic,
        min_seconds_per_sample: float = 0.0,
    ) -> None:
        self.trainer = trainer
        self.loader = loader
        self.recorder = recorder
        self.distributed = distributed
        self.screen = screen
        self.clock = clock
        self.min_seconds_per_sample = min_seconds_per_sample
        self.monitor = LossMonitor(distributed)
        self.interval = Interval(trainer.progress.faces)
        self.minutes_saved = trainer.progress.minutes  # of training, when it was last saved
        self.figures = self.interval_figures()

    def run(self) -> TrainingFigures:
        """Trains until the schedule is spent, and saves. Returns the figures of the last interval."""
        with DeferredSignals(self.screen.notice) as signals:
            try:
                with self.screen.live() as show:
                    self.train(signals, show)
            except BaseException:
                if not signals.mid_step:
                    self.rescue()
                raise
        if self.distributed.is_main:
            self.recorder.save(self.trainer)
        return self.figures

    def train(self, signals: DeferredSignals, show: Callable[[str], None]) -> None:
        """Steps, checks the loss, and validates and saves when that is due. KeyboardInterrupt after a deferred signal."""
        end = self.clock()
        while self.trainer.progress_fraction < 1:
            with signals.deferred():
                end, stop = self.step(end, signals)
            if stop:
                raise KeyboardInterrupt
            self.check_loss(is_last=self.trainer.progress_fraction >= 1)
            show(self.live_line())

    def step(self, previous_end: float, signals: DeferredSignals) -> tuple[float, bool]:
        """Makes a training step. Returns its end on the clock, and whether any process has a deferred signal."""
        progress = self.trainer.progress
        start = self.clock()
        samples = self.loader(progress.step, self.trainer.stage)
        self.interval.data_seconds += self.clock() - start
        self.monitor.add(self.trainer.step(samples))
        now = self.clock()
        # The main process's clock counts for all, so the others add nothing to the sum.
        minutes = progress.minutes + (now - previous_end) / 60 if self.distributed.is_main else 0.0
        progress.minutes, signals_pending = self.distributed.all_reduce_sum(minutes, signals.pending)
        self.interval.seconds += now - start
        return now, signals_pending > 0

    def check_loss(self, is_last: bool) -> None:
        """Checks the loss now and then, and before anything is saved: the last state must be a good one."""
        progress = self.trainer.progress
        since_saved = progress.minutes - self.minutes_saved
        due = not is_last and self.monitor.is_good and since_saved > self.trainer.config.save_minutes
        if due or is_last or progress.step % CHECK_STEPS == 0:
            self.interval.losses.append(self.monitor.check(progress.step))
            self.figures = self.interval_figures()
        if due and self.monitor.is_good:
            if self.distributed.is_main:
                self.recorder.save_and_record(self.trainer, self.figures)
            self.minutes_saved = progress.minutes
            self.interval = Interval(progress.faces)

    def interval_figures(self) -> TrainingFigures:
        """Computes the figures of the steps since the last validation."""
        return self.interval.figures(self.trainer, self.min_seconds_per_sample)

    def rescue(self) -> None:
        """Saves what a run that ends early has reached, unless its loss is bad."""
        if not self.distributed.is_main or self.trainer.progress.step == 0:
            return
        if not self.monitor.is_good or not self.monitor.recent_are_finite:
            return
        try:
            self.recorder.save(self.trainer)
        except LaaError as failure:
            self.screen.notice(f"{failure}: the state before it is whole")
        else:
            self.screen.say(f"saved after {self.trainer.progress.faces} {self.trainer.task.noun}: go on with --resume")

    def live_line(self) -> str:
        """Formats what a person sees while it runs; short enough for 80 columns. In brackets: gain over bicubic."""
        figures, validated = self.interval_figures(), self.recorder.figures
        loss = f"loss {self.interval.losses[-1]:.4f}, " if self.interval.losses else ""
        quality = f", {validated['psnr_db']:.2f} dB ({validated['gain_db']:+.2f})" if validated else ""
        noun = self.trainer.task.noun
        speed = f"{figures['faces_per_s']:.1f} {noun}/s, {duration(self.seconds_left(figures['faces_per_s']))} left"
        return f"{self.trainer.progress.faces} {noun}, {loss}{speed}{quality}, {figures['data_share']:.0%} data wait"

    def seconds_left(self, faces_per_s: float) -> float:
        """Estimates the seconds until the schedule is spent, at this speed."""
        trainer = self.trainer
        if trainer.config.minutes is not None:
            done_minutes = trainer.progress.minutes - trainer.progress.start_minutes
            return max(0.0, 60 * (trainer.config.minutes - done_minutes))
        done = trainer.progress.faces - trainer.progress.start_faces
        return max(0.0, done / max(trainer.progress_fraction, 1e-9) - done) / max(faces_per_s, 1e-9)
