# floor: what a launch costs in a process that runs PyTorch. The same graphs, of the header's entry for the seed problem and of the
# smallest kernel that PyTorch has, are replayed again and again: as the process begins, after a launch outside a graph and after
# heavy work, after rests, after this process and after another one has made a context on the GPU, each followed by all of that work
# again. Prints a line for each phase and writes all samples to a JSON file. Needs a GPU; compares nothing.
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
RESTS_S = (0.1, 1, 3)
CONTEXT = ("import ctypes; cuda, context = ctypes.CDLL('libcuda.so.1'), ctypes.c_void_p(); cuda.cuInit(0); "
           "cuda.cuCtxCreate_v2(ctypes.byref(context), 0, 0); cuda.cuCtxDestroy_v2(context)")


class State:
    """What the device says of itself: clocks and why they are lowered, power, link."""

    def __init__(self):
        self.nvml = measure.Nvml()

    def now(self):
        number = self.nvml.number
        out = {name: number("nvmlDeviceGetClockInfo", i) for i, name in enumerate(DOMAINS)}
        out.update(why=number("nvmlDeviceGetCurrentClocksThrottleReasons", kind=ctypes.c_ulonglong),
                   mw=number("nvmlDeviceGetPowerUsage"), pstate=number("nvmlDeviceGetPerformanceState"),
                   link=number("nvmlDeviceGetCurrPcieLinkGeneration"), celsius=number("nvmlDeviceGetTemperature", 0))
        return out


def fills(n):
    torch = sdpa.torch
    some = torch.zeros(1 << 20, device="cuda")
    for _ in range(n):
        some.fill_(1)
    torch.cuda.synchronize()


def products(seconds):
    """Matrix products of 8192, one after the other: what heats the GPU most."""
    torch = sdpa.torch
    a = torch.randn(8192, 8192, device="cuda", dtype=torch.float16)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        for _ in range(16):
            a @ a
        torch.cuda.synchronize()


class Watch:
    def __init__(self, path, graphs):
        self.path, self.graphs, self.state, self.samples, self.begin = path, graphs, State(), [], time.monotonic()

    def phase(self, name, seconds=0.2):
        until, own = time.monotonic() + seconds, []
        while time.monotonic() < until:
            sample = {"phase": name, "s": round(time.monotonic() - self.begin, 4)}
            for key, graph in self.graphs.items():
                sample[key] = round(table.median(sdpa.replays_us([graph] * REPLAYS)) / CALLS, 4)
            sample.update(self.state.now())
            own.append(sample)
        self.samples += own
        said = []
        for key in self.graphs:
            us = [s[key] for s in own]
            said.append("%s %.3f to %.3f, median %.3f" % (key, min(us), max(us), table.median(us)))
        print("%-20s %s" % (name, "  ".join(said)), flush=True)
        torch = sdpa.torch
        table.write_atomic(self.path, json.dumps({"device": torch.cuda.get_device_name(0), "driver": self.state.nvml.driver(),
                                                  "torch": torch.__version__, "samples": self.samples}, indent=1) + "\n")


def another_process():
    """A process beside this one makes a context and leaves."""
    subprocess.run([sys.executable, "-c", CONTEXT], check=False, stderr=subprocess.DEVNULL)


def work(watch):
    for n in (1, 20, 1000):
        fills(n)
        watch.phase("%d fills" % n)
    for seconds in (0.02, 1):
        products(seconds)
        watch.phase("products %g s" % seconds)


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
            ours, smallest = measure.Header(measure.load_library(path), SEED, sets), measure.Smallest()
        except measure.Unable as problem:
            print("floor.py: %s/attn_best.h: the seed problem: %s" % (told.out, problem), file=sys.stderr)
            return 1
        ours.calls(1, True)
        smallest.calls(1, True)
        watch = Watch(told.file, {"seed": device.capture(ours, CALLS, False), "smallest": device.capture(smallest, CALLS, False)})
        watch.phase("graphs alone", 0.5)
        work(watch)
        for rest in RESTS_S:
            time.sleep(rest)
            watch.phase("rest %g s" % rest)
        watch.phase("a context here" if sdpa.brief_context() else "no context here", 0.5)
        work(watch)
        another_process()
        watch.phase("one elsewhere", 0.5)
        work(watch)
        ours.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv))
