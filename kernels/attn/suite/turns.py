# turns: who is measured when. Contenders are CUDA graphs that are replayed in turns; this file decides how many calls a graph
# holds, in which orders they take their turns, and what follows from the times. The device is an object with two methods,
# capture(contender, calls, warm) -> graph and replays(graphs) -> microseconds of each, so that tests can stand in for it.
import math

import table

GRAPH_US = 1500.0       # a replay takes at least this, so that the gap between two replays is nothing beside it
GRAPH_MOST_US = 20000.0 # and no more than this to visit every set of inputs; slower calls visit the first few
NODES_MOST = 4000
ROUND_BUDGET_US = 4e5   # of one kind of rounds
SLOW = 4.0              # times the fastest backend: measured in fewer rounds, for it decides nothing
ALONE = 9               # replays that nothing is compared with
NEAR = 1.05             # times the fastest backend: takes part in the duel


def calls_in_graph(each_us, sets):
    """Enough calls for GRAPH_US, visiting every set equally often, unless that takes longer than GRAPH_MOST_US."""
    n = max(1, math.ceil(GRAPH_US / each_us))
    if n >= sets or sets * each_us <= GRAPH_MOST_US:
        n = math.ceil(n / sets) * sets
    else:
        n = max(min(2, sets), int(GRAPH_MOST_US / each_us))
    return n if n <= NODES_MOST else max(1, NODES_MOST // sets) * sets


def rounds_for(pass_us, least, most):
    """How many palindromes fit the budget; one visits everybody twice."""
    return max(least, min(most, int(ROUND_BUDGET_US / (2 * pass_us))))


def play(device, graphs, calls, orders):
    """Replays in the given orders; the times of one call in each place, order by order."""
    times = []
    for order in orders:
        us = device.replays([graphs[name] for name in order])
        times.append([t / calls[name] for name, t in zip(order, us)])
    return times


def collect(samples, orders, times):
    for order, us in zip(orders, times):
        for name, t in zip(order, us):
            samples.setdefault(name, []).append(t)


def measure(device, contenders, ours, sets, rough_us, rng):
    """contenders: {name: what device.capture takes}; rough_us: {name: time of one call}, about. A contender that cannot be
    captured is reported under "why" and takes no further part. Returns {"samples", "warm", "ratios", "calls", "why", "slow"}:
    ratios are their time over ours, for each backend that came near the fastest, from the duel."""
    out = {"samples": {}, "warm": {}, "ratios": {}, "calls": {}, "why": {}, "slow": []}
    graphs, calls = {}, {}
    for name in contenders:
        calls[name] = calls_in_graph(rough_us[name], sets)
        try:
            graphs[name] = device.capture(contenders[name], calls[name], False)
        except Exception as problem:  # a backend's refusal is a finding, not an end; ours is one
            if name == ours:
                raise
            out["why"][name] = "cannot be captured in a graph: %s" % " ".join(str(problem).split())[:300]
    names = list(graphs)
    out["calls"] = {name: calls[name] for name in names}
    pass_us = {name: rough_us[name] * calls[name] for name in names}
    fastest = min([rough_us[name] for name in names if name != ours], default=0)
    out["slow"] = [name for name in names if name != ours and rough_us[name] > SLOW * fastest]
    quick = [name for name in names if name not in out["slow"]]

    device.replays([graphs[name] for name in names])  # first replays upload the graphs
    orders = table.palindromes(quick, rounds_for(sum(pass_us[n] for n in quick), 3, 5), rng)
    if out["slow"]:
        orders += table.palindromes(out["slow"], 2, rng)
    times = play(device, graphs, calls, orders)
    collect(out["samples"], orders, times)

    backends = [name for name in quick if name != ours]
    if backends:
        medians = {name: table.median(out["samples"][name]) for name in backends}
        near = [name for name in backends if medians[name] <= NEAR * min(medians.values())]
        duel = [ours] + near
        duel_orders = table.palindromes(duel, rounds_for(sum(pass_us[n] for n in duel), 6, 12), rng)
        duel_times = play(device, graphs, calls, duel_orders)
        collect(out["samples"], duel_orders, duel_times)
        for name in near:
            out["ratios"][name] = table.paired_ratios(duel_orders, duel_times, ours, name)
    graphs.clear()  # their memory, before there are others
    warm_us(device, contenders, quick, calls, rng, out)
    return out


def alone(device, contender, calls):
    """The median time of one call, from replays with nobody else between."""
    graph = device.capture(contender, calls, False)
    return table.median(device.replays([graph] * ALONE)) / calls


def warm_us(device, contenders, names, calls, rng, out):
    graphs = {name: device.capture(contenders[name], calls[name], True) for name in names}
    device.replays([graphs[name] for name in names])
    orders = table.palindromes(names, 3, rng)
    samples = {}
    collect(samples, orders, play(device, graphs, calls, orders))
    out["warm"] = {name: table.median(samples[name]) for name in names}


def verdict(measured, ours, backends):
    """The members of a result that follow from what was measured."""
    samples = measured["samples"]
    medians = {name: table.median(samples[name]) for name in samples}
    found = {"time_us": medians[ours], "interval": table.interval(samples[ours]), "replays": len(samples[ours]),
             "calls_in_graph": measured["calls"][ours],
             "sdpa": {name: medians.get(name) for name in backends},
             "sdpa_interval": {name: table.interval(samples[name]) for name in backends if name in samples},
             "warm_us": measured["warm"].get(ours), "warm_sdpa": {n: measured["warm"].get(n) for n in backends}}
    there = [name for name in backends if name in medians]
    found["best_sdpa"] = min(there, key=lambda name: medians[name]) if there else None
    found["best_sdpa_us"] = medians[found["best_sdpa"]] if there else None
    found["ratio"] = found["ratio_interval"] = None
    if there:
        pairs = measured["ratios"].get(found["best_sdpa"])
        found["ratio"] = table.median(pairs) if pairs else found["best_sdpa_us"] / found["time_us"]
        found["ratio_interval"] = table.interval(pairs) if pairs else None
    return found
