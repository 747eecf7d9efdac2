# The PyTorch baseline: times every backend of scaled_dot_product_attention on one problem, each by its name.
# Run as `python3 -c PROGRAM`. It imports torch at once but leaves the GPU alone until a line of JSON comes on standard
# input: the problem {"b","h","hkv","sq","sk","d","dtype","causal","layout"} and, if given, how to measure: "cold_bytes",
# "min_ms", "replays", and "only", a list of backends. It answers each line with one line, and ends at the end of input:
#   {"entries": [{"name","time_us","lo_us","hi_us","warm_us","eager_us","max_abs","note"?} | {"name","why"}], "versions": {}}
# time_us: one CUDA graph of calls that go round enough sets of distinct inputs and outputs to exceed the L2 three times;
# warm_us: the same over one set; both are medians of the replays, lo_us to hi_us the 95% interval of that median.
# eager_us: plain calls in a loop, the host's work included. max_abs: the largest difference from float64 arithmetic.
import ctypes
import json
import math
import sys
import time
import warnings

warnings.simplefilter("ignore")  # standard error is for the user of the whole program; refusals are kept, see refusal()

try:
    import torch
    import torch.nn.functional as F
    from torch.nn.attention import SDPBackend, sdpa_kernel
    from torch.nn.attention.bias import causal_lower_right
    missing = None
except Exception as problem:  # torch absent or broken: said in the answer
    missing = "%s: %s" % (type(problem).__name__, problem)

NAMES = ("flash", "cudnn", "efficient", "math")
MATH_MOST_SCORES = 1 << 30
BURST = 5               # replays
LONG_S = 0.025          # of a burst, after which the device would reach its power limit: one replay at a time
REST_MOST_S = 0.05


def one_line(problem):
    return " ".join(str(problem).split())[:300]


def refusal(problem, said):
    """Why a backend took no part: the exception, and what torch warned of before, less where in its sources."""
    whys = [one_line(problem) or type(problem).__name__]
    for warning in said:
        text = one_line(warning.message).split(" (Triggered internally")[0]
        if "not used because" not in text and "runtime disabled" not in text and text not in whys:
            whys.append(text)
    return "; ".join(whys)[:600]


def make_set(p, dtype):
    """q, k, v of shape (b, heads, rows, d); only the strides depend on the layout."""
    def one(heads, rows):
        if p["layout"] == "bshd":
            return torch.randn(p["b"], rows, heads, p["d"], device="cuda", dtype=dtype).transpose(1, 2)
        return torch.randn(p["b"], heads, rows, p["d"], device="cuda", dtype=dtype)
    return one(p["h"], p["sq"]), one(p["hkv"], p["sk"]), one(p["hkv"], p["sk"])


def max_abs(p, tensors, out):
    """Against float64, in pieces that bound the memory; rows that see no key are left out."""
    q, k, v = tensors
    group, shift, worst = p["h"] // p["hkv"], p["sk"] - p["sq"], 0.0
    rows = max(1, (1 << 26) // p["sk"])
    keys = torch.arange(p["sk"], device="cuda")
    for b in range(p["b"]):
        for h in range(p["h"]):
            kd, vd = k[b, h // group].double(), v[b, h // group].double()
            first = max(0, -shift) if p["causal"] else 0
            for at in range(first, p["sq"], rows):
                end = min(p["sq"], at + rows)
                s = q[b, h, at:end].double() @ kd.T / math.sqrt(p["d"])
                if p["causal"]:
                    last = torch.arange(at, end, device="cuda") + shift
                    s.masked_fill_(keys[None, :] > last[:, None], -math.inf)
                worst = max(worst, (s.softmax(-1) @ vd - out[b, h, at:end].double()).abs().max().item())
    return worst


def replays_us(graphs):
    """Microseconds of each graph's replay, in their order. As in the runner's own bench (src/bench_time.c), they are queued in bursts,
    after each of which the device rests for as long as it took, so that it is not at its power limit, where clocks change from one
    replay to the next. A replay that is not counted begins each: a device that waits for a graph's launch on the host would add some
    20 us to what is timed, and it leaves the L2 as a neighbour would."""
    times, size = [], BURST
    while len(times) < len(graphs):
        begin, some = time.perf_counter(), graphs[len(times):len(times) + size]
        events = [torch.cuda.Event(enable_timing=True) for _ in range(len(some) + 1)]
        graphs[len(times) - 1].replay()
        for event, graph in zip(events, some):
            event.record()
            graph.replay()
        events[-1].record()
        torch.cuda.synchronize()
        times += [a.elapsed_time(b) * 1e3 for a, b in zip(events, events[1:])]
        busy = time.perf_counter() - begin
        size = 1 if busy > LONG_S else size
        time.sleep(min(REST_MOST_S, busy))
    return times


def replay_us(graph, calls, replays):
    """Sorted times of one call, each from one replay."""
    return sorted(t / calls for t in replays_us([graph] * replays))


def graph_of(calls):
    """What `calls` launches on the current stream, a side stream on which it has run before. torch.cuda.graph would collect
    garbage each time."""
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    graph.capture_begin()
    try:
        calls()
    except Exception:
        try:
            graph.capture_end()
        except Exception:
            pass  # the capture is broken already; the first cause is told
        raise
    graph.capture_end()
    return graph


def capture(call, sets, calls):
    outs = [None] * len(sets)

    def every():
        for i in range(calls):
            outs[i % len(sets)] = call(*sets[i % len(sets)])

    return graph_of(every), outs


def brief_context():
    """This process makes a context beside its own and destroys it. Whether it could. Without one on the GPU since, a process that has
    launched anything outside a graph takes longer for each kernel of its graphs (suite/floor.py)."""
    cuda, had, made = ctypes.CDLL("libcuda.so.1"), ctypes.c_void_p(), ctypes.c_void_p()
    cuda.cuCtxGetCurrent(ctypes.byref(had))
    able = cuda.cuCtxCreate_v2(ctypes.byref(made), 0, 0) == 0
    if able:
        cuda.cuCtxDestroy_v2(made)
    cuda.cuCtxSetCurrent(had)
    return able


def median(times):
    n = len(times)
    return times[n // 2] if n % 2 else 0.5 * (times[n // 2 - 1] + times[n // 2])


def interval(times):
    """Order statistics that hold the median with 95% confidence (binomial, n at least 6; else the extremes)."""
    n, low, tail = len(times), 0, 0.0
    while low < n // 2:
        tail += math.comb(n, low) / 2.0 ** n
        if tail > 0.025:
            break
        low += 1
    low = max(0, low - 1)
    return times[low], times[n - 1 - low]


def backend_options(name, p):
    """Arguments of scaled_dot_product_attention for a backend, and a note where they are not the plain ones. A mask of
    unequal sides is aligned to the bottom right here and to the top left there, so it is made explicit."""
    options, note = {"enable_gqa": True} if p["h"] != p["hkv"] else {}, None
    if p["causal"] and p["sq"] == p["sk"]:
        options["is_causal"] = True
    elif p["causal"] and p["sq"] == 1:
        note = "one query sees every key: no mask"
    elif p["causal"] and name in ("flash", "efficient"):
        options["attn_mask"] = causal_lower_right(p["sq"], p["sk"])
        note = "causal_lower_right, aligned to the bottom right as here"
    elif p["causal"]:
        options["attn_mask"] = torch.ones(p["sq"], p["sk"], dtype=torch.bool, device="cuda").tril(p["sk"] - p["sq"])
        note = "explicit mask, aligned to the bottom right as here"
    return options, note


def backend_of(name):
    return {"flash": SDPBackend.FLASH_ATTENTION, "cudnn": SDPBackend.CUDNN_ATTENTION,
            "efficient": SDPBackend.EFFICIENT_ATTENTION, "math": SDPBackend.MATH}[name]


def too_large(name, p):
    """Why a backend is not tried on a problem, or None. The math backend writes the whole matrix of scores, several times."""
    scores = p["b"] * p["h"] * p["sq"] * p["sk"]
    if name == "math" and scores > MATH_MOST_SCORES:
        return "skipped: its matrices of scores would hold %.2g numbers each" % scores
    return None


def backend_entry(name, p, sets, min_ms, replays):
    entry = {"name": name}
    if too_large(name, p):
        entry["why"] = too_large(name, p)
        return entry
    options, note = backend_options(name, p)
    if note:
        entry["note"] = note
    backend = backend_of(name)

    def call(q, k, v):
        return F.scaled_dot_product_attention(q, k, v, **options)

    torch.cuda.synchronize()
    with torch.no_grad(), sdpa_kernel([backend]), torch.cuda.stream(torch.cuda.Stream()):
        out = call(*sets[0])
        for i in range(2):
            call(*sets[i % len(sets)])
        torch.cuda.synchronize()
        entry["max_abs"] = max_abs(p, sets[0], out)

        calls = 20
        while True:
            begin = time.perf_counter()
            for i in range(calls):
                call(*sets[i % len(sets)])
            torch.cuda.synchronize()
            spent = time.perf_counter() - begin
            if spent > 0.01 or calls > 1000:
                break
            calls *= 4
        entry["eager_us"] = spent * 1e6 / calls

        # So that graphs are replayed in the state in which attune's own times are taken.
        brief_context()
        # The first graph only tells how many calls make min_ms; eager time would not, the host being the slower.
        graph, outs = capture(call, sets[:2], 4)
        each = replay_us(graph, 4, 3)[1]
        calls = max(1, math.ceil(min_ms * 1e3 / each))
        calls = min(2000, math.ceil(calls / len(sets)) * len(sets))
        if each * calls > 2e5:
            calls = max(2, int(2e5 / each))
        del graph, outs
        for key, used in (("time_us", sets), ("warm_us", sets[:1])):
            graph, outs = capture(call, used, calls)
            times = replay_us(graph, calls, replays)
            entry[key] = median(times)
            if key == "time_us":
                entry["lo_us"], entry["hi_us"] = interval(times)
            del graph, outs
    return entry


def answer(p):
    if missing:
        return {"entries": [], "why": "no PyTorch: " + one_line(missing)}
    if not torch.cuda.is_available():
        return {"entries": [], "why": "PyTorch sees no GPU", "versions": {"torch": torch.__version__}}
    p = dict(p)
    p.setdefault("hkv", p["h"])
    p.setdefault("sk", p["sq"])
    p.setdefault("layout", "bhsd")
    p.setdefault("causal", 0)
    dtype = {"f16": torch.float16, "bf16": torch.bfloat16}[p.get("dtype", "f16")]
    properties = torch.cuda.get_device_properties(0)
    one = 2 * p["d"] * p["b"] * (2 * p["h"] * p["sq"] + 2 * p["hkv"] * p["sk"])
    cold = max(p.get("cold_bytes", 0), 3 * properties.L2_cache_size)
    torch.manual_seed(1)
    sets = [make_set(p, dtype) for _ in range(max(2, cold // one + 1))]
    entries = []
    for name in p.get("only") or NAMES:
        with warnings.catch_warnings(record=True) as said:
            warnings.simplefilter("always")
            try:
                entries.append(backend_entry(name, p, sets, p.get("min_ms", 2.0), max(3, int(p.get("replays", 11)))))
            except Exception as problem:
                entries.append({"name": name, "why": refusal(problem, said)})
        torch.cuda.empty_cache()
    return {"entries": entries, "versions": {"torch": torch.__version__, "cuda": torch.version.cuda,
                                             "cudnn": str(torch.backends.cudnn.version())}}


def main():
    for line in sys.stdin:
        if line.strip():
            try:
                reply = answer(json.loads(line))
            except Exception as problem:
                reply = {"entries": [], "why": one_line(problem) or type(problem).__name__}
            print(json.dumps(reply), flush=True)


if __name__ == "__main__":
    main()
