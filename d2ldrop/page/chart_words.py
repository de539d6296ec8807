"""The fixed texts of the charts, in English and Chinese."""

from __future__ import annotations

from typing import TypeAlias

Text: TypeAlias = tuple[str, str]
"""The same text in English and in Chinese."""

CHART_WORDS: dict[str, Text] = {
    "curves": ("Loss and accuracy by epoch", "每个迭代周期的损失与精度"),
    "agreement": ("Differences by step", "每一步的差"),
    "time": ("Time and memory", "时间与内存"),
    "epoch": ("epoch", "迭代周期"),
    "step": ("step", "步"),
    "steps": ("steps", "步"),
    "train_loss": ("training loss (nats)", "训练损失 (nat)"),
    "train_accuracy": ("training accuracy", "训练精度"),
    "test_accuracy": ("test accuracy", "测试精度"),
    "seconds": ("seconds per epoch, {dtype}", "每个迭代周期的秒数，{dtype}"),
    "memory": ("peak memory (MB), {dtype}", "内存峰值 (MB)，{dtype}"),
    "difference": (
        "|loss − {reference}'s loss| (nats), {dtype}",
        "|损失 − {reference} 的损失| (nat)，{dtype}",
    ),
    "yardstick": ("yardstick: {value:.1e}", "标尺：{value:.1e}"),
    "dtype_thick": ("{dtype}: thick line", "{dtype}：粗线"),
    "dtype_thin": ("{dtype}: thin lines", "{dtype}：细线"),
    "dtype_only": ("{dtype}", "{dtype}"),
    "one_line": (
        "{dtype}: all on one line (epochs: {count})",
        "{dtype}：全部重合成一条线（{count} 个迭代周期）",
    ),
    "around": ("{dtype}: thin lines (epochs: {count})", "{dtype}：细线（{count} 个迭代周期）"),
    "taking_turns": (
        "The thick line is {dtype}. Its dashes take turns: each framework draws one of them. "
        "Without gaps, all frameworks lie on one line.",
        "粗线是 {dtype}，由各框架的短线段轮流组成：没有间断，说明所有框架重合在一条线上。",
    ),
    "thin_lines": (
        "The thin lines are {dtype} (epochs: {count}): training amplifies rounding.",
        "细线是 {dtype}（{count} 个迭代周期）：训练会放大舍入误差。",
    ),
    "one_dtype": ("All runs are {dtype}.", "所有运行都用 {dtype}。"),
    "zero": (
        "0 means equal in every digit.",
        "0 表示每一位都相同。",
    ),
    "against": (
        "Each line is the distance of a framework's loss from {reference}'s, with the same "
        "batches. Versions that draw masks of their own are far apart.",
        "每条线是某个框架的损失与 {reference} 的损失之差，批次相同。自己生成掩码的版本相差很大。",
    ),
    "without_numpy": (
        "NumPy has no finished run here, so {reference} takes its place.",
        "这里没有 NumPy 的完整运行，所以用 {reference} 代替。",
    ),
    "thinned": (
        "A point is the largest difference of up to {count} steps.",
        "每个点是至多 {count} 步中最大的差。",
    ),
    "yardstick_is": (
        "The yardstick is the largest difference between NumPy and NumPy whose first weights "
        "were changed by one rounding error.",
        "标尺：把 NumPy 的初始权重改变一个舍入误差后，与原来的运行之间最大的差。",
    ),
    "measured": (
        "Training only, median over the epochs ({count}). The memory is the largest that the "
        "process took.",
        "只计训练，取 {count} 个迭代周期的中位数；内存是进程占用的最大值。",
    ),
    "nan": (
        "NaN stands for a value that is not finite: the run has diverged.",
        "NaN 表示该值不是有限数：训练已发散。",
    ),
    "log": ("log scale", "对数刻度"),
    "values": ("Values as a table", "数值表"),
    "framework": ("framework", "框架"),
    "show": ("Lines shown", "显示的曲线"),
}
"""Texts by key; some have fields for ``str.format``."""


def words(key: str, **fields: object) -> Text:
    """The text of that key in both languages, with its fields filled in."""
    english, chinese = CHART_WORDS[key]
    return english.format(**fields), chinese.format(**fields)
