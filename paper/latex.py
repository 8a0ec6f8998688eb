"""Text, numbers and tables as LaTeX."""

import math

SPECIAL = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
           "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "×": r"$\times$", "÷": r"$\div$", "–": "--", "µ": r"$\mu$",
           "·": r"$\cdot$", "⁶": r"\textsuperscript{6}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", '"': r"\textquotedbl{}"}


def escape(text):
    """Any text so that LaTeX prints it; what its fonts lack becomes a question mark."""
    return "".join(SPECIAL.get(c, c if c.isascii() or c.isalpha() and ord(c) < 0x250 else "?") for c in str(text))


def is_missing(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def number(value, digits=3):
    """A number with `digits` significant digits and no exponent: 0.0123, 1.02, 51, 1230."""
    if is_missing(value):
        return "--"
    if value == 0 or not math.isfinite(value):
        return f"{value:g}"
    places = max(0, digits - 1 - math.floor(math.log10(abs(value))))
    return f"{value:.{places}f}"


def ratio(value):
    """Ratios have two places behind the point, so that they can be compared at a glance."""
    return "--" if is_missing(value) else f"{value:.2f}"


def interval(row, middle, low, high, scale=1.0, form=number):
    """`1.05 [1.03, 1.07]` of a row's columns, in units of 1 / `scale`."""
    if is_missing(row.get(middle)):
        return "--"
    text = form(row[middle] * scale)
    if not is_missing(row.get(low)) and not is_missing(row.get(high)):
        text += f" [{form(row[low] * scale)}, {form(row[high] * scale)}]"
    return text


def with_unit(value, units):
    """A value in the largest of `units` ((factor, name), largest first) that it reaches."""
    for factor, name in units:
        if abs(value) >= factor or (factor, name) == units[-1]:
            return rf"{number(value / factor)}\,{name}"
    raise ValueError("no units")


def seconds(value):
    return with_unit(value, ((1, "s"), (1e-3, "ms"), (1e-6, r"$\mu$s")))


def byte_count(value):
    return with_unit(value, ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")))


def tabular(columns, rows):
    """A booktabs tabular. `columns`: (alignment, heading) pairs; cells are finished LaTeX."""
    lines = [r"\begin{tabular}{@{}" + "".join(kind for kind, _ in columns) + "@{}}", r"\toprule",
             " & ".join(heading for _, heading in columns) + r" \\", r"\midrule"]
    lines += [" & ".join(row) + r" \\" for row in rows]
    return "\n".join(lines + [r"\bottomrule", r"\end{tabular}", ""])


def count(value):
    """A whole number, its thousands apart."""
    return f"{value:,.0f}".replace(",", r"\,")


def listed(words):
    """`a, b and c`."""
    words = list(words)
    return words[0] if len(words) == 1 else ", ".join(words[:-1]) + " and " + words[-1] if words else "none"
