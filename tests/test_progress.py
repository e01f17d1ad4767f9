"""Progress says how far the work is, and never counts what is not done as work."""

from __future__ import annotations

import io

import pytest

from polyclinic import progress
from polyclinic.progress import Console, Work, in_words


class Clock:
    """A clock that the test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def lines(work, clock: Clock) -> list[str]:
    """What a console that is no terminal prints while this work is done."""
    file = io.StringIO()
    with progress.reporting(Console(file, clock)):
        work()
    return file.getvalue().splitlines()


def test_a_library_call_says_nothing(capsys):
    progress.say("a line")
    assert list(progress.track([1, 2], text="work", total=2)) == [1, 2]
    assert capsys.readouterr() == ("", "")


def test_without_a_terminal_each_line_tells_which_item_it_belongs_to(clock):
    def work() -> None:
        for name in progress.track(["a", "b"], text="fitting", total=2):
            progress.say(f"fit {name}")
        progress.say("done")

    assert [line.split("  ")[-2:] for line in lines(work, clock)][:2] == [["1 of 2", "fit a"], ["2 of 2", "fit b"]]
    assert "of" not in lines(work, clock)[-1]


def test_work_that_says_nothing_for_long_says_how_far_it_is(clock):
    def work() -> None:
        for _ in progress.track(range(10), text="epochs", total=10):
            clock.now += 15.0

    updates = [line.rpartition("epochs: ")[2] for line in lines(work, clock)]
    assert updates == [f"{n} of 10, about {in_words(15 * (11 - n))} left" for n in (3, 5, 7, 9)]


def test_the_time_left_comes_from_what_such_an_item_takes_and_a_reused_one_takes_nothing(clock):
    seconds = {"reused": 0.0, "short": 10.0, "long": 300.0}
    work = Work(["reused", "reused", "short", "long"], 4, seconds.get, clock)
    left = [work.time_left for _ in work]
    assert left == [", about 5 min left"] * 3 + [", about 5 min left"]
    clock.now += 1000  # however long the reused ones took to look at
    assert Work(["long"], 1, seconds.get, clock).time_left == ", about 5 min left"


def test_an_item_of_unknown_length_makes_the_time_left_a_lower_bound(clock):
    assert Work(["a", "b"], 2, {"a": 60.0}.get, clock).time_left == ", more than 60 s left"
    assert Work(["b"], 1, {"a": 60.0}.get, clock).time_left == ""


def test_bars_of_work_within_work_are_gone_when_it_ends_even_by_an_error(clock, monkeypatch):
    console = Console(io.StringIO(), clock)
    monkeypatch.setattr(type(console.console), "is_terminal", True)

    def fail() -> None:
        for _ in progress.track([1], text="outer", total=1):
            for _ in progress.track([1, 2], text="inner", total=2):
                assert [task.description for task in console.bars.tasks] == ["outer", "inner"]
                raise ValueError("inner")

    with progress.reporting(console), pytest.raises(ValueError, match="inner"):
        fail()
    assert console.bars is None


@pytest.mark.parametrize(("seconds", "words"), [(0.2, "1 s"), (59, "59 s"), (150, "2 min"), (7800, "2 h 10 min")])
def test_durations_in_words(seconds, words):
    assert in_words(seconds) == words
