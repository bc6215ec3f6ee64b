"""What is noted is written sooner or later, and nobody waits for it."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Sequence

import pytest
from mailman.interfaces.runner import RunnerInterrupt

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.plugin import historywriter
from mailman_arc.plugin.historywriter import MAX_BATCH, MAX_NOTES, Writer


class Sink:
    """Remembers what it gets, unless it has a problem."""

    def __init__(self, problem: Exception | None = None) -> None:
        self.batches: list[list[object]] = []
        self.problem = problem
        self.tried = threading.Event()
        self.goes_on = threading.Event()
        self.goes_on.set()

    @property
    def written(self) -> list[object]:
        return [each for batch in self.batches for each in batch]

    def write(self, notes: Sequence[object]) -> None:
        self.tried.set()
        self.goes_on.wait()
        if self.problem is not None:
            raise self.problem
        self.batches.append(list(notes))


@pytest.fixture
def sink() -> Sink:
    return Sink()


@pytest.fixture
def writer(sink) -> Writer:
    return writing_to(sink)


def writing_to(sink: Sink) -> Writer:
    return Writer(sink.write, linger=0, pause=0)


def test_what_is_put_in_is_written_in_order(writer, sink):
    for number in range(2 * MAX_BATCH):
        writer.put(number)

    assert writer.flush(30)
    assert sink.written == list(range(2 * MAX_BATCH))
    assert max(map(len, sink.batches)) <= MAX_BATCH


def test_what_comes_within_a_moment_is_written_together(sink):
    writer = Writer(sink.write, linger=3600)

    for number in range(3):
        writer.put(number)

    assert writer.flush(30)
    assert sink.batches == [[0, 1, 2]]


def test_without_anything_to_write_there_is_nothing_to_wait_for(writer):
    assert writer.flush(0)


def test_what_cannot_be_written_is_written_later_and_the_log_says_so_once(
    writer, sink, log
):
    sink.problem = StoreError("the disk is full")
    writer.put(1)
    assert not writer.flush(0.1)

    sink.problem = None

    assert writer.flush(30)
    assert sink.written == [1]
    assert log() == [
        "ERROR the history of posts is not written: the disk is full",
        "INFO the history of posts is written again; 0 entries were dropped",
    ]


def test_one_place_that_does_not_work_does_not_keep_another_waiting():
    broken, sound = Sink(StoreError("it is gone")), Sink()
    stuck, going = writing_to(broken), writing_to(sound)
    stuck.put(1)
    going.put(2)
    stuck.put(3)
    going.put(4)

    assert not stuck.flush(0.1)
    assert going.flush(30)
    assert sound.written == [2, 4]
    broken.problem = None
    assert stuck.flush(30)
    assert broken.written == [1, 3]


def test_an_error_of_ours_costs_what_it_came_with_and_no_more(writer, sink, log):
    sink.problem = KeyError("x")
    writer.put(1)
    assert writer.flush(30)

    sink.problem = None
    writer.put(2)

    assert writer.flush(30)
    assert sink.written == [2]
    assert log() == ["ERROR history: unexpected error, some entries are lost"]


def test_a_thread_that_cannot_be_had_is_asked_for_again(writer, sink, monkeypatch):
    def fail(*_: object) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(historywriter._thread, "start_new_thread", fail)
        with pytest.raises(RuntimeError):
            writer.put(1)

    writer.put(2)

    assert writer.flush(30)
    assert sink.written == [1, 2]


def test_too_many_are_dropped_without_waiting(writer, sink, log):
    sink.goes_on.clear()
    writer.put(0)
    sink.tried.wait()

    for number in range(1, MAX_NOTES + 5):
        writer.put(number)
    sink.goes_on.set()

    assert writer.flush(30)
    assert sink.written == list(range(MAX_NOTES))
    assert log() == [
        "ERROR the history of posts is not written: entries are dropped, because "
        "too many wait",
        "INFO the history of posts is written again; 5 entries were dropped",
    ]


def test_a_signal_to_stop_does_not_cut_the_waiting_short(writer, sink):
    main = threading.get_ident()
    sink.goes_on.clear()
    writer.put(1)
    sink.tried.wait()

    def interrupt(*_: object) -> None:
        sink.goes_on.set()
        raise RunnerInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        timer = threading.Timer(0.1, signal.pthread_kill, (main, signal.SIGUSR1))
        timer.start()
        assert writer.flush(30)
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert sink.written == [1]


def test_a_child_writes_its_own_and_not_what_the_parent_has(writer, sink):
    sink.goes_on.clear()
    writer.put("the parent's")
    sink.tried.wait()

    child = os.fork()
    if child == 0:
        sink.goes_on = threading.Event()
        sink.goes_on.set()
        writer.put("the child's")
        is_right = writer.flush(30) and sink.written == ["the child's"]
        os._exit(0 if is_right else 1)
    _, status = os.waitpid(child, 0)
    sink.goes_on.set()

    assert os.waitstatus_to_exitcode(status) == 0
    assert writer.flush(30)
    assert sink.written == ["the parent's"]
