"""The report's first section: what the campaign is, what came out, what to be careful about."""

import html

import numpy

from .tables import say


def facts(campaign):
    """What and when, as pairs."""
    runs, attributes = campaign["runs"], campaign.attributes
    starts = [values["session_start"] for values in campaign.environment().values() if "session_start" in values]
    yield "Campaign", f"{campaign.name}, id {attributes.get('campaign', 'unknown')}"
    if starts:
        yield "Made", starts[0] if len(starts) == 1 else f"{starts[0]} to {starts[-1]}, in {len(starts)} sessions"
    if len(runs):
        good = int(numpy.sum(runs["outcome"] == "ok"))
        warm = int(numpy.sum(runs["warmup"] == "yes"))
        yield "Runs", (f"{len(runs)} of {say(attributes.get('runs_planned', len(runs)))} planned; {good} ok,"
                       f" {len(runs) - good} failed; {warm} are warm-up and in no statistic")
        yield "Applications", ", ".join(dict.fromkeys(runs["application"]))
        yield "Strategies", ", ".join(dict.fromkeys(runs["strategy"]))
        yield "Checkpoints", f"{say(numpy.nansum(runs['epochs']))} committed" if "epochs" in runs else "unknown"


def interval(row, middle, low, high, factor=1.0):
    """`1.05 [1.03, 1.07]`."""
    text = f"{row[middle] / factor:.4g}"
    if row.get(low) is not None and row.get(high) is not None:
        text += f" [{row[low] / factor:.4g}, {row[high] / factor:.4g}]"
    return text


def findings(data):
    """The answers, in a sentence each."""
    rows = data.analysis.rows
    for row in rows("geomean"):
        if row["ratio"] is not None:
            yield (f"{data.treatment(row['strategy'], row['interval_s'])}: running time ×"
                   f" {interval(row, 'ratio', 'ratio_low', 'ratio_high')} relative to {row['base']}"
                   f" (geometric mean over {say(row['cells'])} combinations of application, class and ranks).")
    verdicts = [row["verdict"] for row in rows("overhead") if row["verdict"]]
    if verdicts:
        counted = ", ".join(f"{verdicts.count(v)} {v}" for v in dict.fromkeys(sorted(verdicts)))
        yield f"{len(verdicts)} comparisons with a base, corrected for their number (Holm): {counted}."
    stalls = [row for row in rows("stall") if row["median_ns"] is not None]
    for strategy in dict.fromkeys(row["strategy"] for row in stalls):
        worst = max((row for row in stalls if row["strategy"] == strategy), key=lambda row: row["median_ns"])
        yield (f"{strategy}: the application whose median stall is longest is {worst['application']}"
               f" ({interval(worst, 'median_ns', 'low_ns', 'high_ns', 1e6)} ms, {say(worst['epochs'])} epochs).")
    recoveries = [row for row in rows("recovery") if row["median_s"] is not None]
    if recoveries:
        worst = max(recoveries, key=lambda row: row["median_s"])
        yield (f"Recovery took longest for {worst['application']} under {worst['strategy']} after {worst['fault']}:"
               f" median {interval(worst, 'median_s', 'low_s', 'high_s')} s, n = {say(worst['n'])}.")
    checked = rows("validation")
    if checked:
        good = sum(row["within"] in (True, "yes") for row in checked)
        yield f"The simulator's prediction lies within the measured interval in {good} of {len(checked)} cases."


def plural(count, noun):
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def cautions(data):
    """What a reader must know before believing the above."""
    campaign, runs = data.campaign, data.campaign["runs"]
    planned = campaign.attributes.get("runs_planned", len(runs))
    if len(runs) < planned:
        yield f"The campaign is not complete: {planned - len(runs)} of {plural(planned, 'run')} not made."
    failed = int(numpy.sum(runs["outcome"] != "ok")) if len(runs) else 0
    if failed:
        yield f"{plural(failed, 'run')} failed; see Failures."
    crowded = int(numpy.sum(runs["oversubscribed"] == "yes")) if "oversubscribed" in runs else 0
    if crowded:
        yield f"{plural(crowded, 'run')} had more ranks than processors."
    drifted = sorted({row["application"] for row in data.analysis.rows("overhead") if (row.get("drift_p") or 1) < 0.05})
    if drifted:
        yield f"Running times drifted over the campaign (p < 0.05, not corrected) for {', '.join(drifted)}."
    few = [row for row in data.analysis.rows("overhead") if row["n"] is not None and row["n"] < 6]
    if few:
        yield f"{plural(len(few), 'comparison')} with fewer than 6 pairs, too few for a 95 % interval of a median."
    virtual = {values.get("virtual_machine") for values in campaign.environment().values()}
    if "yes" in virtual:
        yield "It was made in a virtual machine: neighbours may have disturbed it."


def items(sentences, kind=""):
    return "".join(f"<li{kind}>{html.escape(sentence)}</li>" for sentence in sentences)


def section(data):
    """The whole section."""
    pairs = "".join(f"<dt>{html.escape(key)}</dt><dd>{html.escape(value)}</dd>" for key, value in facts(data.campaign))
    found, careful = items(findings(data)), items(cautions(data), ' class="caution"')
    return (f'<dl class="facts">{pairs}</dl>'
            + (f"<h3>Findings</h3><ul>{found}</ul>" if found else "<p>There is nothing to conclude from yet.</p>")
            + (f"<h3>Mind</h3><ul>{careful}</ul>" if careful else ""))
