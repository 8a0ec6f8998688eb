"""What a picture is drawn from and what it is when drawn; every picture of a campaign in turn."""

import dataclasses

import numpy
from matplotlib.figure import Figure

from .campaign import Analysis, Campaign
from .look import Look, Missing, Series


class Data:
    """A campaign, its analysis, and the names and styles that are the same in all pictures of it."""

    def __init__(self, campaign: Campaign, analysis: Analysis):
        self.campaign, self.analysis = campaign, analysis
        runs = campaign.samples()
        self.treatments = list(dict.fromkeys(zip(runs.get("strategy", ()), runs.get("interval_s", ()))))
        self.intervals = {interval for _, interval in self.treatments if not numpy.isnan(interval)}
        modelled = {row["strategy"] for name in ("simulation", "model") for row in analysis.rows(name)}
        names = {self.treatment(*pair): pair[0] for pair in self.treatments} | {name: name for name in modelled}
        self.series = Series(dict(sorted(names.items())))

    def treatment(self, strategy, interval_s):
        """What a strategy at an interval is called: the interval is only said where there are several."""
        several = len(self.intervals) > 1 and interval_s is not None and not numpy.isnan(interval_s)
        return f"{strategy}, {interval_s:g} s" if several else strategy

    def epochs(self):
        """The committed epochs of runs that count, with what /runs says of them in further columns."""
        runs = self.campaign.samples()
        epochs = self.campaign["epochs"]
        if not len(epochs) or not len(runs):
            raise Missing("the campaign has no checkpoints in runs that count")
        place = {run: i for i, run in enumerate(runs["run"])}
        epochs = epochs.where(numpy.array([c == "yes" and r in place
                                           for c, r in zip(epochs["committed"], epochs["run"])], dtype=bool))
        if not len(epochs):
            raise Missing("no checkpoint of a run that counts was committed")
        rows = numpy.array([place[run] for run in epochs["run"]])
        for column in ("application", "class_name", "ranks", "strategy", "interval_s", "fault"):
            epochs[column] = runs[column][rows]
        return epochs


def cell(application, class_name, ranks):
    """What an application at a class and a number of ranks is called: cg.B × 2."""
    name = application if class_name in ("", "-") else f"{application}.{class_name}"
    return f"{name} × {ranks:g}"


@dataclasses.dataclass
class Picture:
    """A drawn picture. `caption` says what is to be seen and n; `alt` what is in it, for who does not see it."""

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure


@dataclasses.dataclass
class NoPicture:
    """A picture that was not drawn, and why."""

    name: str
    title: str
    reason: str


def draw(functions, data: Data, look: Look):
    """Calls each function, which is named for its picture and whose docstring's first line is its title."""
    for function in functions:
        title = function.__doc__.splitlines()[0].rstrip(".")
        try:
            figure, caption, alt = function(data, look)
            yield Picture(function.__name__.replace("_", "-"), title, caption, alt, figure)
        except Missing as missing:
            yield NoPicture(function.__name__.replace("_", "-"), title, str(missing))
