"""A node's process. Linear algebra runs on one thread: a pool of them costs a busy machine many times more."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # read once, when numpy loads
