"""The texts of the live page, in English and Chinese."""

from __future__ import annotations

from d2ldrop.page.words import Words

LIVE_WORDS: Words = {
    "live_status": ("Progress", "进度"),
    "live_curves": ("Curves", "曲线"),
    "live_variant": ("framework", "框架"),
    "live_state": ("state", "状态"),
    "live_running": ("The comparison is running.", "比较正在进行。"),
    "live_ended": (
        "The comparison has ended. Its report is the file {report}.",
        "比较已结束。报告是文件 {report}。",
    ),
    "live_lost": (
        "The connection is lost: the page shows the last state.",
        "连接已断开：本页显示最后的状态。",
    ),
    "live_reload": (
        "Without JavaScript this page does not change by itself: reload it.",
        "没有 JavaScript 时本页不会自动更新：请重新加载。",
    ),
    "live_waiting": ("waiting", "等待"),
    "live_checking": ("checks", "检查"),
    "live_lockstep": ("lockstep check", "步调一致检查"),
    "live_training": ("training", "训练"),
    "live_training_speed": ("training in float32", "float32 训练"),
    "live_done": ("done", "完成"),
    "live_failed": ("failed", "失败"),
    "live_interrupted": ("interrupted", "已中断"),
}
