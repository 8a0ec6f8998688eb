"""How to make the campaign again, and what was executed."""

import html
import shlex

from .tables import folded


def section(campaign):
    """The commands that repeat the campaign and this page, then every run with the command that was executed."""
    experiment = campaign.configuration.get("file", "experiment.yaml")
    again = ["dejavu-bench", "run", experiment]
    if campaign.configuration.get("seed"):
        again += ["--seed", campaign.configuration["seed"]]
    lines = (shlex.join(again),
             shlex.join(["dejavu-stats", "analyse", campaign.path.name, "-o", "analysis"]),
             shlex.join(["analysis/report.py", campaign.path.name, "--analysis", "analysis", "-o", f"{campaign.name}.html"]))
    columns = ("run", "block", "application", "class_name", "ranks", "strategy", "interval_s", "fault", "outcome",
               "wall_s", "command")
    return ("<p>The same runs in the same order, analysed and reported in the same way:</p>"
            f"<pre>{html.escape(chr(10).join(lines))}</pre>"
            "<p>The experiment as above; its other settings are under Configuration.</p>"
            + folded("Every run, and what was executed", campaign["runs"], columns))
