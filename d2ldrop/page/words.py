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
        "替代数据，不是 Fashion-MNIST。图像是合成的。"
        "本页的任何精度都不能说明 Fashion-MNIST 上的结果。",
    ),
    # The verdict.
    "verdict_lockstep": (
        "In lockstep with NumPy after {steps} steps in float64: {names}. No weight differs from "
        "NumPy's by more than {difference}.",
        "步调一致：在 float64 中训练 {steps} 步后，"
        "{names} 的任何权重与 NumPy 的差都不超过 {difference}。",
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
    # Evidence.
    "not_recorded": ("Not recorded in this run.", "本次运行没有记录。"),
    "masks": ("Masks of the first step", "第一步的掩码"),
    "masks_about": (
        "Each framework's dropout_layer was applied to ones with the seed of the run. White units "
        "are kept, black ones are dropped. The pictures show the first 32 images (rows) and 64 "
        "units (columns).",
        "用本次运行的种子，把每个框架的 dropout_layer 作用于全 1 的数组。"
        "白色单元保留，黑色单元丢弃。图中是前 32 个图像（行）和前 64 个单元（列）。",
    ),
    "masks_layer": ("Hidden layer {layer}", "第 {layer} 个隐藏层"),
    "masks_equal": (
        "{equal} of {total} frameworks have the same mask, bit for bit ({shape}, {dropped} "
        "dropped).",
        "{total} 个框架中有 {equal} 个的掩码逐位相同（{shape}，丢弃 {dropped}）。",
    ),
    "masks_different": (
        "The mask of {names} differs from that of {name}.",
        "{names} 的掩码与 {name} 的不同。",
    ),
    "masks_alone": ("{shape}, {dropped} dropped.", "{shape}，丢弃 {dropped}。"),
    "mask_alt": (
        "Mask of hidden layer {layer}, {name}: white is kept, black is dropped",
        "第 {layer} 个隐藏层的掩码，{name}：白色保留，黑色丢弃",
    ),
    "filters": ("Filters of the first layer", "第一层的滤波器"),
    "filters_about": (
        "The incoming weights of a hidden unit, as a picture: blue is negative, red is positive, "
        "and each is scaled to its own largest weight. These are the units with the largest norm "
        "in the run of {name}: {units}.",
        "隐藏单元的输入权重画成图：蓝色为负，红色为正，各自按最大权重缩放。"
        "这些是 {name} 的运行中范数最大的单元：{units}。",
    ),
    "filters_difference": (
        "differs from {name} by at most {difference}",
        "与 {name} 最多相差 {difference}",
    ),
    "filters_alt": ("Filters of the first layer, {name}", "第一层的滤波器，{name}"),
    "predictions": ("Predictions and their uncertainty", "预测及其不确定性"),
    "predictions_about": (
        "The first test image of each class. Each framework predicts it {samples} times with "
        "dropout left on (MC dropout). Shown are the class with the highest mean probability, that "
        "mean, and the standard deviation over the masks.",
        "每一类的第一张测试图像。每个框架在保留暂退法的情况下预测 {samples} 次（MC dropout）。"
        "表中是平均概率最大的类别、该平均值，以及各掩码之间的标准差。",
    ),
    "predictions_missing": (
        "No prediction of {names}: its weights are not finite.",
        "没有 {names} 的预测：其权重不是有限数。",
    ),
    "predictions_image": ("test image", "测试图像"),
    "predictions_wrong": ("(wrong)", "（错误）"),
    "image_alt": ("Test image {number}", "测试图像 {number}"),
    "class_0": ("T-shirt", "T恤"),
    "class_1": ("trouser", "裤子"),
    "class_2": ("pullover", "套衫"),
    "class_3": ("dress", "连衣裙"),
    "class_4": ("coat", "外套"),
    "class_5": ("sandal", "凉鞋"),
    "class_6": ("shirt", "衬衫"),
    "class_7": ("sneaker", "运动鞋"),
    "class_8": ("bag", "包"),
    "class_9": ("ankle boot", "短靴"),
    # What was recorded.
    "recorded": ("Recipe, data, versions and machine", "配方、数据、版本与机器"),
    "facts_recipe": ("Recipe", "配方"),
    "facts_data": ("Data", "数据"),
    "facts_versions": ("Versions", "版本"),
    "facts_machine": ("Machine", "机器"),
    "fact_dataset": ("dataset", "数据集"),
    "fact_sha256": ("SHA-256", "SHA-256"),
    "fact_processor": ("processor", "处理器"),
    "fact_cores": ("cores", "核数"),
    "fact_platform": ("platform", "平台"),
    "fact_python": ("Python", "Python"),
    "fact_numpy": ("NumPy", "NumPy"),
    "fact_d2ldrop": ("d2ldrop", "d2ldrop"),
    "fact_device": ("device", "设备"),
    "fact_threads": ("threads", "线程数"),
    "fact_execution": ("execution", "执行方式"),
    "files": ("Files", "文件"),
    "files_about": (
        "The links work as long as this page lies in its folder.",
        "只要本页在其文件夹中，链接就有效。",
    ),
    "files_more": ("{number} more files are not listed.", "还有 {number} 个文件没有列出。"),
    "fact_train_size": ("training images", "训练图像"),
    "fact_rounds": ("rounds", "轮数"),
    # Experiments and benchmarks.
    "conclusion": ("Conclusion", "结论"),
    "figure": ("Figure", "图"),
}
