"""Every measured figure that the paper's text mentions, as {macro name: LaTeX}; names consist of letters only.

A figure whose data is missing is not in the result; whether a part of the data is there is said by `flags`.
"""

import pathlib

import numpy

import latex
from latex import interval, is_missing, listed, number, ratio, seconds

DAY = 86400.0
YEAR = 365.25 * DAY
LEAST_SHARE = 1e-4  # what is "at most" is not said more finely


def campaign_numbers(campaign):
    """What was run."""
    runs, samples = campaign["runs"], campaign.samples()
    faults, epochs = campaign["faults"], campaign["epochs"]
    found = {
        "CampaignName": latex.escape(campaign.name), "Seed": latex.escape(campaign.configuration.get("seed", "unknown")),
        "Experiment": latex.escape(pathlib.Path(campaign.configuration.get("file", "unknown")).name),
        "Runs": f"{len(runs)}", "RunsPlanned": f"{campaign.attributes.get('runs_planned', len(runs))}",
        "RunsFailed": f"{numpy.sum(runs['outcome'] != 'ok')}", "Samples": f"{len(samples)}",
        "Blocks": f"{len(set(samples['block']))}",
        "Applications": latex.escape(listed(a.upper() if len(a) == 2 else a for a in sorted(set(runs["application"])))),
        "Classes": latex.escape(listed(sorted(set(runs["class_name"]) - {"-"}))),
        "Ranks": listed(f"{r:g}" for r in sorted(set(runs["ranks"]))),
        "Strategies": latex.escape(listed(dict.fromkeys(s for s in runs["strategy"] if s not in ("native", "idle")))),
        "Intervals": listed(rf"{i:g}\,s" for i in sorted(set(runs["interval_s"][~numpy.isnan(runs["interval_s"])]))),
        "Checkpoints": f"{len(set(zip(epochs['run'], epochs['epoch'])))}" if len(epochs) else "0",
        "Faults": f"{numpy.sum(faults['injected'] == 'yes')}" if len(faults) else "0",
        "Oversubscribed": f"{numpy.sum(runs['oversubscribed'] == 'yes')}",
    }
    return found


def overhead_numbers(analysis):
    """How much longer applications run: the extremes and the verdicts, relative to native."""
    found = {}
    rows = [row for row in analysis.rows("overhead", base="native") if not is_missing(row["ratio"])]
    attached = [row for row in rows if row["strategy"] == "idle"]
    checkpointed = [row for row in rows if row["strategy"] != "idle"]
    for prefix, some in (("Idle", attached), ("Overhead", checkpointed)):
        if not some:
            continue
        low, high = min(some, key=lambda r: r["ratio"]), max(some, key=lambda r: r["ratio"])
        found |= {f"{prefix}Cells": f"{len(some)}",
                  f"{prefix}Least": interval(low, "ratio", "ratio_low", "ratio_high", form=ratio),
                  f"{prefix}Most": interval(high, "ratio", "ratio_low", "ratio_high", form=ratio),
                  f"{prefix}LeastWhere": where(low), f"{prefix}MostWhere": where(high)}
        for verdict in ("slower", "faster", "equivalent", "undecided"):
            found[prefix + verdict.capitalize()] = f"{sum(row['verdict'] == verdict for row in some)}"
    for row in rows[:1]:
        found["Margin"] = percent(row["margin"]) if not is_missing(row.get("margin")) else "--"
        found["Coverage"] = rf"{number(100 * row['coverage'])}\,\%" if not is_missing(row.get("coverage")) else "--"
    pairs = [int(row["n"]) for row in rows if not is_missing(row["n"])]
    if pairs:
        found["Pairs"] = f"{min(pairs)}" if min(pairs) == max(pairs) else f"{min(pairs)} to {max(pairs)}"
    means = [row for row in analysis.rows("geomean", base="native") if not is_missing(row["ratio"]) and row["strategy"] != "idle"]
    if means:
        low, high = min(means, key=lambda r: r["ratio"]), max(means, key=lambda r: r["ratio"])
        found |= {"GeomeanLeast": interval(low, "ratio", "ratio_low", "ratio_high", form=ratio),
                  "GeomeanMost": interval(high, "ratio", "ratio_low", "ratio_high", form=ratio),
                  "GeomeanLeastStrategy": treatment(low), "GeomeanMostStrategy": treatment(high)}
    return found


def percent(share):
    return rf"{number(100 * share, 2)}\,\%"


def treatment(row):
    every = "" if is_missing(row.get("interval_s")) else rf" every {row['interval_s']:g}\,s"
    return latex.escape(row["strategy"]) + every


def where(row):
    """An application, its size, and how it was treated."""
    name = latex.escape(row["application"]).upper() if len(row["application"]) == 2 else latex.escape(row["application"])
    size = "" if row["class_name"] in ("", "-") else f" class {latex.escape(row['class_name'])}"
    return f"{name}{size} on {row['ranks']:g} ranks, {treatment(row)}"


def stall_numbers(analysis):
    rows = [row for row in analysis.rows("stall") if not is_missing(row["median_ns"])]
    if not rows:
        return {}
    low, high = min(rows, key=lambda r: r["median_ns"]), max(rows, key=lambda r: r["median_ns"])
    worst = max(rows, key=lambda r: r["max_ns"])
    found = {"StallLeast": interval(low, "median_ns", "low_ns", "high_ns", 1e-6) + r"\,ms", "StallLeastWhere": where(low),
             "StallMost": interval(high, "median_ns", "low_ns", "high_ns", 1e-6) + r"\,ms", "StallMostWhere": where(high),
             "StallMax": seconds(worst["max_ns"] * 1e-9), "StallMaxWhere": where(worst)}
    return found | bytes_numbers(analysis)


def bytes_numbers(analysis):
    """How much the strategy that writes least saves over the one that writes most, per application."""
    cells = {}
    for row in analysis.rows("bytes"):
        if not is_missing(row["file_bytes"]) and row["file_bytes"] > 0:
            cells.setdefault((row["application"], row["class_name"], row["ranks"], row["interval_s"]), []).append(row)
    savings = []
    for rows in cells.values():
        least, most = min(rows, key=lambda r: r["file_bytes"]), max(rows, key=lambda r: r["file_bytes"])
        savings.append((most["file_bytes"] / least["file_bytes"], least, most))
    if not savings or max(map(len, cells.values())) < 2:
        return {}
    best, worst = max(savings, key=lambda s: s[0]), min(savings, key=lambda s: s[0])
    return {"BytesBest": number(best[0], 2), "BytesBestWhere": where(best[1]),
            "BytesBestAgainst": latex.escape(best[2]["strategy"]),
            "BytesWorst": number(worst[0], 2), "BytesWorstWhere": where(worst[1])}


def recovery_numbers(analysis):
    rows = [row for row in analysis.rows("recovery") if not is_missing(row["median_s"])]
    if not rows:
        return {}
    low, high = min(rows, key=lambda r: r["median_s"]), max(rows, key=lambda r: r["median_s"])
    return {"Recoveries": f"{sum(int(row['n']) for row in rows)}",
            "RecoveryLost": f"{sum(int(r.get('lost') or 0) for r in rows)}",
            "RecoveryLeast": seconds(low["median_s"]), "RecoveryLeastWhere": where(low),
            "RecoveryMost": seconds(high["median_s"]), "RecoveryMostWhere": where(high),
            "RecoveryMax": seconds(max(row["max_s"] for row in rows))}


def model_numbers(analysis):
    """What a further gigabyte adds to stall, write and commit, over strategies."""
    found = {}
    for component in ("stall", "write", "commit", "restart"):
        rows = [row for row in analysis.rows("model", component=component, term="b") if not is_missing(row["estimate"])]
        if rows:
            low, high = min(rows, key=lambda r: r["estimate"]), max(rows, key=lambda r: r["estimate"])
            found[f"Model{component.capitalize()}Least"] = seconds(low["estimate"] * 1e9)
            found[f"Model{component.capitalize()}Most"] = seconds(high["estimate"] * 1e9)
            found[f"Model{component.capitalize()}LeastStrategy"] = latex.escape(low["strategy"])
            found[f"Model{component.capitalize()}MostStrategy"] = latex.escape(high["strategy"])
    return found


def optimum_numbers(analysis):
    """Optimum intervals for the mean time between failures nearest to a day."""
    rows = [row for row in analysis.rows("optimum") if not is_missing(row["exact_s"])]
    if not rows:
        return {}
    mtbf = min({row["mtbf_s"] for row in rows}, key=lambda value: abs(numpy.log(value / DAY)))
    rows = [row for row in rows if row["mtbf_s"] == mtbf]
    low, high = min(rows, key=lambda r: r["exact_s"]), max(rows, key=lambda r: r["exact_s"])
    worst = min(rows, key=lambda r: r["efficiency"])
    off = max(abs(row["young_s"] / row["exact_s"] - 1) for row in rows)
    loss = max(row["efficiency"] - row.get("young_efficiency", row["efficiency"]) for row in rows)
    return {"YoungOff": percent(max(off, LEAST_SHARE)), "YoungLoss": percent(max(loss, LEAST_SHARE)), "OptimumMtbf": rf"{number(mtbf / 3600)}\,h",
            "OptimumLeast": seconds(low["exact_s"]), "OptimumLeastWhere": where(low),
            "OptimumMost": seconds(high["exact_s"]), "OptimumMostWhere": where(high),
            "OptimumEfficiency": ratio(worst["efficiency"]) if worst["efficiency"] < 0.99 else f"{worst['efficiency']:.4f}",
            "OptimumEfficiencyWhere": where(worst)}


def machine(row):
    """A simulated machine, and what it runs."""
    rollback = "only failed ranks roll back" if row["protocol"] == "partial" else "all ranks roll back"
    mtbf = rf"{number(row['node_mtbf_s'] / YEAR, 2)}\,years"
    return latex.escape(f"{row['strategy']}, {rollback}, {row['levels']}, {row['distribution']} failures, ") + f"nodes of {mtbf}"


def simulation_numbers(analysis):
    rows = [row for row in analysis.rows("simulation") if not is_missing(row["efficiency"])]
    if not rows:
        return {}
    nodes = sorted({row["nodes"] for row in rows})
    at_end = [row for row in rows if row["nodes"] == nodes[-1]]
    low, high = min(at_end, key=lambda r: r["efficiency"]), max(at_end, key=lambda r: r["efficiency"])
    found = {"SimulatedFrom": latex.count(nodes[0]), "SimulatedTo": latex.count(nodes[-1]),
             "SimulatedLeast": interval(low, "efficiency", "low", "high", form=ratio), "SimulatedLeastWhere": machine(low),
             "SimulatedMost": interval(high, "efficiency", "low", "high", form=ratio), "SimulatedMostWhere": machine(high)}
    fields = analysis.rows("crossover")
    if fields:
        found |= {"CrossoverFields": f"{len(fields)}",
                  "CrossoverTies": f"{sum(row['winner'] not in ('a', 'b') for row in fields)}"}
    return found


def validation_numbers(analysis):
    rows = analysis.rows("validation")
    good = sum(row["within"] in (True, "yes") for row in rows)
    return {"ValidationCases": f"{len(rows)}", "ValidationWithin": f"{good}"} if rows else {}


def bench_numbers(stalls, restarts, latencies):
    """Of the special measurements."""
    found = {}
    if stalls:
        low, high = min(stalls, key=lambda r: r["median"]), max(stalls, key=lambda r: r["median"])
        found |= {"BenchStallLeast": seconds(low["median"]), "BenchStallMost": seconds(high["median"]),
                  "BenchStallWorst": seconds(max(row["p95"] for row in stalls))}
    for how in ("eager", "lazy"):
        values = [row["median"] for row in restarts if row["how"] == how]
        if values:
            found |= {f"Bench{how.capitalize()}Least": seconds(min(values)), f"Bench{how.capitalize()}Most": seconds(max(values))}
    small = [row for row in latencies if row["bytes"] == min(r["bytes"] for r in latencies)]
    large = [row for row in latencies if row["bytes"] == max(r["bytes"] for r in latencies)]
    for name, rows in (("Small", small), ("Large", large)):
        if rows:
            worst = max(rows, key=lambda r: r["median"])
            found[f"Latency{name}"] = interval(worst, "median", "low", "high", form=ratio)
            found[f"Latency{name}Operation"] = latex.escape(worst["operation"])
    return found


def all_numbers(campaign, analysis, bench):
    """Everything, of one campaign and of the special measurements (stalls, restarts, latencies)."""
    found = campaign_numbers(campaign)
    for part in (overhead_numbers, stall_numbers, recovery_numbers, model_numbers, optimum_numbers, simulation_numbers,
                 validation_numbers):
        found |= part(analysis)
    return found | bench_numbers(*bench)


FLAGS = {"Overhead": "OverheadMost", "Idle": "IdleMost", "Geomean": "GeomeanMost", "Stall": "StallMost", "Bytes": "BytesBest",
         "Recovery": "Recoveries", "ModelWrite": "ModelWriteMost", "ModelStall": "ModelStallMost", "Optimum": "OptimumMost",
         "Simulation": "SimulatedMost",
         "Crossover": "CrossoverFields", "Validation": "ValidationCases", "BenchStall": "BenchStallMost",
         "BenchEager": "BenchEagerMost", "BenchLazy": "BenchLazyMost", "Latency": "LatencySmall"}


def flags(numbers):
    """{name of a condition: whether the data for it is there}."""
    return {flag: name in numbers for flag, name in FLAGS.items()}
