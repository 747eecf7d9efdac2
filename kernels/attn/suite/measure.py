# measure: one problem on the GPU: tensors, the contenders (the header's entry through call.c, each backend of PyTorch's
# scaled_dot_product_attention forced by its name), their errors against float64, their eager times. Who is measured when is
# turns.py's business; this file holds everything that needs torch, and imports it late.
import ctypes
import math
import random
import time
import warnings

import sdpa
import table
import turns

OURS = "attune"
EAGER_S = 0.02          # of eager calls in one loop
REFERENCE_SCORES = 1 << 27  # numbers of one piece of the float64 score matrix
FULL_SCORES = 1 << 34   # beyond this many scores in all, randomly chosen rows are compared
LAUNCHES = 1000         # of the smallest kernel, in a graph
SLOWER = 1.1            # times the fastest launch that the process has seen
NO_ENTRY = (209, 801)   # CUDA_ERROR_NO_BINARY_FOR_GPU, CUDA_ERROR_NOT_SUPPORTED


class Unable(Exception):
    """A problem that cannot be measured; the text says why."""


def strides_of(p, heads, rows):
    if p["layout"] == "bshd":
        return rows * heads * p["d"], p["d"], heads * p["d"]
    return heads * rows * p["d"], rows * p["d"], p["d"]


def load_library(path):
    """call.c's functions; libcuda is loaded first, for everyone."""
    ctypes.CDLL("libcuda.so.1", mode=ctypes.RTLD_GLOBAL)
    lib = ctypes.CDLL(path)
    lib.suite_open.restype = ctypes.c_void_p
    lib.suite_entry.restype = ctypes.c_char_p
    lib.suite_entry.argtypes = [ctypes.c_void_p]
    lib.suite_workspace_bytes.restype = ctypes.c_ulonglong
    lib.suite_workspace_bytes.argtypes = [ctypes.c_void_p]
    lib.suite_sets.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.c_ulonglong]
    lib.suite_early.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lib.suite_launch.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
    lib.suite_calls.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_int, ctypes.c_void_p]
    lib.suite_eager.argtypes = [ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p, ctypes.POINTER(ctypes.c_double)]
    lib.suite_close.argtypes = [ctypes.c_void_p]
    return lib


class Header:
    """The contender that comes from the header."""

    def __init__(self, lib, p, sets):
        torch = sdpa.torch
        sizes = (ctypes.c_int * 8)(p["b"], p["h"], p["hkv"], p["sq"], p["sk"], p["d"], {"f16": 1, "bf16": 2}[p["dtype"]],
                                   p["causal"])
        q, kv = strides_of(p, p["h"], p["sq"]), strides_of(p, p["hkv"], p["sk"])
        strides = (ctypes.c_longlong * 12)(*(q + kv + kv + q))
        error = ctypes.c_int(0)
        self.lib, self.sets = lib, sets
        self.handle = lib.suite_open(sizes, strides, ctypes.byref(error))
        if not self.handle:
            raise Unable("no entry of the header serves it" if error.value in NO_ENTRY else "CUDA error %d" % error.value)
        self.entry = lib.suite_entry(self.handle).decode()
        need = lib.suite_workspace_bytes(self.handle)
        self.workspace = torch.empty(need, dtype=torch.uint8, device="cuda") if need else None
        self.outs = [torch.empty_like(s[0]) for s in sets]
        flat = [t.data_ptr() for s, o in zip(sets, self.outs) for t in (*s, o)]
        pointers = (ctypes.c_ulonglong * len(flat))(*flat)
        self.check(lib.suite_sets(self.handle, len(sets), pointers, self.workspace.data_ptr() if need else 0))

    def check(self, r):
        if r != 0:
            raise Unable("a launch failed with CUDA error %d" % r)

    def calls(self, n, warm):
        stream = ctypes.c_void_p(sdpa.torch.cuda.current_stream().cuda_stream)
        if not warm:
            self.check(self.lib.suite_calls(self.handle, 0, n, stream))
        for _ in range(n if warm else 0):
            self.check(self.lib.suite_calls(self.handle, 0, 1, stream))

    def eager_us(self, calls):
        stream = ctypes.c_void_p(sdpa.torch.cuda.current_stream().cuda_stream)
        us = ctypes.c_double(0)
        self.check(self.lib.suite_eager(self.handle, calls, stream, ctypes.byref(us)))
        return us.value

    def close(self):
        if self.handle:
            sdpa.torch.cuda.synchronize()
            self.lib.suite_close(self.handle)
        self.handle = None


class Backend:
    """A contender that is one backend of scaled_dot_product_attention."""

    def __init__(self, name, p, sets):
        self.name, self.sets, self.outs = name, sets, [None] * len(sets)
        self.options, self.note = sdpa.backend_options(name, p)

    def one(self, i):
        q, k, v = self.sets[i]
        self.outs[i] = sdpa.F.scaled_dot_product_attention(q, k, v, **self.options)

    def calls(self, n, warm):
        with sdpa.torch.no_grad(), sdpa.sdpa_kernel([sdpa.backend_of(self.name)]):
            for i in range(n):
                self.one(0 if warm else i % len(self.sets))

    def eager_us(self, calls):
        torch = sdpa.torch
        torch.cuda.synchronize()
        begin = time.perf_counter()
        self.calls(calls, False)
        torch.cuda.current_stream().synchronize()
        return (time.perf_counter() - begin) * 1e6 / calls


class Device:
    """What turns.py measures with: CUDA graphs and events."""

    def capture(self, contender, calls, warm):
        """On the current stream, which is a side stream."""
        return sdpa.graph_of(lambda: contender.calls(calls, warm))

    def replays(self, graphs):
        return sdpa.replays_us(graphs)


class Smallest:
    """A contender whose kernel has one thread and does next to nothing."""

    def calls(self, n, warm):
        for _ in range(n):
            sdpa.torch.cuda._sleep(0)


class Launch:
    """What a launch costs in a graph. Once a process has launched anything outside a graph, each kernel of its graphs takes 0.18 us
    longer and one that others wait for 0.35, until this process or another one on the GPU makes a context (floor.py shows it; clocks,
    power and temperature, as NVML reads them, are the same in either state). So that contenders are measured in the faster state,
    all of them, such a context is made where need be."""
    least = None

    def __init__(self, device, smallest):
        smallest.calls(1, True)
        self.device, self.graph = device, device.capture(smallest, LAUNCHES, False)

    def us(self):
        return table.median(self.device.replays([self.graph] * 5)) / LAUNCHES

    def settled_us(self):
        us = self.us()
        if Launch.least is None or us > SLOWER * Launch.least:
            sdpa.brief_context()
            us = self.us()
        Launch.least = min(us, Launch.least or us)
        return us


def float64(p, tensors, rows):
    """The right answers for some query rows (sorted), (b, h, len(rows), d); a row that sees no key is 0."""
    torch = sdpa.torch
    q, k, v = tensors
    group, shift = p["h"] // p["hkv"], p["sk"] - p["sq"]
    want = torch.empty(p["b"], p["h"], len(rows), p["d"], dtype=torch.float64, device="cuda")
    keys, step = torch.arange(p["sk"], device="cuda"), max(1, REFERENCE_SCORES // p["sk"])
    for b in range(p["b"]):
        for h in range(p["h"]):
            kd, vd = k[b, h // group].double(), v[b, h // group].double()
            for at in range(0, len(rows), step):
                some = rows[at:at + step]
                s = q[b, h, some].double() @ kd.T / math.sqrt(p["d"])
                if p["causal"]:
                    s.masked_fill_(keys[None, :] > (some + shift)[:, None], -math.inf)
                want[b, h, at:at + step] = torch.nan_to_num(s.softmax(-1), nan=0.0) @ vd
    return want


def chosen_rows(p, rng):
    """All query rows, or a random choice of them where all would be too much work."""
    torch = sdpa.torch
    most = max(64, FULL_SCORES // (p["b"] * p["h"] * p["sk"]))
    rows = range(p["sq"]) if p["sq"] <= most else sorted(rng.sample(range(p["sq"]), most))
    return torch.tensor(list(rows), device="cuda")


def error(want, out, rows, first):
    """Of the rows from `first` on: before it a row sees no key, and PyTorch's answer to that is its own."""
    torch = sdpa.torch
    keep = rows >= first
    right = want[:, :, keep]
    off = (out[:, :, rows[keep]].double() - right).abs()
    if off.numel() == 0 or not bool(torch.isfinite(off).all()):
        return {"max_abs": math.inf, "rms": math.inf, "rel_rms": math.inf, "rows": int(keep.sum())}
    rms = off.square().mean().sqrt().item()
    return {"max_abs": off.max().item(), "rms": rms, "rel_rms": rms / max(right.square().mean().sqrt().item(), 1e-300),
            "rows": int(keep.sum())}


def prepare(name, p, sets, found):
    """A backend that has run once, and about how long a call takes; None, with the reason in found, when it cannot."""
    torch = sdpa.torch
    why = sdpa.too_large(name, p)
    if why:
        found["sdpa_why"][name] = why
        return None
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        try:
            backend = Backend(name, p, sets)
            backend.calls(1, True)
            torch.cuda.synchronize()
            if backend.note:
                found["sdpa_note"][name] = backend.note
            return backend
        except torch.cuda.OutOfMemoryError as problem:
            found["sdpa_why"][name] = "out of memory: " + sdpa.one_line(problem)[:120]
        except Exception as problem:
            found["sdpa_why"][name] = "not supported: " + sdpa.refusal(problem, said)
    torch.cuda.empty_cache()
    return None


def rough_us(device, contender):
    """About how long a call takes: from a graph of a few, or, when that is long already, from the second eager call."""
    eager = contender.eager_us(1)
    if eager > 5000:
        return eager
    graph = device.capture(contender, 4, False)
    return max(0.1, min(device.replays([graph, graph])) / 4)


def eager_times(contenders, rough, slow):
    """Microseconds of one call after another; the median of three loops. Slow backends are left out."""
    out = {}
    for name, contender in contenders.items():
        calls = max(3, min(2000, int(EAGER_S * 1e6 / max(rough[name], 4.0))))
        if name not in slow:
            contender.eager_us(min(calls, 20))
            out[name] = table.median([contender.eager_us(calls) for _ in range(3)])
    return out


def make_sets(p):
    torch = sdpa.torch
    dtype = {"f16": torch.float16, "bf16": torch.bfloat16}[p["dtype"]]
    one = 2 * p["d"] * p["b"] * (2 * p["h"] * p["sq"] + 2 * p["hkv"] * p["sk"])
    cold = 3 * torch.cuda.get_device_properties(0).L2_cache_size
    return [sdpa.make_set(p, dtype) for _ in range(max(2, cold // one + 1))]


def run(lib, p, backends, rng):
    """Everything about one problem but what the entry's record says of it. Raises Unable where the header cannot do it."""
    torch = sdpa.torch
    found, device = {"sdpa_why": {}, "sdpa_note": {}}, Device()
    torch.manual_seed(rng.randrange(1 << 31))
    sets = make_sets(p)
    stream = torch.cuda.Stream()
    stream.wait_stream(torch.cuda.current_stream())
    ours = None
    with torch.cuda.stream(stream):
        try:
            ours = Header(lib, p, sets)
            contenders = {OURS: ours}
            for name in backends:
                backend = prepare(name, p, sets, found)
                if backend:
                    contenders[name] = backend
            rows = chosen_rows(p, rng)
            want = float64(p, sets[0], rows)
            first = max(0, p["sq"] - p["sk"]) if p["causal"] else 0
            found["sdpa_error"] = {n: error(want, c.outs[0], rows, first) for n, c in contenders.items() if n != OURS}
            rough = {name: rough_us(device, c) for name, c in contenders.items()}
            launch = Launch(device, Smallest())
            found["launch_us"] = [launch.settled_us()]
            measured = turns.measure(device, contenders, OURS, len(sets), rough, rng)
            found["launch_us"].append(launch.us())
            found["sdpa_why"].update(measured["why"])
            found.update(turns.verdict(measured, OURS, backends))
            lib.suite_early(ours.handle, 1)
            found["early_us"] = turns.alone(device, ours, measured["calls"][OURS])
            lib.suite_early(ours.handle, 0)
            found["eager_us"], found["eager_sdpa"] = None, {}
            eager = eager_times(contenders, rough, measured["slow"])
            found["eager_us"] = eager.pop(OURS)
            found["eager_sdpa"] = eager
            # What a graph's calls leave is judged, over outputs full of NaN.
            for out in ours.outs:
                out.fill_(math.nan)
            device.replays([device.capture(ours, min(len(sets), 8), False)])
            found["error"] = error(want, ours.outs[0], rows, 0)
            found["entry"], found["sets"] = ours.entry, len(sets)
        finally:
            if ours:
                ours.close()
    return found


def ceilings():
    """What this device reaches on the simplest work: a matrix product of 8192 on random data, and a copy of 1 GiB."""
    torch = sdpa.torch
    a, b = (torch.randn(8192, 8192, device="cuda", dtype=torch.float16) for _ in range(2))
    c, src = torch.empty_like(a), torch.randn(1 << 28, device="cuda")
    dst = torch.empty_like(src)

    def best_ms(call):
        times = []
        for _ in range(8):
            begin, end = torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)
            call()
            begin.record()
            call()
            end.record()
            torch.cuda.synchronize()
            times.append(begin.elapsed_time(end))
        return table.median(times)

    product = best_ms(lambda: torch.mm(a, b, out=c))
    copy = best_ms(lambda: dst.copy_(src))
    return {"matmul_tflops": 2 * 8192.0 ** 3 / (product * 1e-3) / 1e12, "copy_tbps": 2 * 4.0 * (1 << 28) / (copy * 1e-3) / 1e12}


class Nvml:
    """What NVML says of the first device; None for what it does not say, or where it is not there."""

    def __init__(self):
        self.lib, self.handle = None, ctypes.c_void_p()
        try:
            lib = ctypes.CDLL("libnvidia-ml.so.1")
            if lib.nvmlInit_v2() == 0 and lib.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(self.handle)) == 0:
                self.lib = lib
        except (OSError, AttributeError):
            pass

    def number(self, function, *args, kind=ctypes.c_uint):
        value = kind(0)
        got = self.lib and getattr(self.lib, function, None)
        return value.value if got and got(self.handle, *args, ctypes.byref(value)) == 0 else None

    def driver(self):
        text = ctypes.create_string_buffer(80)
        got = self.lib and getattr(self.lib, "nvmlSystemGetDriverVersion", None)
        return text.value.decode() if got and got(text, len(text)) == 0 else None


def clocks():
    """SM and memory clocks in MHz and the reasons for lowering them, by NVML; empty where it is not there."""
    nvml = Nvml()
    reasons = nvml.number("nvmlDeviceGetCurrentClocksThrottleReasons", kind=ctypes.c_ulonglong)
    out = {"sm_mhz": nvml.number("nvmlDeviceGetClockInfo", 1), "mem_mhz": nvml.number("nvmlDeviceGetClockInfo", 2),
           "throttle": None if reasons is None else "0x%x" % reasons, "driver": nvml.driver()}
    return {name: value for name, value in out.items() if value is not None}


def seeded(text):
    return random.Random(text)
