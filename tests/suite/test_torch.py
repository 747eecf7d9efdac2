# test_torch: the suite's measurement with a real torch on the CPU, no GPU: measure.py's tensors, masks, errors and refusals, and
# run.py from entries to files, resumed. What needs a device is replaced: graphs by plain calls, the header's kernel by the
# stand-in of tests/downstream. No time in here means anything. usage: test_torch.py ROOT LIBRARY FOLDER_OF_HEADER
import contextlib
import ctypes
import io
import json
import os
import sys
import tempfile
import time
import unittest

sys.dont_write_bytecode = True
ROOT, LIBRARY, HEADER = sys.argv[1:4]
sys.path[:0] = [os.path.join(ROOT, "kernels/attn/suite"), os.path.join(ROOT, "kernels/attn")]
try:
    import torch
    from torch.overrides import TorchFunctionMode
except ImportError:
    print("skipped: suite on the CPU: no torch")
    sys.exit(0)
import measure  # noqa: E402
import run  # noqa: E402
import table  # noqa: E402


class OnTheCpu(TorchFunctionMode):
    def __torch_function__(self, function, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if kwargs.get("device") == "cuda":
            kwargs["device"] = "cpu"
        return function(*args, **kwargs)


class Stream:
    cuda_stream = 0

    def wait_stream(self, other):
        pass

    def synchronize(self):
        pass


class Properties:
    L2_cache_size = 1 << 16


def prepare():
    lib = ctypes.CDLL(LIBRARY, mode=ctypes.RTLD_GLOBAL)
    context, stream = ctypes.c_void_p(), ctypes.c_void_p()
    assert lib.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0) == 0 and lib.cuCtxSetCurrent(context) == 0
    assert lib.cuStreamCreate(ctypes.byref(stream), 0) == 0
    Stream.cuda_stream = stream.value
    for name, value in {"is_available": lambda: True, "init": lambda: None, "synchronize": lambda: None,
                        "empty_cache": lambda: None, "Stream": Stream, "current_stream": Stream,
                        "stream": lambda s: contextlib.nullcontext(), "get_device_properties": lambda i: Properties,
                        "_sleep": lambda cycles: None, "get_device_name": lambda i: "a stand-in on the CPU"}.items():
        setattr(torch.cuda, name, value)
    torch.backends.cudnn.version = lambda: 0
    measure.Device.capture = lambda self, contender, calls, warm: (contender, min(calls, 3), warm)

    def replays(self, graphs):
        out = []
        for contender, calls, warm in graphs:
            begin = time.perf_counter()
            contender.calls(calls, warm)
            out.append((time.perf_counter() - begin) * 1e6)
        return out

    measure.Device.replays = replays
    measure.EAGER_S = 0.002
    measure.sdpa.brief_context = lambda: None
    measure.ceilings = lambda: {"matmul_tflops": 1.0, "copy_tbps": 0.01}
    real = ctypes.CDLL
    ctypes.CDLL = lambda path, mode=0: lib if "libcuda" in path or path.endswith(".so") else real(path, mode=mode)
    measure.load_library(LIBRARY)
    return lib


def dims(**other):
    return {**dict(b=1, h=2, hkv=2, sq=20, sk=20, d=64, dtype="f16", causal=0, layout="bhsd"), **other}


class Measure(unittest.TestCase):
    def one(self, **other):
        with OnTheCpu():
            return measure.run(LIB, dims(**other), list(table.BACKENDS), measure.seeded("x"))

    def check(self, found, limit):
        self.assertLess(found["error"]["max_abs"], limit)
        self.assertLess(found["sdpa_error"]["math"]["max_abs"], limit)
        self.assertGreater(found["time_us"], 0)
        self.assertGreater(found["eager_us"], 0)
        self.assertGreater(found["early_us"], 0)
        self.assertGreater(found["sdpa"]["math"], 0)
        self.assertIsNotNone(found["ratio"])

    def test_plain(self):
        found = self.one()
        self.check(found, 2e-3)
        # torch has no cuDNN on a CPU, and says so.
        self.assertIsNone(found["sdpa"]["cudnn"])
        self.assertTrue(found["sdpa_why"]["cudnn"].startswith("not supported: "), found["sdpa_why"])
        self.assertIn(found["entry"], ("seed_sm_90a", "short_sm_90a"))

    def test_causal(self):
        self.check(self.one(causal=1), 2e-3)

    def test_causal_with_more_keys_than_queries(self):
        found = self.one(causal=1, sk=33)
        self.check(found, 2e-3)
        self.assertIn("bottom right", found["sdpa_note"]["math"])

    def test_causal_with_rows_that_see_no_key(self):
        found = self.one(causal=1, sq=20, sk=7)
        self.check(found, 2e-3)
        self.assertEqual(found["sdpa_error"]["math"]["rows"], 7)
        self.assertEqual(found["error"]["rows"], 20)

    def test_one_causal_query(self):
        found = self.one(causal=1, sq=1, sk=33)
        self.check(found, 2e-3)
        self.assertIn("no mask", found["sdpa_note"]["math"])

    def test_grouped_heads_bf16_other_layout(self):
        self.check(self.one(b=2, h=4, hkv=1, dtype="bf16", layout="bshd"), 3e-2)

    def test_only_some_rows(self):
        full, measure.FULL_SCORES = measure.FULL_SCORES, 1
        try:
            found = self.one(sq=200)
        finally:
            measure.FULL_SCORES = full
        self.check(found, 2e-3)
        self.assertEqual(found["error"]["rows"], 64)

    def test_what_no_entry_serves(self):
        with self.assertRaises(measure.Unable):
            self.one(d=96)

    def test_a_matrix_of_scores_that_is_too_large(self):
        most, measure.sdpa.MATH_MOST_SCORES = measure.sdpa.MATH_MOST_SCORES, 10
        try:
            found = self.one()
        finally:
            measure.sdpa.MATH_MOST_SCORES = most
        self.assertTrue(found["sdpa_why"]["math"].startswith("skipped: "))
        self.assertIsNone(found["sdpa"]["math"])

    def test_errors_are_seen(self):
        with OnTheCpu():
            p = dims()
            tensors = measure.sdpa.make_set(p, torch.float16)
            rows = measure.chosen_rows(p, measure.seeded("y"))
            want = measure.float64(p, tensors, rows)
            off = want.half()
            off[0, 1, 3, 5] += 0.25
            found = measure.error(want, off, rows, 0)
            self.assertAlmostEqual(found["max_abs"], 0.25, places=2)
            off[0, 0, 0, 0] = float("nan")
            self.assertEqual(measure.error(want, off, rows, 0)["max_abs"], float("inf"))


class Run(unittest.TestCase):
    def setUp(self):
        self.dir = tempfile.TemporaryDirectory()
        self.addCleanup(self.dir.cleanup)
        os.makedirs(os.path.join(self.dir.name, "entries"))
        os.link(os.path.join(HEADER, "attn_best.h"), os.path.join(self.dir.name, "attn_best.h"))
        for name, p in (("seed", dims()), ("causal", dims(causal=1)), ("unserved", dims(d=96))):
            text = " ".join("%s=%s" % (k, p[k]) for k in run.DIMS)
            header = {"arch": "sm_90a", "problem": {**p, "text": text, "name": name}, "candidate": {"variant": "v", "A": 1},
                      "candidate_text": "v A=1", "spec": {"flops": 1e6, "bytes": 1e4}, "regenerate": "make",
                      "provenance": {"cubin_sha256": name, "nvcc": "0", "trials": 1, "seed": 1, "policy": "p"}}
            with open(os.path.join(self.dir.name, "entries", "attn_%s.json" % name), "w") as f:
                json.dump({"entry": name + "_sm_90a", "header": header}, f)

    def main(self, *more):
        said = io.StringIO()
        with OnTheCpu(), contextlib.redirect_stdout(said):
            code = run.main(["--out", self.dir.name, "--build", os.path.join(self.dir.name, "build"), *more])
        with open(os.path.join(self.dir.name, "evidence", "sdpa_sm_90a.json")) as f:
            return code, said.getvalue(), json.load(f)

    def test_from_entries_to_files_and_on_from_there(self):
        code, said, evidence = self.main("--seconds", "1e-9")
        self.assertEqual((code, len(evidence["results"])), (3, 0), said)
        code, said, evidence = self.main("--problem", "seed")
        self.assertEqual((code, len(evidence["results"])), (0, 1), said)
        first = evidence["results"][0]
        code, said, evidence = self.main()
        self.assertEqual(code, 1, said)  # one problem is served by no entry
        self.assertIn("2 problems to measure, 1 are up to date", said)
        self.assertEqual([r["name"] for r in evidence["results"]], ["causal", "seed", "unserved"])
        self.assertEqual(evidence["results"][1], first)
        self.assertIn("no entry", evidence["results"][2]["why"])
        self.assertEqual(evidence["device"], "a stand-in on the CPU")
        with open(os.path.join(self.dir.name, "evidence", "sdpa_sm_90a.md")) as f:
            text = f.read()
        self.assertIn("| causal | 1x2 20 d64 f16 causal | v |", text)
        self.assertIn("- unserved: no entry of the header serves it", text)


class Lines(unittest.TextTestResult):
    def addSuccess(self, test):
        print("ok: suite on the CPU: " + test._testMethodName[5:].replace("_", " "))

    def tell(self, test, problem):
        print("FAIL: suite on the CPU: %s: %s" % (test._testMethodName[5:], self._exc_info_to_string(problem, test)))

    addFailure = addError = tell


if __name__ == "__main__":
    LIB = prepare()
    whole = unittest.defaultTestLoader.loadTestsFromModule(sys.modules["__main__"])
    sys.exit(0 if unittest.TextTestRunner(stream=open(os.devnull, "w"), resultclass=Lines).run(whole).testsRun > 8 else 1)
