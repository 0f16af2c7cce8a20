"""Laps by what the time went into, on the clock of a program and on that of a device that works behind it."""

from dataclasses import dataclass

import pytest

from cxr_clip.train.stopwatch import HostClock, Part, Stopwatch, clock_of


@dataclass
class Device:
    """A device with its own line of work: `now` is the program's time, `free` when the device has done what it has."""

    now: float = 0.0
    free: float = 0.0
    waited: int = 0

    def give(self, seconds: float) -> None:
        self.free = max(self.free, self.now) + seconds

    def mark(self) -> float:
        self.free = max(self.free, self.now)
        return self.free

    def seconds(self, earlier: float, later: float) -> float:
        self.waited += 1
        return later - earlier


def test_laps_add_up_by_part() -> None:
    times = iter([10.0, 11.0, 13.0, 13.5, 20.0])
    clock = HostClock()
    clock.mark = lambda: next(times)  # type: ignore[method-assign]
    watch = Stopwatch(clock)
    for part in (Part.DATA, Part.ENCODERS, Part.LOSS, Part.DATA):
        watch.lap(part)
    assert (watch.spent.data, watch.spent.encoders, watch.spent.loss) == (7.5, 2.0, 0.5)
    assert watch.spent.total == watch.spent.learning == 10.0


def test_on_a_device_work_counts_where_it_is_done_and_data_where_the_device_runs_dry() -> None:
    device = Device()
    watch = Stopwatch(device)
    for wait in (0.0, 0.5, 5.0):
        device.now += wait  # the program waits for a batch
        watch.lap(Part.DATA)
        device.give(2.0)
        watch.lap(Part.ENCODERS)
        device.give(1.0)
        watch.lap(Part.OPTIMIZER)
    assert device.waited == 0  # no lap waits for the device
    spent = watch.spent
    # It was busy until 6.0 when the third batch came at 5.5: nothing was ever waited for.
    assert (spent.data, spent.encoders, spent.optimizer) == (0.0, 6.0, 3.0)
    device.now += 10.0
    watch.lap(Part.DATA)
    assert watch.spent.data == pytest.approx(device.now - 9.0)


def test_a_cpu_has_the_clock_of_the_program() -> None:
    assert isinstance(clock_of("cpu"), HostClock)
