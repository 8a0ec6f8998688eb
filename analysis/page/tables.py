"""HTML tables of analysis.json and of a campaign's columns."""

import html

import numpy

NO_UNITS = ("", "1", "text", "enum", "index", "see unit")  # that say nothing to who reads a table
SCALES = {"ns": (1e6, "ms"), "B": (1e6, "MB"), "B/s": (1e6, "MB/s")}  # for reading; 1 MB = 10⁶ bytes
LONG = ("reason", "command", "value", "cell", "what")


def element(name, caption, head, rows):
    """A <table> that scrolls by itself. `head` and each row: a list of finished cells."""
    lines = "".join(f"<tr>{''.join(row)}</tr>\n" for row in rows)
    return (f'<div class="scroll" tabindex="0" role="region" aria-label="{html.escape(caption)}, table">'
            f'<table id="table-{name}"><caption>{html.escape(caption)}</caption>\n<thead><tr>{"".join(head)}</tr></thead>\n'
            f"<tbody>\n{lines}</tbody></table></div>")


def is_number(value):
    return isinstance(value, (int, float, numpy.number)) and not isinstance(value, bool)


def say(value, unit=""):
    """A value for people: four significant digits, '–' if it is missing."""
    if value is None or (isinstance(value, (float, numpy.floating)) and numpy.isnan(value)):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not is_number(value):
        return str(value)
    value = value / SCALES.get(unit, (1, unit))[0]
    if float(value).is_integer() and abs(value) < 1e7:
        return f"{int(value)}"
    return f"{value:.4g}"


def data_cell(name, text, numeric):
    kind = "number" if numeric else "long" if name in LONG else ""
    return f'<td class="{kind}">{html.escape(text)}</td>' if kind else f"<td>{html.escape(text)}</td>"


def head_cell(name, unit, description, numeric):
    unit = SCALES.get(unit, (1, unit))[1]
    label = name
    for ending in ("_ns", "_s", "_bytes"):
        label = label.removesuffix(ending)
    note = f" <small>({html.escape(unit)})</small>" if unit not in NO_UNITS else ""
    kind = ' class="number"' if numeric else ""
    return f'<th scope="col"{kind} title="{html.escape(description)}">{html.escape(label.replace("_", " "))}{note}</th>'


def fold_intervals(columns):
    """Columns as (column, low, high): two columns named ...low..., ...high... are the interval of the one before them."""
    folded = []
    names = [column["name"] for column in columns]
    for i, column in enumerate(columns):
        if "low" in names[i].split("_") and i and i + 1 < len(names) and names[i + 1] == names[i].replace("low", "high"):
            folded[-1] = (columns[i - 1], names[i], names[i + 1])
        elif not (i and "high" in names[i].split("_") and folded[-1][2] == names[i]):
            folded.append((column, None, None))
    return folded


def of_analysis(name, content):
    """A table of analysis.json, folded up if it is long."""
    head, rows = [], [[] for _ in content["rows"]]
    for column, low, high in fold_intervals(content["columns"]):
        if column["name"] == "campaign" and len({row.get("campaign") for row in content["rows"]}) == 1:
            continue  # the page's title says it
        key, unit = column["name"], column.get("unit") or ""
        numeric = any(is_number(row.get(key)) for row in content["rows"])
        head.append(head_cell(key, unit, column.get("description") or "", numeric))
        for cells, row in zip(rows, content["rows"]):
            text = say(row.get(key), unit)
            if low and row.get(low) is not None:
                text += f" [{say(row[low], unit)}, {say(row.get(high), unit)}]"
            cells.append(data_cell(key, text, numeric))
    return foldable(f"{content.get('title') or name}", element(name, content.get("title") or name, head, rows), len(rows))


def foldable(title, table, rows, limit=40):
    """The table itself, or behind its title if it has more than `limit` rows."""
    if rows <= limit:
        return table
    return f"<details><summary>{html.escape(title)} ({rows} rows)</summary>{table}</details>"


def of_columns(name, caption, table, columns):
    """Columns of a campaign's table."""
    columns = [column for column in columns if column in table]
    kinds = [table[column].dtype.kind in "if" for column in columns]
    head = [head_cell(column, table.units.get(column, ""), "", kind) for column, kind in zip(columns, kinds)]
    rows = [[data_cell(column, say(table[column][i], table.units.get(column, "")), kind)
             for column, kind in zip(columns, kinds)] for i in range(len(table))]
    return element(name, caption, head, rows)


def folded(title, table, columns):
    """Columns of a campaign's table behind a title; nothing if it has no rows."""
    if not len(table):
        return ""
    name = title.split(" ")[0].lower() + "-" + str(columns[0])
    return f"<details><summary>{html.escape(title)}</summary>{of_columns(name, title, table, columns)}</details>"
