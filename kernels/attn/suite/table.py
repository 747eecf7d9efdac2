# table: what the suite's numbers mean and how they are written down: statistics, classes, targets, JSON and Markdown.
# It measures nothing and knows neither torch nor a GPU, so that all of it can be tested anywhere.
import json
import math
import os

BACKENDS = ("flash", "cudnn", "efficient", "math")
# A class of problems and the geometric mean that its ratios aim at; None: none of its own.
CLASSES = (("sq <= 1024", 1.6), ("d = 128, long", None), ("d = 64, long", None), ("other d, long", None), ("decode", None),
           ("causal", None), ("all", 1.35))
SEED = "b=1 h=8 hkv=8 sq=512 sk=512 d=64 dtype=f16 causal=0 layout=bhsd"
SEED_MOST_US, SEED_LEAST_RATIO, SEED_EAGER_MOST_US = 4.5, 2.2, 6.0
DECODE_LEAST_BANDWIDTH = 0.8  # of the measured copy bandwidth, where b >= 4


def median(values):
    s = sorted(values)
    n = len(s)
    return s[n // 2] if n % 2 else 0.5 * (s[n // 2 - 1] + s[n // 2])


def interval(values):
    """Order statistics that hold the median with 95% confidence (binomial); with fewer than six values, the extremes."""
    s = sorted(values)
    n, low, tail = len(s), 0, 0.0
    while low < n // 2:
        tail += math.comb(n, low) / 2.0 ** n
        if tail > 0.025:
            break
        low += 1
    low = max(0, low - 1)
    return [s[low], s[n - 1 - low]]


def geometric_mean(values):
    return math.exp(sum(math.log(v) for v in values) / len(values))


def palindromes(names, count, rng):
    """Orders of measurement: each a shuffle of the names followed by its reverse (A B C C B A), so that a drift which is
    linear in time adds the same to everybody."""
    orders = []
    for _ in range(count):
        order = list(names)
        rng.shuffle(order)
        orders.append(order + order[::-1])
    return orders


def paired_ratios(orders, times, ours, theirs):
    """For each order that holds both: the mean of their times over the mean of ours, times standing in measured order."""
    ratios = []
    for order, us in zip(orders, times):
        a = [t for name, t in zip(order, us) if name == ours]
        b = [t for name, t in zip(order, us) if name == theirs]
        if a and b:
            ratios.append((sum(b) / len(b)) / (sum(a) / len(a)))
    return ratios


def classes_of(p):
    if p["sq"] == 1:
        own = "decode"
    elif p["sq"] <= 1024:
        own = "sq <= 1024"
    else:
        own = {128: "d = 128, long", 64: "d = 64, long"}.get(p["d"], "other d, long")
    return [own] + (["causal"] if p["causal"] else []) + ["all"]


def target_ratio(p):
    """How many times as fast as the best backend a winner is to be."""
    if p["sq"] == 1:
        return 1.15
    if p["sq"] <= 1024 or p["d"] > 128:
        return 1.3
    if p["sq"] >= 2048 and p["d"] == 128:
        return 1.05 if p["causal"] else 1.0
    if p["sq"] >= 2048 and p["d"] == 64:
        return 1.1 if p["causal"] else 1.05
    return 1.0


def misses(result):
    """What a result falls short of, in words; an empty list when it misses nothing."""
    p, out = result["dims"], []
    if result.get("ratio") is None:
        return out
    target = target_ratio(p)
    if result["ratio"] < target:
        out.append("%.2f wanted, %.1f%% short" % (target, 100 * (1 - result["ratio"] / target)))
    if result["problem"] == SEED:
        if result["time_us"] > SEED_MOST_US:
            out.append("%.3g us wanted" % SEED_MOST_US)
        if result["ratio"] < SEED_LEAST_RATIO:
            out.append("%.2f wanted" % SEED_LEAST_RATIO)
        if result.get("eager_us") and result["eager_us"] > SEED_EAGER_MOST_US:
            out.append("%.3g us a call from C wanted" % SEED_EAGER_MOST_US)
    share = result.get("bandwidth_share")
    if p["sq"] == 1 and p["b"] >= 4 and share is not None and share < DECODE_LEAST_BANDWIDTH:
        out.append("%.0f%% of the copy bandwidth wanted, %.0f%% reached" % (100 * DECODE_LEAST_BANDWIDTH, 100 * share))
    ours = result.get("error")
    if ours and (ours["rms"] is None or not math.isfinite(ours["rms"])):
        out.append("its output is not finite")
    return out


def error_ratio(result):
    """attune's RMS error over that of the fastest backend; None where one of them is not known."""
    ours, theirs = result.get("error"), (result.get("sdpa_error") or {}).get(result.get("best_sdpa"))
    if not ours or not theirs or not ours["rms"] or not theirs["rms"] or not math.isfinite(ours["rms"]):
        return None
    return ours["rms"] / theirs["rms"]


def summary(results):
    """Geometric means by class, the smallest ratio, and what of it is missed."""
    out = []
    for name, target in CLASSES:
        ratios = [r["ratio"] for r in results if r.get("ratio") is not None and name in classes_of(r["dims"])]
        if ratios:
            line = {"class": name, "problems": len(ratios), "geometric_mean": geometric_mean(ratios), "least": min(ratios)}
            if target:
                line["target"] = target
                line["missed"] = line["geometric_mean"] < target
            out.append(line)
    return out


# --- files ---------------------------------------------------------------------------------------------------------------

def rounded(value, digits=6):
    """Floats to so many significant digits, all the way down: the noise is far above."""
    if isinstance(value, float):
        return float("%.*g" % (digits, value)) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: rounded(v, digits) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(v, digits) for v in value]
    return value


def write_atomic(path, text):
    """Readers see the old text or the new one; a kill between leaves the old one."""
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path + ".part", "w") as f:
        f.write(text)
        f.flush()
        os.fsync(f.fileno())
    os.replace(path + ".part", path)


def write(prefix, evidence):
    write_atomic(prefix + ".json", json.dumps(rounded(evidence), indent=1) + "\n")
    write_atomic(prefix + ".md", markdown(rounded(evidence)))


def us(value):
    if value is None:
        return "–"
    return "%.2f" % value if value < 100 else "%.1f" % value if value < 1000 else "%.0f" % value


def problem_words(result):
    p = result["dims"]
    words = "%dx%d%s %s" % (p["b"], p["h"], "" if p["hkv"] == p["h"] else "/%d" % p["hkv"],
                            p["sq"] if p["sq"] == p["sk"] else "%dx%d" % (p["sq"], p["sk"]))
    words += " d%d %s" % (p["d"], p["dtype"])
    return words + (" causal" if p["causal"] else "") + (" bshd" if p.get("layout") == "bshd" else "")


def backend_cell(result, name):
    value = result["sdpa"].get(name)
    if value is None:
        return "not supported" if (result.get("sdpa_why") or {}).get(name, "").startswith("not supported") else "–"
    mark = "**" if name == result.get("best_sdpa") else ""
    return mark + us(value) + mark


def error_cell(e):
    if not e:
        return "–"
    return "not finite" if e["max_abs"] is None or e["rms"] is None else "%.1e / %.1e" % (e["max_abs"], e["rms"])


BACKEND_WORDS = {"cudnn": "cuDNN", "efficient": "mem-eff."}


def short_words(result):
    """A problem as users write it, behind its name where that says something else."""
    p, name = result["dims"], result.get("name") or ""
    words = "b=%d h=%d%s " % (p["b"], p["h"], "" if p["hkv"] == p["h"] else " hkv=%d" % p["hkv"])
    words += "s=%d" % p["sq"] if p["sq"] == p["sk"] else "sq=%d sk=%d" % (p["sq"], p["sk"])
    words += " d=%d%s%s" % (p["d"], "" if p["dtype"] == "f16" else " " + p["dtype"], " causal" if p["causal"] else "")
    return words if name.startswith("b%dh%d" % (p["b"], p["h"])) or not name else "%s: %s" % (name, words)


def short(evidence):
    """README.md's table: a line for each problem, short ones first, decoding last, by attune's time."""
    def place(r):
        own = classes_of(r["dims"])[0]
        return ([name for name, _ in CLASSES].index(own), r["time_us"])

    rows = ["| entry | variant | us | SDPA's best, us | ratio | TFLOP/s |", "|---|---|---|---|---|---|"]
    for r in sorted((r for r in evidence["results"] if r.get("ratio") is not None), key=place):
        best = r["best_sdpa"]
        rows.append("| %s | `%s` | %s | %s %s | %.2f | %.0f |" % (short_words(r), r["winner"]["variant"], us(r["time_us"]),
                    BACKEND_WORDS.get(best, best), us(r["best_sdpa_us"]), r["ratio"], r["tflops"]))
    return "\n".join(rows) + "\n"


def changed_axes(winner):
    """The axes that are not at their default where those are known, else all of them."""
    axes, defaults = winner.get("axes") or {}, winner.get("defaults") or {}
    return " ".join("%s=%s" % (k, v) for k, v in axes.items() if k not in defaults or defaults[k] != v)


def result_row(r):
    low, high = r["interval"]
    missed = "; ".join(misses(r))
    cells = [r.get("name") or "", problem_words(r), r["winner"]["variant"],
             "%s [%s, %s]" % (us(r["time_us"]), us(low), us(high))]
    cells += [backend_cell(r, name) for name in BACKENDS]
    cells += ["–" if r.get("ratio") is None else "**%.2f**" % r["ratio"] if not missed else "%.2f" % r["ratio"],
              "%.0f" % r["tflops"], "%.0f%%" % (100 * r["roofline_share"]), us(r.get("early_us")),
              us(r.get("eager_us")), us((r.get("eager_sdpa") or {}).get(r.get("best_sdpa"))),
              error_cell(r.get("error")), error_cell((r.get("sdpa_error") or {}).get(r.get("best_sdpa"))),
              "–" if error_ratio(r) is None else "%.2f" % error_ratio(r), missed]
    return "| " + " | ".join(cells) + " |"


def launch_words(results):
    us = [x for r in results for x in r.get("launch_us") or []]
    if not us:
        return []
    return ["Before and after a problem's turns the smallest kernel took %.2f to %.2f us in a graph (suite/floor.py tells why that is "
            "asked)." % (min(us), max(us)), ""]


def markdown(evidence):
    done = [r for r in evidence["results"] if r.get("time_us") is not None]
    failed = [r for r in evidence["results"] if r.get("time_us") is None]
    ceilings = evidence.get("ceilings") or {}
    lines = ["# attune against PyTorch's scaled_dot_product_attention", "",
             "%s, driver %s, machine code by nvcc %s; PyTorch %s, cuDNN %s. Made by `%s`." % (
                 evidence["device"], evidence["driver"], evidence["toolkit"], evidence["torch"], evidence.get("cudnn", "?"),
                 evidence["command"]), "",
             "In one process the winner and every backend, forced by name, ran on the same tensors, their CUDA graphs replayed in",
             "turns in shuffled orders that are their own mirror image, in bursts after which the device rests as long as they took.",
             "Times are microseconds a call, inputs out of cache (rotated over more than three times the L2); in brackets the 95%",
             "interval of the median. Ratio: the best backend's time over attune's, from paired replays; a line in bold meets its",
             "target. Errors are largest / RMS differences from float64 on those tensors, RMS the quotient of attune's and the best",
             "backend's. Early: attune's calls when each may begin while the one before drains",
             "(args.early = 1), which the ratio does not use. Eager: one call after another from C (attune) and from Python (the best",
             "backend). Share: of the roofline by the ceilings measured in the same run (%s TFLOP/s of a matrix product, %s TB/s"
             % ("%.0f" % ceilings["matmul_tflops"] if ceilings.get("matmul_tflops") else "?",
                "%.2f" % ceilings["copy_tbps"] if ceilings.get("copy_tbps") else "?"),
             "of a copy, reads and writes counted).", ""] + launch_words(done)
    lines += ["| name | B x Hq/Hkv, S, D | variant | attune | flash | cuDNN | mem-eff. | math | ratio | TFLOP/s | share | "
              "early | eager C | eager Python | error | SDPA's | RMS | misses |", "|" + "---|" * 18]
    lines += [result_row(r) for r in done]
    lines += ["", "| class | problems | geometric mean | least | aim |", "|---|---|---|---|---|"]
    for line in summary(done):
        aim = "" if "target" not in line else "%.2f%s" % (line["target"], ": missed" if line["missed"] else "")
        lines.append("| %s | %d | %.3f | %.2f | %s |" % (line["class"], line["problems"], line["geometric_mean"], line["least"], aim))
    short = [r for r in done if misses(r)]
    lines += ["", "%d of %d problems meet their targets; %d are slower than the best backend." % (
        len(done) - len(short), len(done), sum(1 for r in done if r.get("ratio") is not None and r["ratio"] < 1))]
    ratios = [error_ratio(r) for r in done if error_ratio(r) is not None]
    if ratios:
        lines += ["", "RMS errors: %.3f times the best backend's in the geometric mean, at most %.2f; more than 1.02 times in %d of %d." % (
            geometric_mean(ratios), max(ratios), sum(1 for x in ratios if x > 1.02), len(ratios))]
    whys = [(r.get("name") or r["problem"], name, why) for r in done for name, why in (r.get("sdpa_why") or {}).items()]
    notes = [(r.get("name") or r["problem"], name, why) for r in done for name, why in (r.get("sdpa_note") or {}).items()]
    if whys or notes:
        lines += ["", "## Backends that took no part, or took part in another way", ""]
        lines += ["- %s, %s: %s" % w for w in whys + notes]
    if failed or evidence.get("untuned"):
        lines += ["", "## Not measured", ""]
        lines += ["- %s: %s" % (r.get("name") or r["problem"], r.get("why", "no reason is known")) for r in failed]
        lines += ["- %s: no entry of the header was tuned for it" % name for name in evidence.get("untuned") or []]
    lines += ["", "## Winners", ""]
    for r in done:
        search = r.get("search") or {}
        lines.append("- %s: %s %s (%s trials, seed %s, %s)" % (r.get("name") or r["problem"], r["winner"]["variant"],
                     changed_axes(r["winner"]), search.get("trials", "?"), search.get("seed", "?"), search.get("policy", "?")))
    return "\n".join(lines) + "\n"
