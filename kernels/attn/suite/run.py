# run: the suite's measurement. For every entry of a tuned header: its time against each backend of PyTorch's
# scaled_dot_product_attention, interleaved in one process on the same tensors. Writes PREFIX.json after each problem, so that
# a run may be cut at any time and goes on where it stopped, and the table PREFIX.md made from it.
# usage: run.py [OPTION...]; run.py --help lists them. Exit status: 0 all measured, 1 something failed, 3 stopped at --seconds
# with problems left, 77 no torch or no GPU.
import argparse
import glob
import hashlib
import json
import os
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.dont_write_bytecode = True
sys.path[:0] = [HERE, os.path.dirname(HERE)]

import table  # noqa: E402

DIMS = ("b", "h", "hkv", "sq", "sk", "d", "dtype", "causal", "layout")


def options(argv):
    parser = argparse.ArgumentParser(description="Measures a tuned header's entries against PyTorch's attention backends.")
    parser.add_argument("--out", default="tuned", help="folder of attn_best.h and entries/ (tuned)")
    parser.add_argument("--arch", help="only entries for this architecture (default: that of the first entry)")
    parser.add_argument("--evidence", help="files to write, without .json and .md (OUT/evidence/sdpa_ARCH)")
    parser.add_argument("--problems", help="JSON list of the problems that there are, to name those without an entry")
    parser.add_argument("--problem", action="append", help="only this one, by name or text; may be repeated")
    parser.add_argument("--backends", default=",".join(table.BACKENDS), help="which to force (all four)")
    parser.add_argument("--seconds", type=float, default=0, help="begin no problem after so many seconds")
    parser.add_argument("--again", action="store_true", help="measure what has been measured, too")
    parser.add_argument("--table", action="store_true", help="only write the table from the JSON that is there")
    parser.add_argument("--short", action="store_true", help="only print README.md's table from that JSON")
    parser.add_argument("--build", default="build/suite", help="folder for what is compiled (build/suite)")
    parser.add_argument("--cc", default=os.environ.get("CC", "gcc"), help="the C compiler (gcc)")
    return parser.parse_args(argv)


# --- what there is to measure ----------------------------------------------------------------------------------------------

def read_entries(folder, arch):
    """The header's entries for an architecture, in the order of their names; what each is and how it was found."""
    entries = []
    for path in sorted(glob.glob(os.path.join(folder, "entries", "attn_*.json"))):
        with open(path) as f:
            whole = json.load(f)
        header = whole["header"]
        arch = arch or header["arch"]
        if header["arch"] != arch:
            continue
        p, provenance = header["problem"], header.get("provenance", {})
        axes = {k: v for k, v in header["candidate"].items() if k != "variant"}
        entries.append({"entry": whole["entry"], "problem": p["text"], "name": p.get("name"), "dims": {k: p[k] for k in DIMS},
                        "flops": header["spec"]["flops"], "bytes": header["spec"]["bytes"], "arch": arch,
                        "code": provenance.get("cubin_sha256", ""), "nvcc": provenance.get("nvcc", "?"),
                        "winner": {"variant": header["candidate"]["variant"], "axes": axes, "candidate": header["candidate_text"],
                                   "defaults": header.get("defaults", {})},
                        "search": {k: provenance.get(k) for k in ("trials", "seed", "policy", "rejected")},
                        "regenerate": header.get("regenerate")})
    return entries, arch


def untuned(entries, problems):
    """Names of the problems that no entry was tuned for."""
    have = {e["problem"] for e in entries} | {e["name"] for e in entries}
    return [p.get("name") or p["text"] for p in problems if p.get("text") not in have and p.get("name") not in have]


def wanted(entry, names):
    return not names or entry["name"] in names or entry["problem"] in names or entry["entry"] in names


def key_of(entry, surroundings):
    """Changes with everything that a number could depend on: the machine code, the device, the software, how it is measured."""
    text = json.dumps([entry["problem"], entry["code"], {k: v for k, v in surroundings.items() if k != "toolkit"}], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def method_hash():
    h = hashlib.sha256()
    for path in ("call.c", "measure.py", "turns.py", os.path.join("..", "sdpa.py")):
        with open(os.path.join(HERE, path), "rb") as f:
            h.update(f.read())
    return h.hexdigest()[:16]


def load_evidence(path):
    try:
        with open(path) as f:
            return json.load(f)
    except FileNotFoundError:
        return {"results": []}


def plan(entries, evidence, surroundings, again):
    """Results that still hold, by problem, and the entries that must be measured."""
    have = {r["problem"]: r for r in evidence.get("results", [])}
    kept, todo = {}, []
    for e in entries:
        old = have.get(e["problem"])
        if old and not again and old.get("key") == key_of(e, surroundings) and old.get("time_us"):
            kept[e["problem"]] = old
        else:
            todo.append(e)
    return kept, todo


def complete(entry, found, ceilings):
    """A result: what was found, and what follows from it and from the entry."""
    r = {"problem": entry["problem"], "name": entry["name"], "dims": entry["dims"], "classes": table.classes_of(entry["dims"]),
         "target": table.target_ratio(entry["dims"]), "winner": entry["winner"], "search": entry["search"],
         "regenerate": entry["regenerate"], "entry": entry["entry"]}
    r.update(found)
    if r.get("time_us"):
        roofline_us = max(entry["flops"] / (ceilings["matmul_tflops"] * 1e6), entry["bytes"] / (ceilings["copy_tbps"] * 1e6))
        r["tflops"] = entry["flops"] / r["time_us"] * 1e-6
        r["roofline_us"], r["roofline_share"] = roofline_us, roofline_us / r["time_us"]
        r["bandwidth_share"] = entry["bytes"] / (ceilings["copy_tbps"] * 1e6) / r["time_us"]
        if found["entry"] != entry["entry"]:
            r["note"] = "the header serves it by its entry %s" % found["entry"]
        r["misses"] = table.misses(r)
    return r


# --- measuring -------------------------------------------------------------------------------------------------------------

def cuda_include():
    for root in (os.environ.get("CUDA_HOME"), "/usr/local/cuda", "/opt/cuda", "/usr"):
        if root and os.path.isfile(os.path.join(root, "include", "cuda.h")):
            return os.path.join(root, "include")
    return None


def build_library(o):
    """Starts the compiler on call.c with the header; (path, process or None when it is built already)."""
    h = hashlib.sha256()
    header, source = os.path.join(o.out, "attn_best.h"), os.path.join(HERE, "call.c")
    for path in (header, source):
        with open(path, "rb") as f:
            h.update(f.read())
    os.makedirs(o.build, exist_ok=True)
    path = os.path.abspath(os.path.join(o.build, "call-%s.so" % h.hexdigest()[:16]))
    if os.path.exists(path):
        return path, None
    include = cuda_include()
    command = [o.cc, "-std=c99", "-O2", "-shared", "-fPIC", "-I" + o.out, "-o", path + ".part", source]
    command[4:4] = ["-isystem", include] if include else []
    return path, subprocess.Popen(command)


def finish_library(path, process):
    if process is not None:
        if process.wait() != 0:
            raise SystemExit("run.py: call.c does not compile with the header")
        os.replace(path + ".part", path)


def surroundings_of(o, measure, entries):
    torch = measure.sdpa.torch
    clocks = measure.clocks()
    return {"device": torch.cuda.get_device_name(0), "driver": clocks.get("driver", "unknown"),
            "toolkit": ", ".join(sorted({e["nvcc"] for e in entries})), "torch": torch.__version__,
            "cuda": torch.version.cuda, "cudnn": str(torch.backends.cudnn.version()), "backends": o.backends,
            "method": method_hash()}


def measure_one(measure, lib, entry, o, ceilings, key):
    begin = time.monotonic()
    try:
        found = measure.run(lib, entry["dims"], o.backends.split(","), measure.seeded(key))
    except measure.Unable as problem:
        found = {"why": str(problem)}
    except measure.sdpa.torch.cuda.OutOfMemoryError as problem:
        found = {"why": "out of memory: " + measure.sdpa.one_line(problem)[:120]}
    measure.sdpa.torch.cuda.empty_cache()
    result = complete(entry, found, ceilings)
    result["clocks"] = {k: v for k, v in measure.clocks().items() if k != "driver"}
    result["key"], result["seconds"] = key, time.monotonic() - begin
    return result


def say(n, total, result, left_s):
    if result.get("time_us") is None:
        text = "not measured: " + result.get("why", "")
    elif result.get("ratio") is None:
        text = "%.3f us; no backend took part" % result["time_us"]
    else:
        text = "%.3f us, %.2f times as fast as %s (%.3f us)%s" % (result["time_us"], result["ratio"], result["best_sdpa"],
                                                                result["best_sdpa_us"], "; misses " if result["misses"] else "")
        text += "; ".join(result["misses"])
    print("[%d/%d] %-14s %s  (%.1f s, about %.0f s left)" % (n, total, result["name"] or result["problem"], text,
                                                        result["seconds"], left_s), flush=True)


def evidence_of(entries, problems, kept, about):
    """The whole evidence: results in the order of the entries, what they sum up to, and the problems that have none."""
    evidence = {**about, "command": "make sdpa ARCH=%s" % entries[0]["arch"],
                "results": [kept[e["problem"]] for e in entries if e["problem"] in kept], "untuned": untuned(entries, problems)}
    evidence["summary"] = table.summary(evidence["results"])
    return evidence


def run(o, entries, prefix, problems):
    path, process = build_library(o)
    import measure
    finish_library(path, process)
    if measure.sdpa.missing or not measure.sdpa.torch.cuda.is_available():
        print("skipped: %s" % (measure.sdpa.missing or "PyTorch sees no GPU"))
        return 77
    measure.sdpa.torch.cuda.init()
    measure.sdpa.torch.zeros(1, device="cuda")
    surroundings = surroundings_of(o, measure, entries)
    old = load_evidence(prefix + ".json")
    kept, todo = plan(entries, old, surroundings, o.again)
    todo = [e for e in todo if wanted(e, o.problem)]
    # An older result of a problem that is not to be measured now stays, under the key that says what it belongs to.
    for r in old["results"]:
        if r["problem"] not in kept and r["problem"] in {e["problem"] for e in entries} - {e["problem"] for e in todo}:
            kept[r["problem"]] = r
    lib, begin, stopped, failed = measure.load_library(path), time.monotonic(), False, 0
    about = {**surroundings, "clocks": old.get("clocks", {}),
             "ceilings": measure.ceilings() if todo else old.get("ceilings", {})}
    if todo:
        print("%d problems to measure, %d are up to date" % (len(todo), len(kept)), flush=True)
    for n, entry in enumerate(todo):
        spent = time.monotonic() - begin
        if o.seconds and spent > o.seconds:
            print("stopped after %.0f s with %d problems left: the same command goes on from here" % (spent, len(todo) - n))
            stopped = True
            break
        result = measure_one(measure, lib, entry, o, about["ceilings"], key_of(entry, surroundings))
        failed += result.get("time_us") is None
        kept[entry["problem"]] = result
        spent = time.monotonic() - begin
        say(n + 1, len(todo), result, spent / (n + 1) * (len(todo) - n - 1))
        about["clocks"] = measure.clocks()
        table.write(prefix, evidence_of(entries, problems, kept, about))
    table.write(prefix, evidence_of(entries, problems, kept, about))
    print("%s.json, %s.md: %d problems" % (prefix, prefix, len(kept)))
    return 3 if stopped else 1 if failed else 0


def main(argv):
    o = options(argv)
    entries, arch = read_entries(o.out, o.arch)
    prefix = o.evidence or os.path.join(o.out, "evidence", "sdpa_%s" % arch)
    if o.table:
        table.write_atomic(prefix + ".md", table.markdown(load_evidence(prefix + ".json")))
        return 0
    if o.short:
        sys.stdout.write(table.short(load_evidence(prefix + ".json")))
        return 0
    if not entries:
        print("%s/entries has no entry%s" % (o.out, " for %s" % arch if arch else ""))
        return 1
    problems = []
    if o.problems:
        with open(o.problems) as f:
            problems = json.load(f)
    return run(o, entries, prefix, problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
