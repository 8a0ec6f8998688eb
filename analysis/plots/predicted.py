"""Pictures of what dejavu-stats computes from the measurements: cost models, simulated scale, and how well they predict."""

import numpy
from matplotlib.patches import Rectangle

from .campaign import number
from .look import FAINT, INK, PAPER, SERIES, Missing, Series, legend
from .measured import handle, panels_of_cells, plain

YEAR = 365.25 * 86400


def duration(seconds):
    """A long time in the unit that suits it."""
    for unit, length in (("years", YEAR), ("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def count(value):
    """A round number, short."""
    return f"{value / 1e6:g}M" if value >= 1e6 else f"{value / 1e3:g}k" if value >= 1e3 else f"{value:g}"


def rate(value):
    """A bandwidth in bytes per second, readable; None: not limited."""
    return "bandwidth unlimited" if value is None else f"{value / 1e9:.4g} GB/s"


def varying(rows, columns):
    """Those of `columns` that have more than one value in `rows`."""
    return [column for column in columns if len({row.get(column) for row in rows}) > 1]


def panel_title(row, varied):
    """What a panel of simulated machines has in common."""
    shape = "" if row.get("shape") is None or row["distribution"] == "exponential" else f" {row['shape']:g}"
    parts = [f"{row['distribution']}{shape}", duration(row["node_mtbf_s"])]
    return ", ".join(parts + ([rate(row["bandwidth"])] if "bandwidth" in varied else []))


def best_by_nodes(rows):
    """Of rows that differ in nodes and interval, for each number of nodes the one with the best interval."""
    best = {}
    for row in sorted(rows, key=lambda row: row["efficiency"]):
        best[row["nodes"]] = row
    return [best[nodes] for nodes in sorted(best)]


def efficiency(data, look):
    """Efficiency against scale, simulated."""
    rows = [row for row in data.analysis.rows("simulation") if row["efficiency"] is not None]
    if not rows:
        raise Missing("table simulation has no rows: dejavu-stats simulate was not run")
    varied = varying(rows, ("protocol", "levels", "bandwidth"))
    groups = {}
    for row in rows:
        line = (row["strategy"], *(f"levels {row[c]}" if c == "levels" else row[c] for c in varied if c != "bandwidth"))
        groups.setdefault(panel_title(row, varied), {}).setdefault(line, []).append(row)
    groups = {panel: {line: best_by_nodes(points) for line, points in group.items()} for panel, group in groups.items()}
    figure, panels = panels_of_cells(look, groups, 1.9, sharex=True, sharey=True)
    variants = sorted({line[1:] for group in groups.values() for line in group})
    for panel, group in zip(panels.flat, groups.values()):
        for line, points in group.items():
            nodes, middle, low, high = (numpy.array([number(row[c]) for row in points], dtype=float)
                                        for c in ("nodes", "efficiency", "low", "high"))
            colour, dash = data.series.colour(line[0]), ("-", "--", ":", "-.")[variants.index(line[1:]) % 4]
            panel.fill_between(nodes, low, high, color=colour, alpha=0.2, linewidth=0)
            panel.plot(nodes, middle, color=colour, linestyle=dash, marker=data.series.marker(line[0]), markersize=3.5,
                       label=", ".join(line))
        panel.set_xscale("log")
        panel.set_ylim(0, 1.02)
    figure.supxlabel("nodes", fontsize=look.parameters["font.size"], color=INK)
    for row in panels:
        row[0].set_ylabel("efficiency")
    handles = [entry for panel in panels.flat for entry in zip(*panel.get_legend_handles_labels())]
    legend(figure, *zip(*handles))
    counts = sorted({int(row["n"]) for row in rows if row["n"] is not None})
    caption = (f"Share of time that is useful, simulated from the measured costs; n = {' to '.join(map(str, counts[:1] + counts[1:][-1:]))}"
               " simulated jobs for each point, bands: intervals. Panels: distribution of failures (Weibull: with its shape),"
               " mean time between failures of a node, bandwidth of shared storage where it varies.")
    largest = max(row["nodes"] for row in rows)
    alt = f"At {largest:g} nodes: " + "; ".join(
        f"{panel}, {', '.join(line)}: {points[-1]['efficiency']:.2f}" for panel, group in groups.items()
        for line, points in group.items() if points[-1]["nodes"] == largest) + "."
    return figure, caption, alt


def sides(row):
    """The names of the two that a row of table crossover compares; the protocol is said if it differs."""
    protocols = [row.get("protocol_a"), row.get("protocol_b")]
    if protocols[0] == protocols[1]:
        return row["strategy_a"], row["strategy_b"]
    return f"{row['strategy_a']}, {protocols[0]}", f"{row['strategy_b']}, {protocols[1]}"


def winner(row):
    """The name of the better one of a row of table crossover, None if there is none."""
    return dict(zip("ab", sides(row))).get(row["winner"])


def crossover(data, look):
    """Which of two strategies is more efficient where."""
    rows = data.analysis.rows("crossover")
    if not rows:
        raise Missing("table crossover has no rows: dejavu-stats simulate was not run with two strategies")
    names = list(dict.fromkeys(name for row in rows for name in sides(row)))
    series = Series({name: name for name in names})
    groups = {}
    for row in rows:
        groups.setdefault((sides(row), row.get("levels"), row.get("distribution"), row["bandwidth"]), []).append(row)
    several = len({pair for pair, *_ in groups}) > 1
    varied = varying(rows, ("levels", "distribution"))
    titles = []
    for (first, second), levels, distribution, bandwidth in groups:
        parts = [f"levels {levels}"] * ("levels" in varied) + [distribution] * ("distribution" in varied) + [rate(bandwidth)]
        titles.append(f"{first} |\n{second},\n" * several + ", ".join(parts))
    figure, panels = panels_of_cells(look, titles, 2.4 if several else 2.0)
    for panel, members in zip(panels.flat, groups.values()):
        draw_map(series, panel, members)
    figure.supxlabel("nodes", fontsize=look.parameters["font.size"], color=INK)
    for row in panels:
        row[0].set_ylabel("MTBF of a node")
    legend(figure, [handle(series, name) for name in names], names)
    wins = {name: sum(winner(row) == name for row in rows) for name in names}
    caption = (f"MTBF: mean time between failures. Each field is a simulated machine ({len(rows)} in all); its colour and marker are of"
               " the one with the higher efficiency, stronger the larger the lead (full from 0.1 on); empty: no difference"
               " beyond the intervals.")
    alt = "Fields won: " + ", ".join(f"{name} {count}" for name, count in wins.items()) \
        + f", undecided {len(rows) - sum(wins.values())}."
    return figure, caption, alt


def draw_map(series, panel, rows):
    """Fields of one crossover map; the axes are the values that were simulated, evenly spaced."""
    nodes = sorted({row["nodes"] for row in rows})
    times = sorted({row["node_mtbf_s"] for row in rows})
    for row in rows:
        x, y, name = nodes.index(row["nodes"]), times.index(row["node_mtbf_s"]), winner(row)
        lead = abs(number(row["efficiency_a"]) - number(row["efficiency_b"]))
        colour = series.colour(name) if name else PAPER
        strength = 0.2 + 0.6 * min(1, numpy.nan_to_num(lead) / 0.1) if name else 1
        panel.add_patch(panel_field(x, y, colour, strength))
        if name:
            panel.plot(x, y, marker=series.marker(name), color=INK, markersize=3)
    panel.set_xlim(-0.5, len(nodes) - 0.5)
    panel.set_ylim(-0.5, len(times) - 0.5)
    every = max(1, len(nodes) // 5)
    panel.set_xticks(range(0, len(nodes), every), [count(n) for n in nodes[::every]])
    panel.set_yticks(range(len(times)), [duration(t) for t in times])
    panel.grid(visible=False)


def panel_field(x, y, colour, strength):
    return Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, alpha=strength, edgecolor=FAINT, linewidth=0.4)


def validation(data, look):
    """Simulated against measured running times under faults."""
    rows = [row for row in data.analysis.rows("validation") if None not in (row["measured_s"], row["predicted_s"])]
    if not rows:
        raise Missing("table validation has no rows: no campaign with faults was compared with the simulator")
    figure, panels = look.figure(height=0.5 + 1.2 * look.width / 3.4)
    panel = panels[0][0]
    for i, row in enumerate(rows):
        x, y = row["measured_s"], row["predicted_s"]
        panel.errorbar(x, y, xerr=bars(row, "measured"), yerr=bars(row, "predicted"), color=SERIES[0],
                       marker="o" if is_within(row) else "X", markersize=5, linewidth=1, linestyle="none")
        panel.annotate(row["application"], (x, y), xytext=(5, -9 + 14 * (i % 2)), textcoords="offset points")
    ends = [value for row in rows for value in (row["measured_s"], row["predicted_s"])]
    span = numpy.array([0.9 * min(ends), 1.1 * max(ends)])
    panel.plot(span, span, color=INK, linewidth=0.8, linestyle=":")
    panel.set_xlabel("measured running time (s)")
    panel.set_ylabel("predicted running time (s)")
    good = sum(map(is_within, rows))
    caption = (f"n = {len(rows)} campaigns with faults; bars: intervals; dotted: equal. Round: the prediction lies within the"
               " interval of what was measured; cross: it does not.")
    alt = f"{good} of {len(rows)} predictions lie within the interval of the measured running time."
    return figure, caption, alt


def is_within(row):
    return row["within"] in (True, "yes")


def bars(row, what):
    """Lengths of an error bar to both sides, 0 where the interval is missing."""
    middle = row[f"{what}_s"]
    return [[max(0, numpy.nan_to_num(middle - number(row[f"{what}_low_s"])))],
            [max(0, numpy.nan_to_num(number(row[f"{what}_high_s"]) - middle))]]


def cost_model(data, look):
    """Cost models: what grows with the bytes of an epoch."""
    epochs = data.epochs()
    lines = {}
    for row in data.analysis.rows("model"):
        if row["component"] == "write" and row["estimate"] is not None:
            lines.setdefault(row["strategy"], {})[row["term"]] = row
    lines = {name: terms for name, terms in lines.items() if {"a", "b"} <= terms.keys()}
    if not lines:
        raise Missing("table model has no fit of the time to write an epoch")
    figure, panels = look.figure(height=0.45 * look.width)
    panel = panels[0][0]
    for name, terms in sorted(lines.items()):
        size, took = writes(epochs.where(epochs["strategy"] == name))
        colour = data.series.colour(name)
        panel.scatter(size / 1e6, took * 1e3, s=9, marker=data.series.marker(name), color=colour, alpha=0.5, linewidths=0,
                      label=f"{name} (n = {int(terms['b']['n'])})")
        draw_fit(panel, size, terms, colour)
    panel.set_xscale("log")
    panel.set_yscale("log")
    plain(panel.xaxis)
    plain(panel.yaxis)
    panel.set_xlabel("images of an epoch, all ranks (MB)")
    panel.set_ylabel("time to write it (ms)")
    legend(figure, *panel.get_legend_handles_labels())
    caption = ("Every point is an epoch: all its images, and the slowest rank's time to write and to fsync. Lines: dejavu-stats'"
               " robust fits a + b · bytes. Both axes are logarithmic.")
    alt = "; ".join(f"{name}: {1e9 * terms['b']['estimate']:.3g} s for each GB more" for name, terms in sorted(lines.items())) + "."
    return figure, caption, alt


def writes(epochs):
    """Bytes of all ranks and seconds of the slowest one, of each epoch that says both."""
    sums = {}
    took = epochs["write_ns"] + numpy.nan_to_num(epochs["sync_ns"]) if "sync_ns" in epochs else epochs["write_ns"]
    for key, size, ns in zip(zip(epochs["run"], epochs["epoch"]), epochs["file_bytes"], took):
        was = sums.get(key, (0, 0))
        sums[key] = (was[0] + size, max(was[1], ns * 1e-9))
    points = numpy.array([point for point in sums.values() if min(point) > 0]).reshape(-1, 2)
    return points[:, 0], points[:, 1]


def draw_fit(panel, size, terms, colour):
    """The line of one strategy over the sizes that it was fitted to. Its terms are in s and s/B."""
    if not len(size):
        return
    grid = numpy.geomspace(size.min(), size.max(), 64)
    took = (terms["a"]["estimate"] + terms["b"]["estimate"] * grid) * 1e3
    panel.plot(grid[took > 0] / 1e6, took[took > 0], color=colour, linewidth=1.2)


PICTURES = (cost_model, efficiency, crossover, validation)
