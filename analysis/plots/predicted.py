"""Pictures of what dejavu-stats computes from the measurements: cost models, simulated scale, and how well they predict."""

import numpy
from matplotlib.patches import Rectangle

from .campaign import number
from .look import FAINT, INK, PAPER, Missing, Series, legend
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
    if value is None:
        return "bandwidth unlimited"
    unit, size = ("GiB", 2**30) if value % 2**30 == 0 else ("GB", 1e9)
    return f"{value / size:.4g} {unit}/s"


def stored(rows):
    """A sentence: what checkpoints store on a node, from the least to the most. '' if the table does not say."""
    sizes = sorted(row["bytes_per_node"] for row in rows if row.get("bytes_per_node") is not None)
    if not sizes:
        return ""
    least, most = (f"{size / 1e9:.2g}" for size in (sizes[0], sizes[-1]))
    return f" A checkpoint stores {least if least == most else f'{least} to {most}'} GB a node."


def varying(rows, columns):
    """Those of `columns` that have more than one value in `rows`."""
    return [column for column in columns if len({row.get(column) for row in rows}) > 1]


def panel_title(row, varied):
    """What a panel of simulated machines has in common."""
    shape = "" if row.get("shape") is None or row["distribution"] == "exponential" else f" {row['shape']:g}"
    parts = [f"{row['distribution']}{shape}", duration(row["node_mtbf_s"])]
    return ", ".join(parts) + (f",\n{rate(row['bandwidth'])}" if "bandwidth" in varied else "")


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
        line = (row["strategy"], *(row[c] for c in varied if c != "bandwidth"))
        groups.setdefault(panel_title(row, varied), {}).setdefault(line, []).append(row)
    groups = {panel: {line: best_by_nodes(points) for line, points in group.items()} for panel, group in groups.items()}
    figure, panels = panels_of_cells(look, groups, 1.6, sharex=True, sharey=True)
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
    jobs = " to ".join(map(str, counts[:1] + counts[1:][-1:]))
    caption = (f"Share of time that is useful, simulated from the measured costs; n = {jobs} simulated jobs for each point,"
               " bands: intervals. Panels: distribution of failures (Weibull: with its shape),"
               " mean time between failures of a node, bandwidth of shared storage where it varies." + stored(rows))
    largest = max(row["nodes"] for row in rows)
    alt = f"At {largest:g} nodes: " + "; ".join(
        f"{panel.replace(chr(10), chr(32))}, {', '.join(line)}: {points[-1]['efficiency']:.2f}" for panel, group in groups.items()
        for line, points in group.items() if points[-1]["nodes"] == largest) + "."
    return figure, caption, alt


def sides(row, protocols):
    """The names of the two that a row of table crossover compares; `protocols`: say these, too."""
    return tuple(row[f"strategy_{side}"] + (f", {row[f'protocol_{side}']}" if protocols else "") for side in "ab")


def best(rows, protocols):
    """Who is ahead on one simulated machine, by how much, and whether it is ahead of all others beyond the intervals."""
    efficiencies, beaten = {}, set()
    for row in rows:
        names = sides(row, protocols)
        for name, side in zip(names, "ab"):
            efficiencies[name] = numpy.nan_to_num(number(row[f"efficiency_{side}"]))
        if row["winner"] in ("a", "b"):
            beaten.add(names["ba".index(row["winner"])])
    ordered = sorted(efficiencies, key=efficiencies.get, reverse=True)
    clear = all(name in beaten for name in ordered[1:])
    return ordered[0], efficiencies[ordered[0]] - efficiencies[ordered[1]], clear


def crossover(data, look):
    """Which strategy is the most efficient where."""
    rows = data.analysis.rows("crossover")
    if not rows:
        raise Missing("table crossover has no rows: dejavu-stats simulate was not run, or with one strategy only")
    protocols = len({row.get(f"protocol_{side}") for row in rows for side in "ab"}) > 1
    series = Series({name: name for name in sorted({name for row in rows for name in sides(row, protocols)})})
    varied = varying(rows, ("distribution", "levels", "bandwidth"))
    panels_of, machines = {}, {}
    for row in rows:
        title = ", ".join(rate(row[c]) if c == "bandwidth" else row[c] for c in varied) or "all machines"
        machines.setdefault((title, row["nodes"], row["node_mtbf_s"]), []).append(row)
    for (title, nodes, mtbf_s), members in machines.items():
        panels_of.setdefault(title, []).append((nodes, mtbf_s, *best(members, protocols)))
    heights = len({mtbf_s for _, _, mtbf_s in machines})
    figure, panels = panels_of_cells(look, [title.replace(", ", ",\n") for title in panels_of], 0.9 + 0.25 * heights)
    for panel, fields in zip(panels.flat, panels_of.values()):
        draw_map(series, panel, fields)
    figure.supxlabel("nodes", fontsize=look.parameters["font.size"], color=INK)
    names = list(series.styles)
    legend(figure, [handle(series, name) for name in names], names)
    wins = [name for fields in panels_of.values() for _, _, name, _, clear in fields if clear]
    caption = (f"Each field is a simulated machine ({len(machines)} in all): nodes, and mean time between failures of a node."
               " Colour and marker are of whom has the highest efficiency, stronger the larger the lead (full from 0.1 on); empty"
               " with a marker: ahead, but not of all others beyond the intervals.")
    alt = "Machines won clearly: " + ", ".join(f"{name} {wins.count(name)}" for name in names) \
        + f"; not clear {len(machines) - len(wins)}."
    return figure, caption, alt


def draw_map(series, panel, fields):
    """Fields (nodes, MTBF in s, name, lead, clear) of one map; the axes are the values that were simulated, evenly spaced."""
    nodes = sorted({field[0] for field in fields})
    times = sorted({field[1] for field in fields})
    for of_nodes, mtbf_s, name, lead, clear in fields:
        x, y = nodes.index(of_nodes), times.index(mtbf_s)
        colour, strength = (series.colour(name), 0.2 + 0.6 * min(1, lead / 0.1)) if clear else (PAPER, 1)
        panel.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=colour, alpha=strength, edgecolor=FAINT, linewidth=0.4))
        panel.plot(x, y, marker=series.marker(name), color=INK, markersize=3)
    panel.set_xlim(-0.5, len(nodes) - 0.5)
    panel.set_ylim(-0.5, len(times) - 0.5)
    every = -(-len(nodes) // 5)
    panel.set_xticks(range(0, len(nodes), every), [count(n) for n in nodes[::every]])
    panel.set_yticks(range(len(times)), [duration(t) for t in times])
    panel.grid(visible=False)


def validation(data, look):
    """Simulated against measured running times under faults."""
    rows = [row for row in data.analysis.rows("validation") if None not in (row["measured_s"], row["predicted_s"])]
    if not rows:
        raise Missing("table validation has no rows: no campaign with faults was compared with the simulator")
    figure, panels = look.figure(height=0.5 + 1.2 * look.width / 3.4)
    panel, colours = panels[0][0], {}
    for i, row in enumerate(rows):
        x, y = row["measured_s"], row["predicted_s"]
        name = data.treatment(row["strategy"], row["interval_s"])
        colour = data.series.colour(name)
        colours[name] = handle(data.series, name)
        panel.errorbar(x, y, xerr=bars(row, "measured"), yerr=bars(row, "predicted"), color=colour,
                       marker="o" if is_within(row) else "X", markersize=5, linewidth=1, linestyle="none")
        panel.annotate(row["application"], (x, y), xytext=(5, -9 + 14 * (i % 2)), textcoords="offset points")
    for line in colours.values():
        line.set_marker("o")  # here the marker says whether the prediction is right
    legend(figure, colours.values(), colours.keys())
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
    alt = "; ".join(f"{name}: {1e9 * terms['b']['estimate']:.3g} s for each GB more"
                    for name, terms in sorted(lines.items())) + "."
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
