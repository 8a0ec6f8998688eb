"""The look of all pictures, and how they become SVG and PDF.

Colours are those of M. Okabe and K. Ito, "Color Universal Design" (2008): distinguishable for colour-blind readers. In
print without colours, markers and dashes tell the same series apart. In SVG each colour of the look becomes a CSS
variable with the colour as its default, so that a page can give a dark variant.
"""

import html
import io
import re

import matplotlib

matplotlib.use("Agg")

from matplotlib import pyplot  # noqa: E402  (the backend must be chosen first)

INK, FAINT, PAPER = "#1c1c22", "#d9d9e0", "#fdfdfe"  # text and axes, grid, behind markers
SERIES = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7f00")
BASES = {"native": "#5c5c66", "idle": "#85858f"}
MARKERS = "osD^vPX*<>"
DASHES = ("-", "--", "-.", ":", (0, (6, 1, 1, 1, 1, 1)))
VARIABLES = {INK: "--ink", FAINT: "--grid", PAPER: "--paper",
             **{colour: f"--series-{i}" for i, colour in enumerate(SERIES)},
             **{colour: f"--{base}" for base, colour in BASES.items()}}
DARK = {"--ink": "#e8e8ee", "--grid": "#3a3a44", "--paper": "#17171c", "--series-0": "#4aa8e0", "--series-1": "#ff8a3d",
        "--series-2": "#2fcf9f", "--series-3": "#e6a3c6", "--series-4": "#f5bd3d", "--series-5": "#8fd0f5",
        "--series-6": "#cfc24a", "--native": "#b0b0ba", "--idle": "#90909a"}


class Missing(Exception):
    """A picture cannot be drawn; the message says which data is not there."""


class Look:
    """Where a picture goes: `width` in inches, size of text in points."""

    def __init__(self, width, points):
        self.width = width
        self.parameters = {
            "font.size": points, "axes.titlesize": points, "axes.labelsize": points, "legend.fontsize": points - 1,
            "xtick.labelsize": points - 1, "ytick.labelsize": points - 1, "font.family": "sans-serif",
            "font.sans-serif": ["DejaVu Sans"], "axes.spines.top": False, "axes.spines.right": False,
            "axes.edgecolor": INK, "axes.labelcolor": INK, "text.color": INK, "xtick.color": INK, "ytick.color": INK,
            "axes.grid": True, "grid.color": FAINT, "grid.linewidth": 0.4, "axes.axisbelow": True,
            "axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "lines.linewidth": 1.1,
            "legend.frameon": False, "figure.facecolor": "none", "axes.facecolor": "none", "savefig.facecolor": "none",
            "svg.fonttype": "none", "pdf.fonttype": 42, "axes.titlelocation": "left"}

    def figure(self, rows=1, columns=1, height=2.0, **options):
        """A figure of `rows` × `columns` panels, and the panels as a 2-D array. `height` in inches, of everything."""
        matplotlib.rcParams.update(self.parameters)
        return pyplot.subplots(rows, columns, figsize=(self.width, height), squeeze=False, layout="constrained",
                               **options)

    def columns(self, panels, least=1.6):
        """How many panels to put side by side so that each is at least `least` inches wide."""
        return max(1, min(panels, int(self.width / least)))


REPORT = Look(width=7.0, points=9.5)
COLUMN = Look(width=3.22, points=7)  # of a paper in two columns
PAGE = Look(width=6.7, points=7.5)


class Series:
    """Which colour, marker and dash a treatment has: the same in all pictures of a campaign."""

    def __init__(self, treatments):
        """`treatments`: {treatment: its strategy}. The colour is the strategy's, marker and dash are the treatment's."""
        treatments = {name: strategy for name, strategy in treatments.items() if strategy not in BASES}
        strategies = list(dict.fromkeys(treatments.values()))
        self.styles = {name: (SERIES[strategies.index(strategy) % len(SERIES)], MARKERS[i % len(MARKERS)],
                              DASHES[i % len(DASHES)]) for i, (name, strategy) in enumerate(treatments.items())}

    def colour(self, name):
        return BASES.get(name) or self.styles[name][0]

    def marker(self, name):
        return "|" if name in BASES else self.styles[name][1]

    def dash(self, name):
        return ":" if name in BASES else self.styles[name][2]


def legend(figure, handles, labels):
    """One legend for all panels, in room that is added above them."""
    unique = dict(zip(labels, handles))
    points = matplotlib.rcParams["legend.fontsize"]
    width, height = figure.get_size_inches()
    columns = int(width * 72 / (points * (0.6 * max(map(len, unique)) + 4)))
    columns = max(1, min(columns, len(unique)))
    room = (-(-len(unique) // columns) * 1.5 + 0.5) * points / 72
    figure.set_size_inches(width, height + room)
    figure.get_layout_engine().set(rect=(0, 0, 1, height / (height + room)))
    figure.legend(unique.values(), unique.keys(), loc="upper left", ncol=columns, handletextpad=0.4,
                  columnspacing=1.2, borderaxespad=0.2)


def to_pdf(figure, path):
    """Writes the figure to `path`, without dates, so that equal data give equal files."""
    figure.savefig(path, format="pdf", metadata={"CreationDate": None})
    pyplot.close(figure)


def to_svg(figure, name, title, description):
    """The figure as an <svg> element to be put into a page: named, described, ids of its own, colours by variable."""
    buffer = io.StringIO()
    with matplotlib.rc_context({"svg.hashsalt": name}):
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None, "Format": None, "Type": None})
    pyplot.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg"):]
    svg = re.sub(r"<metadata>.*?</metadata>|<!--.*?-->", "", svg, flags=re.S)
    svg = re.sub(r'\bid="', f'id="{name}-', svg)
    svg = re.sub(r'(href="#|url\(#)', rf"\g<1>{name}-", svg)
    for colour, variable in VARIABLES.items():
        svg = svg.replace(colour, f"var({variable},{colour})")
    label = (f'<title id="{name}-title">{html.escape(title)}</title>'
             f'<desc id="{name}-desc">{html.escape(description)}</desc>')
    head = re.match(r"<svg[^>]*>", svg).group(0)
    box = re.search(r'viewBox="[^"]*"', head).group(0)
    start = (f'<svg {box} role="img" aria-labelledby="{name}-title {name}-desc"'
             ' xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">')
    return start + label + svg[len(head):].strip()
