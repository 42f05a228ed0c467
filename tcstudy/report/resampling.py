"""The multi-bootstrap of Sellam et al. (2022), with which the intervals agree when there are many runs."""

import numpy as np


def multi_bootstrap(values: np.ndarray, generator: np.random.Generator, resamples: int = 2000) -> np.ndarray:
    """Means of `values`, shape (runs, documents), with runs and documents drawn anew with replacement.

    Returns:
        Shape (resamples,). With few runs their spread is too small: it has runs - 1 of runs of the seeds' variance.
    """
    runs, documents = values.shape
    of_runs = generator.multinomial(runs, np.full(runs, 1 / runs), resamples)  # (resamples, runs)
    of_documents = generator.multinomial(documents, np.full(documents, 1 / documents), resamples)
    return ((of_runs @ np.asarray(values, dtype=np.float32)) * of_documents).sum(axis=1) / values.size
