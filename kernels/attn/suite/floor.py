# floor: what a launch costs in a process that runs PyTorch, as time goes by. The same graphs, of the header's entry for the seed
# problem and of the smallest kernel that PyTorch has, are replayed again and again: with rests of several lengths, on each CPU of
# the process, with all other CPUs busy. Kernels here take 0.33 us longer at some times than at others, and this looks for what goes
# with it. Prints a line for each phase and writes all samples to a JSON file. Needs a GPU; compares nothing.
# usage: floor.py FILE [HEADER_FOLDER]
import ctypes
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import measure  # noqa: E402
import run as suite  # noqa: E402
import sdpa  # noqa: E402
import table  # noqa: E402

SEED = {"b": 1, "h": 8, "hkv": 8, "sq": 512, "sk": 512, "d": 64, "dtype": "f16", "causal": 0, "layout": "bhsd"}
CALLS, REPLAYS = 364, 5
DOMAINS = ("graphics_mhz", "sm_mhz", "mem_mhz", "video_mhz")
SPIN = "while True: pass"


class Smallest:
    """A kernel of one thread that does next to nothing."""

    def calls(self, n, warm):
        for _ in range(n):
            sdpa.torch.cuda._sleep(0)


class State:
    """What the machine says of itself: clocks, power, link, and the CPU that asks."""

    def __init__(self):
        self.libc = ctypes.CDLL(None)
        self.nvml, self.handle = None, ctypes.c_void_p()
        try:
            nvml = ctypes.CDLL("libnvidia-ml.so.1")
            if nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.handle)) == 0:
                self.nvml = nvml
        except OSError:
            pass

    def one(self, name, *args):
        value = ctypes.c_uint(0)
        r = getattr(self.nvml, name)(self.handle, *args, ctypes.byref(value))
        return value.value if r == 0 else None

    def now(self):
        out = {"cpu": self.libc.sched_getcpu()}
        if self.nvml:
            for i, name in enumerate(DOMAINS):
                out[name] = self.one("nvmlDeviceGetClockInfo", i)
            out["mw"], out["pstate"] = self.one("nvmlDeviceGetPowerUsage"), self.one("nvmlDeviceGetPerformanceState")
            out["link"] = self.one("nvmlDeviceGetCurrPcieLinkGeneration")
            out["celsius"] = self.one("nvmlDeviceGetTemperature", 0)
        return out


def replays_us(graph, rest):
    """Microseconds of REPLAYS replays that are queued together, after one that is not counted and a rest of `rest` times as long."""
    events = [sdpa.torch.cuda.Event(enable_timing=True) for _ in range(REPLAYS + 1)]
    begin = time.perf_counter()
    graph.replay()
    for event in events[:-1]:
        event.record()
        graph.replay()
    events[-1].record()
    sdpa.torch.cuda.synchronize()
    time.sleep(rest * (time.perf_counter() - begin))
    return [a.elapsed_time(b) * 1e3 for a, b in zip(events, events[1:])]


class Watch:
    def __init__(self, graphs):
        self.graphs, self.state, self.samples, self.begin = graphs, State(), [], time.monotonic()

    def phase(self, name, seconds, rest=1.0):
        until, own = time.monotonic() + seconds, []
        while time.monotonic() < until:
            sample = {"phase": name, "s": round(time.monotonic() - self.begin, 4)}
            for key, graph in self.graphs.items():
                sample[key] = round(table.median(replays_us(graph, rest)) / CALLS, 4)
            sample.update(self.state.now())
            own.append(sample)
        self.samples += own
        said = []
        for key in self.graphs:
            us = [s[key] for s in own]
            said.append("%s %.3f to %.3f, median %.3f" % (key, min(us), max(us), table.median(us)))
        print("%-16s %s" % (name, "  ".join(said)), flush=True)


def main(argv):
    torch = sdpa.torch
    if sdpa.missing or not torch.cuda.is_available():
        print("skipped: %s" % (sdpa.missing or "PyTorch sees no GPU"))
        return 77
    o = suite.options(["--out", argv[2] if len(argv) > 2 else "tuned"])
    path, process = suite.build_library(o)
    suite.finish_library(path, process)
    torch.cuda.init()
    sets = [sdpa.make_set(SEED, torch.float16) for _ in range(CALLS // 4)]
    stream, device = torch.cuda.Stream(), measure.Device()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        ours, smallest = measure.Header(measure.load_library(path), SEED, sets), Smallest()
        ours.calls(1, True)
        smallest.calls(1, True)
        watch = Watch({"seed": device.capture(ours, CALLS, False), "smallest": device.capture(smallest, CALLS, False)})
        for rest in (1, 0, 1, 4, 1, 16):
            watch.phase("rest %d" % rest, 1.5, rest)
        cpus = sorted(os.sched_getaffinity(0))
        for cpu in cpus:
            os.sched_setaffinity(0, {cpu})
            watch.phase("on CPU %d" % cpu, 0.25)
        os.sched_setaffinity(0, cpus)
        busy = [subprocess.Popen([sys.executable, "-c", SPIN]) for _ in cpus[1:]]
        try:
            watch.phase("CPUs busy", 1.5)
        finally:
            for other in busy:
                other.kill()
                other.wait()
        watch.phase("CPUs idle", 1.5)
        ours.close()
    with open(argv[1], "w") as f:
        json.dump({"device": torch.cuda.get_device_name(0), "torch": torch.__version__, "samples": watch.samples}, f, indent=1)
        f.write("\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
