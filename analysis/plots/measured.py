"""Pictures of what was measured: every point is a run or an epoch of the campaign; medians and intervals are dejavu-stats'."""

import numpy
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from .campaign import number
from .look import FAINT, INK, PAPER, Missing, legend
from .picture import cell

CELL = ("application", "class_name", "ranks")


def handle(series, name):
    """A sample of a treatment's look for legends."""
    return Line2D([], [], color=series.colour(name), marker=series.marker(name), linestyle="none", markersize=5)


def plain(axis):
    """A logarithmic axis with marks at 1, 2, 5, 10 ... written as numbers, not as powers."""
    axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


class Rows:
    """A list of lines, one per cell and treatment, grouped by cell, in one panel or in two side by side."""

    LIMIT = 26  # lines in a panel

    def __init__(self, look, groups, label):
        """`groups`: {cell: [treatment, ...]}; `label` of the horizontal axis."""
        lines = sum(len(names) + 1 for names in groups.values())
        sides = 2 if lines > self.LIMIT and look.width > 5 else 1
        share = -(-lines // sides)
        self.places, side, y, ticks = {}, 0, 0, [[] for _ in range(sides)]
        for group, names in groups.items():
            if y >= share and side + 1 < sides:
                side, y = side + 1, 0
            for name in names:
                self.places[group, name] = (side, y)
                y += 1
            ticks[side].append((y - (len(names) + 1) / 2, group))
            y += 1
        size = look.parameters["font.size"]
        height = 0.6 + 1.25 * (share + 1) * size / 72
        self.figure, panels = look.figure(1, sides, height=height, sharex=True)
        self.panels = panels[0]
        for panel, marks in zip(self.panels, ticks):
            panel.set_yticks([y for y, _ in marks], [text for _, text in marks])
            panel.set_ylim(max(y for _, y in self.places.values()) + 0.8, -0.8)
            panel.tick_params(axis="y", length=0)
            panel.grid(axis="y", visible=False)
            panel.set_xlabel(label)

    def at(self, group, name):
        """The panel and height of a line."""
        side, y = self.places[group, name]
        return self.panels[side], y


    def name_each_line(self):
        """Treatments become the marks of the axis, cells headings above their lines."""
        for side, panel in enumerate(self.panels):
            here = {key: y for key, (of, y) in self.places.items() if of == side}
            panel.set_yticks(list(here.values()), [name for _, name in here])
            tops = {}
            for (group, _), y in here.items():
                tops[group] = min(y, tops.get(group, y))
            for group, y in tops.items():
                panel.text(0.01, y - 0.9, group, transform=panel.get_yaxis_transform(), va="center")
            panel.set_ylim(top=-1.4)


def jitter(count, spread=0.22):
    """Heights for `count` points of one line so that equal ones can be told apart; the same in each drawing."""
    return (numpy.arange(count) * 0.618034 % 1 - 0.5) * 2 * spread


def paired_ratios(runs, group, strategy, interval_s, base):
    """Wall time of each run of a treatment, divided by that of the base in its block."""
    here = numpy.ones(len(runs), dtype=bool)
    for column, value in zip(CELL, group):
        here &= runs[column] == value
    here &= runs["fault"] == "none"
    bases = dict(zip(runs["block"][here & (runs["strategy"] == base)], runs["wall_s"][here & (runs["strategy"] == base)]))
    same = runs["interval_s"] == interval_s if interval_s is not None else numpy.isnan(runs["interval_s"])
    mask = here & (runs["strategy"] == strategy) & same
    return numpy.array([wall / bases[block] for block, wall in zip(runs["block"][mask], runs["wall_s"][mask])
                        if block in bases])


def draw_overhead(data, look, base):
    rows = data.analysis.rows("overhead", base=base)
    rows = [row for row in rows if row["strategy"] != base and row["ratio"] is not None]
    if not rows:
        raise Missing(f"table overhead has no ratio to {base}")
    runs = data.campaign.samples()
    groups = {}
    for row in rows:
        name = data.treatment(row["strategy"], row["interval_s"])
        groups.setdefault(cell(*(row[c] for c in CELL)), []).append(name)
    lines = Rows(look, groups, f"wall time ÷ wall time of {base}, same block")
    for panel in lines.panels:
        panel.axvline(1, color=INK, linewidth=0.8)
    total = 0
    for row in rows:
        name = data.treatment(row["strategy"], row["interval_s"])
        panel, y = lines.at(cell(*(row[c] for c in CELL)), name)
        points = paired_ratios(runs, [row[c] for c in CELL], row["strategy"], row["interval_s"], base)
        total += len(points)
        colour = data.series.colour(name)
        panel.scatter(points, y + jitter(len(points)), s=9, color=colour, alpha=0.45, linewidths=0)
        panel.plot([number(row["ratio_low"]), number(row["ratio_high"])], [y, y], color=colour, linewidth=1.6)
        panel.plot(row["ratio"], y, marker=data.series.marker(name), color=colour, markeredgecolor=PAPER,
                   markersize=7, markeredgewidth=0.6)
    names = sorted({name for group in groups.values() for name in group})
    legend(lines.figure, [handle(data.series, name) for name in names], names)
    counts = {int(row["n"]) for row in rows if row["n"] is not None}
    blocks = f"{min(counts)}" if len(counts) == 1 else f"{min(counts)} to {max(counts)}"
    coverage = min((row["coverage"] for row in rows if row.get("coverage") is not None), default=None)
    level = f", with at least {100 * coverage:.1f} % coverage" if coverage else ""
    worst = max(rows, key=lambda row: row["ratio"])
    best = min(rows, key=lambda row: row["ratio"])
    caption = (f"Running time relative to {base}, n = {blocks} pairs for each line. Large marker: median; bar: its interval"
               f"{level}; small points: every pair ({total} in all). Left of 1 is faster.")
    alt = (f"{len(rows)} medians of ratios to {base}, from {best['ratio']:.3f} ({best['application']}, {best['strategy']})"
           f" to {worst['ratio']:.3f} ({worst['application']}, {worst['strategy']}).")
    return lines.figure, caption, alt


def overhead(data, look):
    """Running time relative to native."""
    return draw_overhead(data, look, "native")


def overhead_idle(data, look):
    """Running time relative to idle."""
    return draw_overhead(data, look, "idle")


def slowest(epochs, column):
    """The largest value of `column` over the ranks of each epoch of each run, and the keys of what each belongs to."""
    worst = {}
    for key, value in zip(zip(epochs["run"], epochs["epoch"]), epochs[column]):
        if not numpy.isnan(value):
            worst[key] = max(worst.get(key, 0), value)
    return numpy.array(list(worst.values()))


def stalls(data):
    """{(cell, treatment): stall in ms of each epoch's slowest rank}."""
    found = {}
    for key, rows in data.epochs().cells(*CELL, "strategy", "interval_s"):
        values = slowest(rows, "stall_ns") / 1e6
        if len(values):
            found[cell(*key[:3]), data.treatment(*key[3:])] = values
    if not found:
        raise Missing("no epoch says how long the application stood still")
    return found


def stall(data, look):
    """How long a checkpoint stops the application."""
    found = stalls(data)
    groups = {}
    for group, name in sorted(found):
        groups.setdefault(group, []).append(name)
    lines = Rows(look, groups, "stall of an epoch's slowest rank (ms)")
    for (group, name), values in found.items():
        panel, y = lines.at(group, name)
        colour = data.series.colour(name)
        panel.scatter(values, y + jitter(len(values)), s=8, color=colour, alpha=0.45, linewidths=0)
        low, middle, high = numpy.percentile(values, (25, 50, 75))
        panel.plot([low, high, high, low, low], [y - 0.3, y - 0.3, y + 0.3, y + 0.3, y - 0.3], color=colour, linewidth=0.9)
        panel.plot([middle, middle], [y - 0.3, y + 0.3], color=INK, linewidth=1.4)
    for panel in lines.panels:
        panel.set_xscale("log")
        plain(panel.xaxis)
    names = sorted({name for _, name in found})
    legend(lines.figure, [handle(data.series, name) for name in names], names)
    total = sum(map(len, found.values()))
    caption = (f"Every committed epoch is a point ({total} epochs); boxes: quartiles, line in them: median. Logarithmic axis.")
    medians = {key: numpy.median(values) for key, values in found.items()}
    least, most = min(medians, key=medians.get), max(medians, key=medians.get)
    alt = (f"Median stalls of {len(found)} combinations, from {medians[least]:.3g} ms ({', '.join(least)})"
           f" to {medians[most]:.3g} ms ({', '.join(most)}).")
    return lines.figure, caption, alt


def stall_ecdf(data, look):
    """Distribution of stalls, all applications together."""
    together = {}
    for (_, name), values in stalls(data).items():
        together.setdefault(name, []).extend(values)
    figure, panels = look.figure(height=0.42 * look.width)
    panel = panels[0][0]
    for name, values in sorted(together.items()):
        values = numpy.sort(values)
        share = numpy.arange(1, len(values) + 1) / len(values)
        panel.step(values, share, where="post", color=data.series.colour(name), linestyle=data.series.dash(name),
                   marker=data.series.marker(name), markersize=3, label=f"{name} (n = {len(values)})")
    panel.set_xscale("log")
    plain(panel.xaxis)
    panel.set_ylim(0, 1.02)
    panel.set_xlabel("stall of an epoch's slowest rank (ms)")
    panel.set_ylabel("share of epochs")
    legend(figure, *panel.get_legend_handles_labels())
    caption = ("Share of epochs that stopped the application for at most as long as the horizontal axis says."
               " Each marker is an epoch.")
    alt = "; ".join(f"{name}: half of {len(v)} epochs within {numpy.median(v):.3g} ms, all within {max(v):.3g} ms"
                    for name, v in sorted(together.items())) + "."
    return figure, caption, alt


def panels_of_cells(look, groups, height, **options):
    """A figure with one panel for each name in `groups`, titled with it; what is left over stays invisible."""
    across = look.columns(len(groups), least=2.1 if look.width > 5 else 1.6)
    down = -(-len(groups) // across)
    figure, panels = look.figure(down, across, height=0.35 + height * down, **options)
    for panel in panels.flat[len(groups):]:
        panel.set_visible(False)
    for panel, name in zip(panels.flat, groups):
        panel.set_title(name)
    return figure, panels


def bytes_per_epoch(data, look):
    """Bytes written per epoch over time."""
    groups = {}
    for key, rows in data.epochs().cells(*CELL, "strategy", "interval_s", "run"):
        sums = {}
        for epoch, at, size in zip(rows["epoch"], rows["at_s"], rows["file_bytes"]):
            was = sums.get(epoch, (0, 0))
            sums[epoch] = (max(was[0], at), was[1] + size)
        points = numpy.array([sums[epoch] for epoch in sorted(sums)])
        points = points[~numpy.isnan(points[:, 1])]
        if len(points):
            groups.setdefault(cell(*key[:3]), {}).setdefault(data.treatment(*key[3:5]), []).append(points)
    if not groups:
        raise Missing("no epoch says how large its files are")
    groups = dict(sorted(groups.items()))
    figure, panels = panels_of_cells(look, groups, 1.7, sharey=True)
    names = sorted({name for group in groups.values() for name in group})
    for panel, group in zip(panels.flat, groups.values()):
        for name, runs in sorted(group.items()):
            for points in runs:
                panel.plot(points[:, 0], points[:, 1] / 1e6, color=data.series.colour(name), marker=data.series.marker(name),
                           linestyle=data.series.dash(name), markersize=3, linewidth=0.6, alpha=0.7)
        panel.set_yscale("log")
        plain(panel.yaxis)
        panel.set_xlim(left=0)
    figure.supxlabel("time since the run's start (s)", fontsize=look.parameters["font.size"], color=INK)
    for row in panels:
        row[0].set_ylabel("images of an epoch (MB)")
    legend(figure, [handle(data.series, name) for name in names], names)
    runs = sum(len(run) for group in groups.values() for run in group.values())
    epochs = sum(len(points) for group in groups.values() for run in group.values() for points in run)
    caption = (f"Each line is a run ({runs} runs), each marker one of its {epochs} committed epochs, all ranks together;"
               " 1 MB = 10⁶ bytes, logarithmic axis. After a restore the first epoch may be a complete one again.")
    alt = "; ".join(f"{group}: " + ", ".join(f"{name} last epoch {numpy.median([p[-1, 1] for p in runs]) / 1e6:.4g} MB"
                    for name, runs in sorted(names.items())) for group, names in groups.items()) + "."
    return figure, caption, alt


PHASES = (("until restarted", None), ("address space", "split_ns"), ("MPI_Init", "mpi_init_ns"), ("memory", "read_ns"),
          ("MPI objects", "rebuild_ns"), ("rest of the restore", None))
PHASE_COLOURS = (FAINT, "#56b4e9", "#e69f00", "#0072b2", "#cc79a7", "#8a7f00")


def phases(restores, recovered_s):
    """Seconds of a recovery's PHASES, from the rank whose restore took longest; the rest until all ran comes first."""
    worst = int(numpy.nanargmax(restores["restore_ns"]))
    parts = [max(0, numpy.nan_to_num(restores[column][worst])) / 1e9 for _, column in PHASES[1:-1]]
    restore = max(restores["restore_ns"][worst] / 1e9, sum(parts))
    return [max(0, recovered_s - restore), *parts, restore - sum(parts)]


def recoveries(data):
    """{(cell, treatment, fault): [(seconds from SIGKILL to running, phases or None), ...]}."""
    runs, faults, restores = data.campaign.samples(), data.campaign["faults"], data.campaign["restores"]
    found = {}
    if not len(runs) or not len(faults):
        raise Missing("the campaign has no faults")
    place = {run: i for i, run in enumerate(runs["run"])}
    for run, label, took in zip(faults["run"], faults["label"], faults["recovered_s"]):
        if run not in place or numpy.isnan(took):
            continue
        i = place[run]
        of_run = restores.where((restores["run"] == run) & ~numpy.isnan(restores["restore_ns"])) if len(restores) else restores
        parts = phases(of_run, took) if len(of_run) and len(set(of_run["incarnation"])) == 1 else None
        key = (cell(*(runs[c][i] for c in CELL)), data.treatment(runs["strategy"][i], runs["interval_s"][i]), label)
        found.setdefault(key, []).append((took, parts))
    if not found:
        raise Missing("no run that counts recovered from a fault")
    return dict(sorted(found.items()))


def recovery(data, look):
    """Recovery: from the kill until all ranks run again."""
    found = recoveries(data)
    groups = {}
    for group, name, fault in found:
        groups.setdefault(f"{group}, {name}", []).append(fault)
    lines = Rows(look, groups, "time since SIGKILL (s)")
    lines.name_each_line()
    longest = max(took for runs in found.values() for took, _ in runs)
    for (group, name, fault), runs in found.items():
        panel, y = lines.at(f"{group}, {name}", fault)
        took = sorted(runs)
        middle = took[(len(took) - 1) // 2]
        left = 0
        for part, (colour, _) in zip(middle[1] or [middle[0]], zip(PHASE_COLOURS, PHASES)):
            panel.barh(y, part, left=left, height=0.62, color=colour, edgecolor=INK, linewidth=0.3)
            left += part
        panel.scatter([t for t, _ in took], y + jitter(len(took)), s=9, color=INK, zorder=3, linewidths=0)
    for panel in lines.panels:
        panel.set_xlim(0, longest * 1.05)
    handles = [Line2D([], [], marker="s", linestyle="none", color=colour, markeredgecolor=INK, markeredgewidth=0.3)
               for colour in PHASE_COLOURS]
    legend(lines.figure, handles, [name for name, _ in PHASES])
    total = sum(map(len, found.values()))
    caption = (f"Points: each of {total} recoveries. Bar: the recovery with the lower median time, by phases of the rank that"
               " took longest; undivided: it began anew, or had several restores.")
    alt = "; ".join(f"{group}, {name}, {fault}: median {numpy.median([t for t, _ in runs]):.3g} s of {len(runs)}"
                    for (group, name, fault), runs in found.items()) + "."
    return lines.figure, caption, alt


PICTURES = (overhead, overhead_idle, stall, stall_ecdf, bytes_per_epoch, recovery)
