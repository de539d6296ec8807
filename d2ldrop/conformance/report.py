"""What a run of the suite found: as JSON, as a table by level, and as sentences."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from pathlib import Path
from typing import Any

from d2ldrop.conformance import LEVELS
from d2ldrop.core.files import check_fields, read_sealed, write_sealed
from d2ldrop.core.machine import machine
from d2ldrop.entry_points import modules_of
from d2ldrop.frameworks import framework, title
from d2ldrop.version import __version__

OUTCOMES = ("passed", "failed", "skipped", "expected failure", "not run")
COLUMNS = ("passed", "failed", "skipped", "expected", "not run", "seconds")
FIELDS: dict[str, type] = {
    "backend": str,
    "passed": bool,
    "level": str,
    "levels": list,
    "d2ldrop_version": str,
    "date": str,
}
"""The fields of a kept result that its reader needs."""


@dataclass
class Check:
    """What one check found.

    Attributes:
        id: its name, ``L1.given_mask[0.3-float64]`` for example.
        level: "L0" to "L4".
        place: what it judges, "layer forward" for example; of a failure, the place of the fault.
        outcome: one of OUTCOMES.
        message: why it failed, or the reason why it was skipped or is expected to fail.
        seconds: the time that it took.
    """

    id: str
    level: str
    place: str = ""
    outcome: str = "not run"
    message: str = ""
    seconds: float = 0.0


def versions(name: str) -> dict[str, str | None]:
    """The distribution that registers a backend, its version, and those of framework and d2ldrop.

    Nothing is imported. What cannot be known so is None.
    """
    entry = modules_of("d2ldrop.backends").get(name)
    distribution = entry.dist if entry is not None else None
    return {
        "distribution": None if distribution is None else distribution.name,
        "distribution_version": None if distribution is None else distribution.version,
        "framework_version": _framework_version(name),
        "d2ldrop_version": __version__,
    }


def declared(name: str) -> dict[str, Any]:
    """What the facts of a framework declare, as JSON values."""
    facts = framework(name)
    limits = {noise: list(limit) for noise, limit in facts.concise_limits.items()}
    return {
        "dtypes": list(facts.dtypes),
        "autodiff": facts.autodiff,
        "concise": facts.concise,
        "concise_noises": list(facts.concise_noises),
        "concise_limits": limits,
        "compiled": "d2ldrop.compiled" if name in modules_of("d2ldrop.compiled") else None,
    }


def facts_about(name: str) -> dict[str, Any]:
    """Versions, machine and capabilities, as JSON values."""
    return {**versions(name), "machine": machine(), "declared": declared(name)}


def assemble(
    name: str, checks: Sequence[Check], level: str, about: dict[str, Any] | None = None
) -> dict[str, Any]:
    """The report of a run up to ``level``, as JSON values.

    ``about`` is what ``facts_about`` gives in the process of the run; None: this is the process.
    """
    levels = []
    for key, what in LEVELS.items():
        mine = [check for check in checks if check.level == key]
        if mine:
            seconds = sum(check.seconds for check in mine)
            rows = [asdict(check) for check in mine]
            levels.append({"level": key, "title": what, "seconds": seconds, "checks": rows})
    failed = any(check.outcome == "failed" for check in checks)
    return {
        "backend": name,
        "framework": title(name),
        **(about or facts_about(name)),
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "level": level,
        "passed": bool(checks) and not failed,
        "levels": levels,
    }


def checks_of(report: dict[str, Any]) -> Iterator[Check]:
    """The checks of a report, in their order."""
    for level in report["levels"]:
        for values in level["checks"]:
            yield Check(**values)


def lines(report: dict[str, Any]) -> list[str]:
    """The report for a reader: the table by level, each failure, and what was skipped."""
    checks = list(checks_of(report))
    return [
        *_table(report),
        "",
        *_failures(checks),
        *_expected(checks),
        *_skips(checks),
        verdict(report),
    ]


def verdict(report: dict[str, Any]) -> str:
    """One sentence: whether the backend passed."""
    checks = list(checks_of(report))
    counts = {outcome: sum(c.outcome == outcome for c in checks) for outcome in OUTCOMES}
    seconds = sum(level["seconds"] for level in report["levels"])
    who = f"{report['backend']} ({_versions_in_words(report)})"
    if not report["passed"]:
        first = next((check for check in checks if check.outcome == "failed"), None)
        if first is None:
            return f"{who} failed: no check was run."
        places = ", ".join(dict.fromkeys(c.place for c in checks if c.outcome == "failed"))
        return f"{who} failed at {first.level}: {places}."
    also = f", {counts['expected failure']} expected failures" if counts["expected failure"] else ""
    reach = "" if report["level"] == "L4" else f" up to {report['level']}"
    return f"{who} passed{reach}: {_number(counts['passed'])} in {seconds:.0f} s{also}."


def keep(report: dict[str, Any]) -> None:
    """Keep the report in the user's cache, where ``last_result`` finds it.

    A pass at a lower level does not replace one at a higher level.

    Raises:
        OSError: the cache cannot be written.
    """
    before = last_result(report["backend"])
    if before and before["passed"] and report["passed"] and before["level"] > report["level"]:
        return
    write_sealed(_kept(report["backend"]), report)


def last_result(name: str) -> dict[str, Any] | None:
    """The last report about the backend ``name``; None if the suite has not run.

    A report about another version of the backend's distribution, of the framework or of d2ldrop
    does not count, nor does a damaged file. The fields that a reader needs most are "passed",
    "level" (the highest that was run), "distribution_version" and "date".
    """
    path = _kept(name)
    try:
        report = read_sealed(path, FIELDS)
        for level in report["levels"]:
            check_fields(path, level, {"level": str, "checks": list})
    except (OSError, ValueError):
        return None
    now = versions(name)
    same = all(report.get(key) == value for key, value in now.items())
    return report if same and report["backend"] == name else None


def state(name: str) -> str:
    """The conformance state of a backend: "not run", "passed at version 1.2", or failed at one."""
    report = last_result(name)
    if report is None:
        return "not run"
    distribution_version = report["distribution_version"]
    at = f" at version {distribution_version}" if distribution_version else ""
    reach = "" if report["level"] == "L4" else f" up to {report['level']}"
    return f"passed{reach}{at}" if report["passed"] else f"failed{at}"


def _kept(name: str) -> Path:
    import platformdirs

    return platformdirs.user_cache_path("d2ldrop") / "conformance" / f"{name}.json"


_packages = functools.cache(packages_distributions)  # takes a second


def _framework_version(name: str) -> str | None:
    try:
        return version(framework(name).package or name)
    except PackageNotFoundError:  # another package, such as tensorflow-cpu, may provide it
        packages = _packages().get(name)
        return version(packages[0]) if packages else None


def _versions_in_words(report: dict[str, Any]) -> str:
    mine, framework_version = report["distribution_version"], report["framework_version"]
    words = [f"{report['distribution']} {mine}"] if mine else []
    if report["distribution"] != "d2ldrop":
        words.append(f"d2ldrop {report['d2ldrop_version']}")
    if framework_version:
        words.append(f"{report['framework']} {framework_version}")
    return ", ".join(words)


def _table(report: dict[str, Any]) -> Iterator[str]:
    width = max(len(f"{key} {about}") for key, about in LEVELS.items())
    yield " " * width + "".join(f"{column:>10}" for column in COLUMNS)
    for level in report["levels"]:
        outcomes = [check["outcome"] for check in level["checks"]]
        counts = "".join(f"{outcomes.count(outcome):10}" for outcome in OUTCOMES)
        name = f"{level['level']} {level['title']}"
        yield f"{name:<{width}}{counts}{level['seconds']:10.1f}"


def _failures(checks: Iterable[Check]) -> Iterator[str]:
    for check in checks:
        if check.outcome == "failed":
            yield f"FAILED {check.id}: {check.message}"


def _expected(checks: Iterable[Check]) -> Iterator[str]:
    for check in checks:
        if check.outcome == "expected failure":
            yield f"expected failure of {check.id}: {check.message}"


def _skips(checks: Sequence[Check]) -> Iterator[str]:
    for outcome in ("skipped", "not run"):
        reasons = [check.message for check in checks if check.outcome == outcome]
        for reason in dict.fromkeys(reasons):
            kind = "" if outcome == "not run" else "skipped, "
            yield f"{_number(reasons.count(reason))} {kind}{reason or outcome}"


def _number(checks: int) -> str:
    return "1 check" if checks == 1 else f"{checks} checks"
