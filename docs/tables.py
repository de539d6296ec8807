"""Write the tables of README*.md and docs/*.md.

    python docs/tables.py                    # rewrite the stale tables
    python docs/tables.py --check            # change nothing; exit status 1 if a page is stale
    python docs/tables.py --from runs/NAME   # copy this run into docs/results, then rewrite

A table stands between the lines ``<!-- table: NAME -->`` and ``<!-- end -->``. Its content comes
from the code (``FROM_CODE``) or from ``docs/results/NAME.json``. Such a file has the columns, the
order of the rows, and the measurements: date, machine, versions, command and rows of each.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import numpy as np
from take_in import RESULTS, take_in

from d2ldrop.cli.main import cli
from d2ldrop.core.randomness import Purpose, batch_order, dropout_mask, normal_noise
from d2ldrop.frameworks import FRAMEWORKS

DOCS = Path(__file__).parent
PAGES = [*sorted(DOCS.parent.glob("README*.md")), *sorted(DOCS.glob("*.md"))]
TABLE = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

PURPOSES = {
    Purpose.WEIGHTS: (
        "initial weights",
        "layer",
        "N(0, 0.01²) in float64, then cast; biases are 0",
    ),
    Purpose.ORDER: ("batch order", "epoch", "the permutation that sorts n 64-bit words"),
    Purpose.MASK: ("masks", "step, hidden layer", "one byte per element; p is exact to 2⁻⁶¹"),
    Purpose.STAND_IN: ("stand-in data", "split, quantity", "see `d2ldrop/data/stand_in.py`"),
    Purpose.NUDGE: ("nudges of the yardstick", "nudge, parameter", "N(0, 1) in float64"),
    Purpose.NATIVE: ("seeds for `--rng native`", "epoch", "31 bits"),
    Purpose.MC: ("masks of `predict_mc`", "sample, hidden layer", "like masks"),
    Purpose.INPUT: ("masks of the input", "step, 0", "like masks, (n, 784)"),
    Purpose.UNIT: ("masks of `--noise unit`", "step, hidden layer", "like masks, (1, width)"),
    Purpose.DROPCONNECT: (
        "masks of `--noise dropconnect`",
        "step, hidden layer",
        "like masks, with the shapes of W2 and W3",
    ),
    Purpose.NORMAL: (
        "`--noise gaussian`, `--noise additive`",
        "step, hidden layer",
        "N(0, 1) in float64, (n, width); scaled, then cast",
    ),
}
"""What is drawn, the meaning of ``a`` and ``b``, and how it is drawn."""
GOLDEN_MASKS = [
    (Purpose.MASK, 0, (2, 8), 0.5, 0, 0),
    (Purpose.MASK, 0, (2, 8), 0.2, 0, 0),
    (Purpose.MASK, 42, (2, 8), 0.5, 7, 1),
    (Purpose.MASK, 0, (256, 256), 0.2, 0, 0),
    (Purpose.MASK, 0, (256, 256), 0.5, 2349, 1),
    (Purpose.MC, 0, (16,), 0.5, 0, 0),
    (Purpose.MC, 0, (256, 256), 0.2, 99, 1),
    (Purpose.INPUT, 0, (16,), 0.5, 0, 0),
    (Purpose.INPUT, 0, (256, 784), 0.2, 7, 0),
    (Purpose.UNIT, 0, (16,), 0.5, 0, 0),
    (Purpose.UNIT, 0, (1, 256), 0.2, 2349, 1),
    (Purpose.DROPCONNECT, 0, (16,), 0.5, 0, 0),
    (Purpose.DROPCONNECT, 0, (256, 10), 0.5, 2349, 1),
]
"""Purpose, seed, shape, p, a and b of each golden mask."""
VERDICT = (
    "After {steps} steps in float64 all frameworks are in lockstep with NumPy: no weight differs "
    "by more than the limit, {limit}. The limit is ten times the yardstick, {yardstick}."
)
VERDICT_IN_CHINESE = (
    "用 float64 训练 {steps} 步之后，所有框架都与 NumPy 同步：任何权重的差都不超过上限 {limit}，"
    "即标尺 {yardstick} 的十倍。"
)
CHINESE = {
    "backend": "框架",
    "version": "版本",
    "train loss (float64)": "训练损失 (float64)",
    "train acc (float64)": "训练精度 (float64)",
    "test acc (float64)": "测试精度 (float64)",
    "|ΔW| at step 2,350": "第 2,350 步的 |ΔW|",
    "s/epoch (float32)": "秒/周期 (float32)",
    "peak MB (float32)": "内存峰值 (MB, float32)",
    "seed": "种子",
    "yardstick": "标尺",
}


# Markdown


def markdown_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table. Every "|" in a cell is escaped."""
    lines = [" | ".join(cell.replace("|", r"\|") for cell in line) for line in (columns, *rows)]
    head, *body = [f"| {line} |" for line in lines]
    return "\n".join([head, "|" + "---|" * len(columns), *body])


def in_chinese(text: str) -> str:
    """Translate a heading or the line under a table. Unknown words do not change."""
    text = text.replace(" virtual cores", " 个虚拟核").replace(" cores", " 核")
    return CHINESE.get(text, text)


# Tables made from the code


def purposes() -> str:
    """Return the table of the purposes of random streams."""
    rows = [[PURPOSES[p][0], str(p.value), *PURPOSES[p][1:]] for p in Purpose]
    return markdown_table(["purpose", "key", "`a`, `b`", "what is drawn"], rows)


def golden() -> str:
    """Return the golden values, computed by the code. The tests contain them as constants."""
    rows = []
    for purpose, seed, shape, p, a, b in GOLDEN_MASKS:
        keep = dropout_mask(shape, p, seed=seed, step=a, site=b, purpose=purpose)
        small = " ".join(f"{byte:08b}" for byte in np.packbits(keep))
        value = small if keep.size <= 16 else _digest(np.packbits(keep))
        rows.append([str(purpose.value), str(seed), f"{shape}, p = {p}", f"{a}, {b}", value])
    first = [batch_order(0, 0, 10), batch_order(0, 0, 60_000)[:5]]
    for n, order in zip(("10", "60000, first five"), first, strict=True):
        rows.append(["2", "0", f"n = {n}", "0, 0", " ".join(map(str, order))])
    digest = _digest(batch_order(0, 9, 60_000).astype("<i8"))
    rows.append(["2", "0", "n = 60000", "9, 0", digest])
    normal = ", ".join(map(str, normal_noise((4,), seed=0).tolist()))
    rows.append(["11", "0", "(4,)", "0, 0", normal.replace("-", "−")])
    large = normal_noise((256, 256), seed=0, step=2349, site=1)
    rows.append(["11", "0", "(256, 256)", "2349, 1", _digest(large)])
    rows.sort(key=lambda row: int(row[0]))
    return markdown_table(["key", "seed", "shape", "`a`, `b`", "value"], rows)


def _digest(array: Any) -> str:
    return hashlib.sha256(array.tobytes()).hexdigest()


def frameworks() -> str:
    """Return the table of facts that are known before a framework is imported."""
    rows = [
        [
            facts.title,
            f"`{name}`",
            ", ".join(facts.machines) or "every machine",
            " ".join(f"`{package}`" for package in facts.debian_packages) or "–",
        ]
        for name, facts in FRAMEWORKS.items()
    ]
    return markdown_table(["framework", "name", "wheels for", "system libraries (Debian)"], rows)


def options() -> str:
    """Return each command with its own options, then the options that several commands share."""
    users: dict[tuple[str, str], list[str]] = {}
    text = []
    for name, command in cli.commands.items():
        for record in _records(name, command):
            users.setdefault(record, []).append(name)
    for name, command in cli.commands.items():
        usage = " ".join(command.collect_usage_pieces(_context(name, command)))
        about = (command.help or "").partition("\n\n")[0].strip()
        text.append(f"### d2ldrop {name}\n\n`d2ldrop {name} {usage}`\n\n{about}")
        own = [record for record in _records(name, command) if users[record] == [name]]
        if own:
            text.append(markdown_table(["option", "default", "meaning"], [_cells(r) for r in own]))
    shared = [
        [*_cells(record), ", ".join(names)] for record, names in users.items() if len(names) > 1
    ]
    text.append("### Options that several commands share")
    text.append(markdown_table(["option", "default", "meaning", "commands"], shared))
    return "\n\n".join(text)


def _context(name: str, command: click.Command) -> click.Context:
    return click.Context(command, info_name=f"d2ldrop {name}")


def _records(name: str, command: click.Command) -> Iterator[tuple[str, str]]:
    """Yield the options of a command and their help, as ``--help`` prints them."""
    context = _context(name, command)
    for parameter in command.params:
        record = parameter.get_help_record(context)
        if isinstance(parameter, click.Option) and record is not None:
            yield record


def _cells(record: tuple[str, str]) -> list[str]:
    """Return option, default and meaning of a help record."""
    option, about = record
    match = re.search(r"\s*\[(?:default: (.*)|(required))\]$", about)
    default = (match[1] or match[2]) if match else ""
    return [f"`{option}`", default, about[: match.start()] if match else about]


# Tables made from docs/results


def measured(name: str) -> str:
    """Return the table of ``docs/results/NAME.json``; ``NAME-zh`` is the same in Chinese."""
    chinese = name.endswith("-zh")
    table = json.loads((RESULTS / f"{name.removesuffix('-zh')}.json").read_text("utf-8"))
    translate = in_chinese if chinese else str
    cells = {k: row for m in table["measurements"] for k, row in m["rows"].items()}
    rows = [[key, *cells[key]] for key in table["order"]]
    text = [markdown_table([translate(column) for column in table["columns"]], rows)]
    for measurement in table["measurements"]:
        if check := measurement.get("check"):
            text.append((VERDICT_IN_CHINESE if chinese else VERDICT).format(**check))
        some = len(table["measurements"]) > 1
        who = [key.replace("`", "") for key in measurement["rows"]] if some else []
        text.append(translate(_caption(measurement, who)))
    return "\n\n".join(text)


def _caption(measurement: dict[str, Any], rows: Sequence[str]) -> str:
    """Return the line under a table: rows (if not all), date, machine, versions, command."""
    machine = measurement["machine"]
    where = f"{machine['processor']}, {machine['cores']}, {machine['system']}"
    parts = [
        *([", ".join(rows)] if rows else []),
        measurement["date"],
        f"{where}, Python {machine['python']}",
        ", ".join(measurement["versions"]),
        f"`{measurement['command']}`",
    ]
    return "*" + " · ".join(parts) + "*"


# Pages

FROM_CODE: dict[str, Callable[[], str]] = {
    "purposes": purposes,
    "golden": golden,
    "frameworks": frameworks,
    "options": options,
}


def rewritten(text: str) -> str:
    """Return a page with new tables."""

    def table(match: re.Match[str]) -> str:
        name = match[2]
        content = FROM_CODE[name]() if name in FROM_CODE else measured(name)
        return f"{match[1]}\n{content}\n\n{match[3]}"

    return TABLE.sub(table, text)


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--check", action="store_true", help="change nothing, name stale pages")
    parser.add_argument("--from", dest="folders", type=Path, nargs="+", default=[], metavar="RUN")
    arguments = parser.parse_args()
    for folder in arguments.folders:
        print(f"{folder}: {take_in(folder)}")
    stale = False
    for page in PAGES:
        text = page.read_text("utf-8")
        if (new := rewritten(text)) != text:
            stale = True
            name = page.relative_to(DOCS.parent)
            print(
                f"{name} is stale: run python docs/tables.py"
                if arguments.check
                else f"{name} written"
            )
            if not arguments.check:
                page.write_text(new, "utf-8")
    sys.exit(1 if stale and arguments.check else 0)


if __name__ == "__main__":
    main()
