# test_replays: how graphs are replayed, on devices and clocks that are made up: in bursts with rests (sdpa.replays_us), and in the
# faster of the two states that launches know (measure.Launch). Run by test_suite.py, which says where the modules are.
import contextlib
import types
import unittest

import measure
import sdpa
import table


class Launches(unittest.TestCase):
    """The state in which launches cost more is left before anything is measured."""

    class Device:
        us = 0.5

        def capture(self, contender, calls, warm):
            return calls

        def replays(self, graphs):
            return [calls * self.us for calls in graphs]

    class Contender:
        def calls(self, n, warm):
            pass

    def setUp(self):
        self.made, self.ends = 0, True
        self.real, sdpa.brief_context = sdpa.brief_context, self.another
        measure.Launch.least = None
        self.device = self.Device()
        self.launch = measure.Launch(self.device, self.Contender())

    def tearDown(self):
        sdpa.brief_context, measure.Launch.least = self.real, None

    def another(self):
        self.made += 1
        if self.ends:
            self.device.us = 0.5

    def test_a_context_at_first_and_where_launches_are_slower(self):
        self.device.us = 0.7
        self.assertEqual(self.launch.settled_us(), 0.5)
        self.assertEqual(self.launch.settled_us(), 0.5)
        self.assertEqual(self.made, 1)
        self.device.us = 0.7
        self.assertEqual(measure.Launch(self.device, self.Contender()).settled_us(), 0.5)
        self.assertEqual(self.made, 2)
        self.device.us = 0.54
        self.assertEqual(self.launch.settled_us(), 0.54)
        self.assertEqual(self.made, 2)

    def test_what_does_not_end_is_told_as_it_is(self):
        self.launch.settled_us()
        self.device.us, self.ends = 0.7, False
        self.assertEqual(self.launch.settled_us(), 0.7)

    def test_the_table_tells_them(self):
        self.assertIn("took 0.50 to 0.72 us", "".join(table.launch_words([{"launch_us": [0.5, 0.6]}, {"launch_us": [0.51, 0.72]}, {}])))
        self.assertEqual(table.launch_words([{}]), [])


class BriefContext(unittest.TestCase):
    """What sdpa.brief_context asks of a driver that is made up."""

    def play(self, created):
        log = []

        class Driver:
            def __getattr__(self, name):
                def call(*arguments):
                    log.append(name)
                    if name == "cuCtxGetCurrent" or name == "cuCtxCreate_v2" and created == 0:
                        arguments[0]._obj.value = {"cuCtxGetCurrent": 3, "cuCtxCreate_v2": 7}[name]
                    if name in ("cuCtxDestroy_v2", "cuCtxSetCurrent"):
                        log.append(arguments[0].value)
                    return created if name == "cuCtxCreate_v2" else 0
                return call

        real, sdpa.ctypes.CDLL = sdpa.ctypes.CDLL, lambda path: Driver()
        try:
            return sdpa.brief_context(), log
        finally:
            sdpa.ctypes.CDLL = real

    def test_it_is_made_and_destroyed_and_the_one_before_is_current_again(self):
        self.assertEqual(self.play(0), (True, ["cuCtxGetCurrent", "cuCtxCreate_v2", "cuCtxDestroy_v2", 7, "cuCtxSetCurrent", 3]))

    def test_none_is_destroyed_where_none_could_be_made(self):
        self.assertEqual(self.play(2), (False, ["cuCtxGetCurrent", "cuCtxCreate_v2", "cuCtxSetCurrent", 3]))


class Baseline(unittest.TestCase):
    """sdpa.backend_entry, with a torch that is made up."""

    def test_a_context_is_made_after_what_is_launched_outside_graphs_and_before_the_first_graph(self):
        log = []

        def told(name, answer=None):
            def call(*_, **__):
                if not log or log[-1] != name:
                    log.append(name)
                return answer
            return call

        nothing = contextlib.nullcontext
        made_up = {"torch": types.SimpleNamespace(no_grad=nothing, cuda=types.SimpleNamespace(
                       synchronize=lambda: None, stream=lambda s: nothing(), Stream=lambda: None)),
                   "F": types.SimpleNamespace(scaled_dot_product_attention=told("call")), "sdpa_kernel": lambda backends: nothing(),
                   "too_large": lambda name, p: None, "backend_options": lambda name, p: ({}, None), "backend_of": lambda name: name,
                   "max_abs": lambda p, tensors, out: 0.0, "brief_context": told("context"), "capture": told("graph", (None, None)),
                   "replay_us": lambda graph, calls, replays: [1.0] * 6}
        had = {name: getattr(sdpa, name, None) for name in made_up}
        for name, value in made_up.items():
            setattr(sdpa, name, value)
        try:
            entry = sdpa.backend_entry("flash", {}, [(1, 2, 3), (1, 2, 3)], 1.0, 6)
        finally:
            for name, value in had.items():
                setattr(sdpa, name, value)
        self.assertEqual(log, ["call", "context", "graph"])
        self.assertEqual((entry["time_us"], entry["warm_us"]), (1.0, 1.0))


class Replays(unittest.TestCase):
    """sdpa.replays_us, with a clock that graphs, synchronising and resting move."""

    def play(self, lengths_s, count):
        now, log = [0.0], []

        class Graph:
            def __init__(self, name):
                self.name = name

            def replay(self):
                log.append(self.name)
                now[0] += lengths_s[self.name]

        class Event:
            def __init__(self, enable_timing):
                self.at = None

            def record(self):
                self.at = now[0]

            def elapsed_time(self, later):
                return (later.at - self.at) * 1e3

        class Time:
            perf_counter = staticmethod(lambda: now[0])

            @staticmethod
            def sleep(s):
                log.append(round(s, 6))
                now[0] += s

        cuda = type("Cuda", (), {"Event": Event, "synchronize": staticmethod(lambda: None)})
        had = {name: getattr(sdpa, name, None) for name in ("torch", "time")}
        sdpa.torch, sdpa.time = type("Torch", (), {"cuda": cuda}), Time
        try:
            return sdpa.replays_us([Graph(n) for n in list(lengths_s) * count]), log
        finally:
            for name, value in had.items():
                setattr(sdpa, name, value)

    def test_bursts_and_rests(self):
        times, log = self.play({"a": 0.001, "b": 0.002}, 4)
        for got, want in zip(times, [1000, 2000] * 4):
            self.assertAlmostEqual(got, want)
        self.assertEqual(len(times), 8)
        # The graph before comes first, uncounted; a rest is as long as all six replays.
        self.assertEqual(log, ["b", "a", "b", "a", "b", "a", 0.009, "a", "b", "a", "b", 0.006])

    def test_long_replays_are_bursts_of_their_own(self):
        times, log = self.play({"a": 0.01}, 8)
        self.assertEqual(len(times), 8)
        self.assertEqual(log, ["a"] * 6 + [0.05] + ["a", "a", 0.02] * 3)
