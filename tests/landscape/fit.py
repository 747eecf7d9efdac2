# fit: a landscape for `attune bench` that has every legal candidate, where a recorded space has only those that were measured.
# Times are what extremely randomised trees, fitted to the measured ones, predict; so a search meets what it meets live: many axes of
# which few matter, axes that are legal only together, a default far from the best. What it finds there is no time of anything.
# usage: fit.py SPACE.tsv.gz VARIANT OUT.tsv       needs lua5.4 and scikit-learn
# Prints how well the fit orders measured candidates that it was not given (eight parts, Spearman). SPACEs here are surveys
# of 300 candidates of `hopper` on an H200, half of them random. Best time there is over best time found, mean of 40 searches:
#                                     45 trials   100    random, 45 and 100
#   hopper-b4h16-s2048-d64-causal     0.935       0.988  0.859  0.882
#   hopper-b16h12-s197-d64            0.948       0.991  0.891  0.916
import csv
import gzip
import os
import subprocess
import sys

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.model_selection import cross_val_predict

HERE = os.path.dirname(os.path.abspath(__file__))


def numbers(names, words, row):
    """Words become their index; what is combined in the last four decides how many warps and rows an SM has."""
    out = []
    for name in names:
        try:
            out.append(float(row[name]))
        except ValueError:
            out.append(float(words.setdefault((name, row[name]), len(words))))
    at = dict(zip(names, out))
    return out + [at["CONSUMERS"] * at["BLOCK_N"], at["CONSUMERS"] / at["SPLIT_K"] * at["MIN_BLOCKS"],
                  (at["CTAS"] > 0) * (1 + at["AHEAD"]), at["CONSUMERS"] * at["MIN_BLOCKS"]]


def ranks(x):
    return np.argsort(np.argsort(x))


def main(space, variant, out):
    with gzip.open(space, "rt") as f:
        head = f.readline()
        measured = [r for r in csv.DictReader(f, delimiter="\t") if r["variant"] == variant and r["status"] == "ok"]
    problem = head.split('problem="')[1].split('"')[0]
    said = subprocess.run(["lua5.4", os.path.join(HERE, "legal.lua"), os.path.join(HERE, "../../kernels/attn", variant + ".lua"), problem],
                          check=True, capture_output=True, text=True).stdout.splitlines()
    names, words = said[0].split("\t"), {}
    defaults, strategies = said[1].split("\t")
    # What the kernel has got since the survey is at its default in all that was measured, and so it is in the landscape.
    later = {n: v for n, v in (d.split("=") for d in defaults.split(",")) if n not in measured[0]}
    rows = [r for r in said[2:] if all(dict(zip(names, r.split("\t")))[n] == v for n, v in later.items())]
    x = np.array([numbers(names, words, r | later) for r in measured])
    y = np.log([float(r["time_ms"]) for r in measured])
    trees = ExtraTreesRegressor(400, max_features=0.6, n_jobs=-1, random_state=1)
    print("%d measured, rank correlation %.2f" % (len(y), np.corrcoef(ranks(cross_val_predict(trees, x, y, cv=8)), ranks(y))[0, 1]))
    trees.fit(x, y)
    times = np.exp(trees.predict(np.array([numbers(names, words, dict(zip(names, r.split("\t")))) for r in rows])))
    with open(out, "w") as f:
        f.write('#kernel=attn device=none source=fitted to %s problem="%s" defaults=%s:%s strategies=%s:%s\n' % (
            os.path.basename(space), problem, variant, defaults, variant, strategies))
        f.write("variant\t%s\tstatus\ttime_ms\n" % said[0])
        for row, t in zip(rows, times):
            f.write("%s\t%s\tok\t%.6f\n" % (variant, row, t))
    print("%d legal candidates, the best %.4f, the median %.4f ms" % (len(rows), times.min(), np.median(times)))


if __name__ == "__main__":
    main(*sys.argv[1:])
