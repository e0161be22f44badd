"""Results as tables. In: what each round saw. Out: medians with their spread, and text."""
import statistics


def gather(seen, measure):
    """One row a peer: the median of each figure over the rounds, and the spread of the first."""
    rows = []
    for name, rounds in seen.items():
        good = [one for one in rounds if "error" not in one]
        row = {"peer": name}
        if not good:
            row["error"] = rounds[-1]["error"]
        for figure in measure.figures:
            values = [one[figure] for one in good if figure in one]
            if values:
                row[figure] = statistics.median(values)
                row[f"{figure}_spread"] = [min(values), max(values)]
        rows.append(row)
    return rows


def number(value):
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def text(told):
    import measures
    lines = [f"{told['date']}, {told['machine']}", ", ".join(f"{name}: {version}" for name, version in told["versions"].items())]
    for measure in measures.ALL:
        rows = told["measures"].get(measure.name)
        if rows is None:
            continue
        first = next(iter(measure.figures))
        theirs = [row[first] for row in rows if first in row and row["peer"] != "direct" and not row["peer"].startswith("sidelight")]
        best = min(theirs, default=None)
        direct = next((row.get(first) for row in rows if row["peer"] == "direct"), None)
        heads = ["", *measure.figures.values(), "× best peer"] + (["× direct"] if direct else [])
        lines += ["", f"### {measure.title}", "| " + " | ".join(heads) + " |", "| --- |" + " ---: |" * (len(heads) - 1)]
        for row in rows:
            if "error" in row:
                lines.append(f"| {row['peer']} | failed: {row['error']} |")
                continue
            cells = [number(row.get(figure)) for figure in measure.figures]
            if first in row and len(set(row[f"{first}_spread"])) > 1:
                low, high = row[f"{first}_spread"]
                cells[0] += f" ({number(low)}–{number(high)})"
            value = row.get(first)
            cells.append(f"{value / best:.2f}" if value is not None and best and best > 0 else "")
            if direct:
                cells.append(f"{value / direct:.2f}" if value is not None else "")
            lines.append(f"| {row['peer']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
