"""What the special measurements in results/ say (stall.h5, restart.h5, latency.h5): medians with order-statistic intervals.

Campaigns are dejavu-stats' business; these files are not campaigns (results/BENCHMARKS.md).
"""

import math

import numpy

import latex
from plots.campaign import Campaign

LEAVE_OUT = 3  # first epochs of a job: new files, no parent (results/BENCHMARKS.md)
PROGRAMS = {"dirty": "bench-dirty", "ft": "FT class B", "cg": "CG class B"}
PLACES = {"ram": "RAM disk", "disk": "disk"}


def order_interval(values, confidence=0.95):
    """Median, low, high: the narrowest pair of order statistics symmetric about the median with at least that coverage.

    H. A. David and H. N. Nagaraja, Order Statistics, 3rd ed., section 7.1. NaN bounds where there are too few values.
    """
    ordered = sorted(values)
    n = len(ordered)
    for k in range(n // 2, 0, -1):  # the k-th smallest and the k-th largest
        outside = 2 * sum(math.comb(n, i) for i in range(k)) / 2**n
        if 1 - outside >= confidence:
            return float(numpy.median(ordered)), ordered[k - 1], ordered[n - k]
    return float(numpy.median(ordered)) if n else math.nan, math.nan, math.nan


def summary(values):
    """A row of n, median, interval, 95 % quantile."""
    middle, low, high = order_interval(values)
    return {"n": len(values), "median": middle, "low": low, "high": high, "p95": float(numpy.percentile(values, 95))}


def stalls(path):
    """A summary (s) for each job of stall.h5: the slowest rank of each epoch but the first ones."""
    file = Campaign(path)
    rows = []
    for run, program, place, capture in zip(*(file["jobs"][c] for c in ("run", "program", "place", "capture"))):
        worst = {}
        epochs = file["epochs"]
        for epoch, of, stall in zip(epochs["epoch"], epochs["run"], epochs["stall_ns"]):
            if of == run and epoch > LEAVE_OUT:
                worst[epoch] = max(worst.get(epoch, 0), stall * 1e-9)
        rows.append({"program": program, "place": place, "capture": capture, **summary(list(worst.values()))})
    return rows


def restarts(path):
    """A summary (s) for each program and way of restart.h5: from `dejavu restart` until all ranks compute."""
    file = Campaign(path)
    return [{"program": program, "how": how, **summary(list(rows["computing_ns"] * 1e-9))}
            for (program, how), rows in file["jobs"].cells("program", "how")]


def latencies(path):
    """A summary of latency.h5's ratios idle ÷ native over pairs (medians of batches), for each operation and size."""
    rows = []
    for (operation, size), batches in Campaign(path)["batches"].cells("operation", "bytes"):
        medians = {key: numpy.median(part["seconds"]) for key, part in batches.cells("pair", "base")}
        pairs = sorted({pair for pair, _ in medians})
        native = numpy.median([medians[pair, "native"] for pair in pairs])
        rows.append({"operation": operation, "bytes": size, "native": native,
                     **summary([medians[pair, "idle"] / medians[pair, "native"] for pair in pairs])})
    return rows


def in_ms(row):
    return latex.interval(row, "median", "low", "high", 1e3)


def stall_table(rows):
    columns = (("l", "program"), ("l", "capture"), ("l", "images on"), ("r", "$n$"), ("r", "median (ms)"), ("r", "p95 (ms)"))
    return latex.tabular(columns, [[PROGRAMS.get(r["program"], latex.escape(r["program"])), latex.escape(r["capture"]),
                                    PLACES.get(r["place"], latex.escape(r["place"])), f"{r['n']}", in_ms(r),
                                    latex.number(r["p95"] * 1e3)] for r in rows])


def restart_table(rows):
    columns = (("l", "program"), ("l", "restore"), ("r", "$n$"), ("r", "median (ms)"))
    return latex.tabular(columns, [[PROGRAMS.get(r["program"], latex.escape(r["program"])), latex.escape(r["how"]), f"{r['n']}",
                                    in_ms(r)] for r in rows])


def latency_table(rows):
    columns = (("l", "operation"), ("r", "bytes"), ("r", "$n$"), ("r", "native"), ("r", "idle $\\div$ native"))
    return latex.tabular(columns, [[latex.escape(r["operation"]), f"{r['bytes']:.0f}", f"{r['n']}", latex.seconds(r["native"]),
                                    latex.interval(r, "median", "low", "high", form=latex.ratio)] for r in rows])
