"""The fixed texts of a page, in English and Chinese."""

from __future__ import annotations

Words = dict[str, tuple[str, str]]
"""English and Chinese by key. A text may have fields in braces, as ``str.format`` fills them."""

WORDS: Words = {
    # The frame.
    "skip": ("Skip to the content", "跳到正文"),
    "contents": ("Contents", "目录"),
    "language": ("Language", "语言"),
    "language_en": ("English", "English"),
    "language_zh": ("中文", "中文"),
    "made_by": ("Written by d2ldrop {version}.", "由 d2ldrop {version} 生成。"),
    "problems": ("What could not be read", "无法读取的内容"),
    # Kinds of pages.
    "kind_comparison": ("Comparison of frameworks", "框架比较"),
    "kind_run": ("Training run", "训练运行"),
    "kind_experiment": ("Experiment", "实验"),
    "kind_benchmark": ("Benchmark", "基准测试"),
    # The stand-in.
    "stand_in": (
        "STAND-IN DATA, NOT Fashion-MNIST. The images are synthetic. "
        "No accuracy on this page says anything about Fashion-MNIST.",
        "替代数据，不是 Fashion-MNIST。图像是合成的。本页的任何精度都不能说明 Fashion-MNIST 上的结果。",
    ),
    # The verdict.
    "verdict_lockstep": (
        "In lockstep: after {steps} steps in float64, no weight of {names} differs from NumPy's "
        "by more than {difference}.",
        "步调一致：在 float64 中训练 {steps} 步后，{names} 的任何权重与 NumPy 的差都不超过 {difference}。",
    ),
    "verdict_alone": (
        "Only NumPy was checked, so nothing is compared.",
        "只检查了 NumPy，因此没有比较。",
    ),
    "verdict_diverged": (
        "In lockstep: NumPy diverged, and {names} diverged in the same way.",
        "步调一致：NumPy 发散了，{names} 也以同样方式发散。",
    ),
    "verdict_apart": ("NOT in lockstep: {names}.", "步调不一致：{names}。"),
    "verdict_failed": ("Failed: {names}.", "失败：{names}。"),
    "verdict_not_finished": ("Not finished: {names}.", "未完成：{names}。"),
    "verdict_unknown": (
        "No lockstep check is recorded here.",
        "此处没有步调一致检查的记录。",
    ),
    # The table.
    "table": ("Results", "结果"),
    "remarks": ("Remarks", "说明"),
    "column_backend": ("backend", "框架"),
    "column_version": ("version", "版本"),
    "column_s/epoch": ("s/epoch", "秒/轮"),
    "column_train loss": ("train loss", "训练损失"),
    "column_train acc": ("train acc", "训练精度"),
    "column_test acc": ("test acc", "测试精度"),
    "column_peak MB": ("peak MB", "峰值内存 MB"),
    "column_metric": ("metric", "指标"),
    "column_entry": ("entry", "条目"),
    "column_value": ("value", "数值"),
    "column_mean [95 % interval]": ("mean [95 % interval]", "均值 [95 % 区间]"),
    "column_contender": ("contender", "对手"),
    "column_shape": ("shape", "形状"),
    "column_what": ("what", "内容"),
    "column_its own": ("its own", "框架自带"),
    "column_ratio": ("ratio", "比值"),
    "column_import framework": ("import framework", "导入框架"),
    # Charts and code.
    "charts": ("Curves, agreement, time and memory", "曲线、一致性、时间与内存"),
    "code": ("The code, side by side", "代码对照"),
}
