"""From the stored results to sentences and to the book's page. Needs neither torch nor any peer."""

INTRO = """# Speed and memory

The objectives, metrics and encoders of the kit beside the libraries that a user would pick instead: measured
side by side in one run, contenders in turn, so that what slows the machine slows them all. `make bench`
measures again and writes this page.
"""

HOW = """## How to read this

- Time is the median of the calls; forward and backward for an objective. Ratios are worth more than
  milliseconds: on a busy machine the same run gives other times, and ratios within some 15 %.
- Contenders take turns. A turn of the faster ones is five calls in a row, of which the first is not counted:
  it finds the caches full of another's data.
- Memory is that of a fresh process: the peak during one call less what was resident before it, gradients
  included, in megabytes of 10^6 bytes.
- The difference is the largest deviation of the value or of any gradient from the reference's, as a share of
  the largest entry. For mean average precision it holds the effect of ties, which an order breaks by chance.
- Inputs are embeddings of length 1. `info_nce` scales them once more, as it would any others, and does the
  job of open_clip's loss after the scaling that its models do first; `info_nce_of_unit_rows` takes them as
  they are and does the job of open_clip's loss alone. A bound compares equal work: rows taken as they are on
  both sides, or scaled on both sides. At B = 4096 the bound is for rows of length 1, as its prototype seems
  to have taken them; the scaling forms stand beside it in the table.
- "Three products" is the least that InfoNCE needs: the cosines, and one product for each gradient.
  "Normalize + three products" is the least where rows are scaled first.
- Encoders are compared with PyTorch's own modules, which hold the same weights; forward and backward, with
  the gradients of inputs and weights.
- A prototype is what was measured before the code was written; a bound is what was wanted from it.
"""

PEERS = """## What the others do differently

- pytorch-metric-learning builds a list of all triplets, and for the lifted structure loss a matrix of
  positive pairs by negative pairs: exact, and large.
- cca-zoo's loss is the sum of squared correlations, so it is compared with `deep_cca_squared`. The classic
  deep CCA code adds its ridge to T'T once more; its value is a little off and its gradient more so.
- torchmetrics counts a relevant item with a score of 0 or less as irrelevant; the scores here are moved above
  0.
- faiss returns the nearest items and breaks ties by their place; the kit counts and shares ties.
- fast_bss_eval 0.1.4 solves stacks of vectors with `np.linalg.solve` as NumPy 1 did; under NumPy 2 its NumPy
  path fails. The benchmark puts the old meaning back around its calls. It is called clip by clip, which is
  faster than all clips at once. It and mir_eval compute in float64; so does the kit, but for one factor that
  leads its solver.
- mir_eval and fast_bss_eval look for the best order of the sources unless told not to; here they are told.
"""


def judged(bound: dict, rows: dict[str, dict]) -> dict:
    """A bound with what was measured, and whether it is met (None where it could not be measured)."""
    own, other = rows[bound["own"]], rows.get(bound.get("other"), {})
    measured = {
        "time": lambda: own["median_ms"] / other["median_ms"],
        "speed": lambda: other["median_ms"] / own["median_ms"],
        "megabytes": lambda: own["mb"],
        "memory share": lambda: own["mb"] / other["mb"],
        "difference": lambda: own["difference"],
    }[bound["kind"]]
    try:
        value = float(measured())
    except (KeyError, TypeError, ZeroDivisionError):
        return bound | {"measured": None, "met": None}
    met = value >= bound["at_least"] if "at_least" in bound else value <= bound["at_most"]
    return bound | {"measured": value, "met": met}


def number(x: float | None, kind: str = "") -> str:
    """Write a measured or wanted number: powers of ten for differences, three digits otherwise."""
    if x is None:
        return "-"
    if kind == "difference":
        return f"{x:.0e}"
    return f"{x:,.0f}" if abs(x) >= 100 else f"{x:.3g}"


def wanted(bound: dict) -> str:
    """Say in words what a bound asks for."""
    own, other = f"`{bound['own']}`", bound.get("other")
    limit = number(bound.get("at_most", bound.get("at_least")), bound["kind"])
    return {
        "time": f"{own}: at most {limit} x the time of {other}",
        "speed": f"{own}: at least {limit} x as fast as {other}",
        "megabytes": f"{own}: at most {limit} MB",
        "memory share": f"{own}: at most {limit} of the memory of {other}",
        "difference": f"{own}: equal to {other} within {limit}",
    }[bound["kind"]]


def verdict(bound: dict) -> str:
    """One word for a bound: met, missed or not measured."""
    return {True: "met", False: "**missed**", None: "not measured"}[bound["met"]]


def sentence(bound: dict) -> str:
    """One line for a bound, for the terminal."""
    word = verdict(bound).replace("*", "")
    return f"{word:12s} {wanted(bound).replace('`', '')}; measured {number(bound['measured'], bound['kind'])}"


def line(row: dict) -> str:
    """One line for a contender, for the terminal."""
    if "failed" in row:
        return f"{row['name']:34s} failed: {row['failed']}"
    more = "" if row.get("mb") is None else f"   {row['mb']:8,.0f} MB"
    if "difference" in row:
        more += f"   differs by {row['difference']:.0e}"
    times = f"median {row['median_ms']:10,.2f} ms   best {row['best_ms']:10,.2f} ms   n {row['calls']:3d}"
    return f"{row['name']:34s} {times}{more}"


def tally(bounds: list[dict]) -> str:
    """Count bounds met, missed and not measured."""
    met, missed = sum(b["met"] is True for b in bounds), sum(b["met"] is False for b in bounds)
    none = len(bounds) - met - missed
    return f"{met} of {len(bounds)} bounds met, {missed} missed" + (f", {none} not measured" if none else "")


def page(result: dict) -> str:
    """Write the book's page from the stored results."""
    bounds = [(case, bound) for case in result["cases"] for bound in case["bounds"]]
    parts = [INTRO, settings(result), "## What was wanted, and what was measured\n"]
    parts.append(f"{tally([bound for _, bound in bounds])}.{missed_words(bounds)}\n")
    parts.append(table_of_bounds(bounds))
    parts += [HOW, PEERS, "## Every contender\n"]
    parts += [section(case) for case in result["cases"]]
    return "\n".join(part.rstrip("\n") + "\n" for part in parts)


def settings(result: dict) -> str:
    """Say on what machine and with what versions the numbers were measured."""
    m = result["machine"]
    versions = ", ".join(f"{k} {v}" for k, v in result["versions"].items() if v)
    where = f"{m['processor']}, {m['cores']} cores, {m['memory_gb']} GB"
    how = f"{result['dtype']}, {result['threads']} threads"
    return f"Measured on {result['when']}: {where}; {how}; {versions}.\n"


def missed_words(bounds: list[tuple[dict, dict]]) -> str:
    """Name what was missed, in a sentence after the tally."""
    missed = [f"{wanted(bound)} ({case['title']})" for case, bound in bounds if bound["met"] is False]
    return f" Missed: {'; '.join(missed)}." if missed else ""


def table_of_bounds(bounds: list[tuple[dict, dict]]) -> str:
    """All bounds as one table."""
    rows = ["| case | wanted | measured | prototype | |", "|---|---|---|---|---|"]
    for case, bound in bounds:
        kind = bound["kind"]
        cells = [
            case["title"],
            wanted(bound),
            number(bound["measured"], kind),
            number(bound["prototype"], kind),
        ]
        rows.append("| " + " | ".join([*cells, verdict(bound)]) + " |")
    return "\n".join(rows) + "\n"


def section(case: dict) -> str:
    """One case: its contenders, fastest first."""
    head = f"### {case['title']}\n\n{case['setting']}."
    if case["reference"]:
        head += f" Differences are from: {case['reference']}."
    rows = ["| contender | median ms | best ms | calls | MB | difference |", "|---|---|---|---|---|---|"]
    for row in sorted(case["rows"], key=lambda row: row.get("median_ms", float("inf"))):
        name = row["name"] if row["peer"] or " " in row["name"] else f"`{row['name']}`"
        if "failed" in row:
            rows.append(f"| {name} | failed: {row['failed'].replace('|', '/')} | | | | |")
            continue
        mb = "" if row.get("mb") is None else number(row["mb"])
        differs = number(row["difference"], "difference") if "difference" in row else ""
        cells = [name, f"{row['median_ms']:,.2f}", f"{row['best_ms']:,.2f}", str(row["calls"]), mb, differs]
        rows.append("| " + " | ".join(cells) + " |")
    return head + "\n\n" + "\n".join(rows) + "\n"
