"""Facts about MiniTape that d2ldrop needs before it imports MiniTape."""

from d2ldrop import Framework

FRAMEWORK = Framework(
    title="MiniTape",
    package="d2ldrop-minitape",
    aliases=("mt",),
    environment={"MINITAPE_FLOAT64": "1"},  # without it, MiniTape makes float32 of float64
    dtypes=("float32", "float64"),
    autodiff=True,
    concise=True,
    conversions={"Sequential": "its params() are arrays: drop units between its layers"},
)
