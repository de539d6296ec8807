"""The texts of the page's section on code, in English and Chinese."""

from __future__ import annotations

CODE_WORDS: dict[str, tuple[str, str]] = {
    "kind_code": ("Source code", "源代码"),
    "code_about": (
        "Choose a framework above any function: all functions on this page switch to it. "
        "Compare it with another one to see the lines that differ; indentation does not count.",
        "在任一函数上方选择框架，本页所有函数都会切换。与另一个框架对比，可以看到不同的行（不计缩进）。",
    ),
    "code_functions": ("Functions", "函数"),
    "code_frameworks": ("Framework", "框架"),
    "code_with": ("Compare with", "与之对比"),
    "code_nothing": ("nothing", "不对比"),
    "code_place": ("{file}, line {line}", "{file}，第 {line} 行"),
    "code_missing": (
        "{framework} has no function {name}.",
        "{framework} 没有函数 {name}。",
    ),
    "code_count": ("{differing} of {all} lines differ", "{all} 行中有 {differing} 行不同"),
    "code_unread": ("What could not be shown", "无法显示的内容"),
}
"""English and Chinese by key, as in ``d2ldrop.page.words``."""
