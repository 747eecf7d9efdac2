# floor: what a launch costs in a process that runs PyTorch, as time goes by. The same graphs, of the header's entry for the seed
# problem and of the smallest kernel that PyTorch has, are replayed again and again: with rests of several lengths, on each CPU of
# the process, with all other CPUs busy. Kernels here take 0.33 us longer at some times than at others, and this looks for what goes
# with it. Prints a line for each phase and writes all samples to a JSON file. Needs a GPU; compares nothing.
# usage: floor.py FILE [--out FOLDER]     FOLDER of attn_best.h (tuned). Exit status 77: no torch or no GPU.
import argparse
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
        self.libc, self.nvml = ctypes.CDLL(None), measure.Nvml()

    def now(self):
        number = self.nvml.number
        out = {name: number("nvmlDeviceGetClockInfo", i) for i, name in enumerate(DOMAINS)}
        out.update(cpu=self.libc.sched_getcpu(), mw=number("nvmlDeviceGetPowerUsage"), pstate=number("nvmlDeviceGetPerformanceState"),
                   link=number("nvmlDeviceGetCurrPcieLinkGeneration"), celsius=number("nvmlDeviceGetTemperature", 0))
        return out


class Watch:
    def __init__(self, path, graphs):
        self.path, self.graphs, self.state, self.samples, self.begin = path, graphs, State(), [], time.monotonic()

    def phase(self, name, seconds, rest=1.0):
        until, own = time.monotonic() + seconds, []
        while time.monotonic() < until:
            sample = {"phase": name, "s": round(time.monotonic() - self.begin, 4)}
            for key, graph in self.graphs.items():
                sample[key] = round(table.median(sdpa.replays_us([graph] * REPLAYS, rest)) / CALLS, 4)
            sample.update(self.state.now())
            own.append(sample)
        self.samples += own
        said = []
        for key in self.graphs:
            us = [s[key] for s in own]
            said.append("%s %.3f to %.3f, median %.3f" % (key, min(us), max(us), table.median(us)))
        print("%-16s %s" % (name, "  ".join(said)), flush=True)
        torch = sdpa.torch
        table.write_atomic(self.path, json.dumps({"device": torch.cuda.get_device_name(0), "driver": self.state.nvml.driver(),
                                                  "torch": torch.__version__, "samples": self.samples}, indent=1) + "\n")


def main(argv):
    parser = argparse.ArgumentParser(description="Watches what a launch costs in a process that runs PyTorch.")
    parser.add_argument("file", help="where the samples go, JSON")
    parser.add_argument("--out", default="tuned", help="folder of attn_best.h (tuned)")
    told = parser.parse_args(argv[1:])
    torch = sdpa.torch if not sdpa.missing else None
    if not torch or not torch.cuda.is_available():
        print("skipped: %s" % (sdpa.missing or "PyTorch sees no GPU"))
        return 77
    path, process = suite.build_library(suite.options(["--out", told.out]))
    suite.finish_library(path, process)
    torch.cuda.init()
    sets = [sdpa.make_set(SEED, torch.float16) for _ in range(CALLS // 4)]
    stream, device = torch.cuda.Stream(), measure.Device()
    stream.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(stream):
        try:
            ours, smallest = measure.Header(measure.load_library(path), SEED, sets), Smallest()
        except measure.Unable as problem:
            print("floor.py: %s/attn_best.h: the seed problem: %s" % (told.out, problem), file=sys.stderr)
            return 1
        ours.calls(1, True)
        smallest.calls(1, True)
        watch = Watch(told.file, {"seed": device.capture(ours, CALLS, False), "smallest": device.capture(smallest, CALLS, False)})
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
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
