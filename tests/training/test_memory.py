"""Memory of training does not grow with the corpus."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest

WATCHED = """
import itertools, re, threading, time
from pathlib import Path

peak = 0

def watch():
    global peak
    while True:  # pages of memory-mapped files are the system's to drop, so only others count
        status = Path("/proc/self/status").read_text()
        peak = max(peak, int(re.search(r"RssAnon:\\s+(\\d+) kB", status)[1]))
        time.sleep(0.01)

threading.Thread(target=watch, daemon=True).start()
"""
PRETRAINING = """
from tcstudy.corpora.text import load_text
from tcstudy.encoding.pretraining import PairStream
from tcstudy.encoding.pretraining import Sentences
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.spec import EncoderSpec, PretrainingSpec

spec = PretrainingSpec.model_validate({"corpus": [{"name": "yelp_polarity"}]})
vocabulary = load_vocabulary(EncoderSpec(name="tiny"))
text = load_text(spec)
stream = PairStream(Sentences.read(text.train, text.language, vocabulary), vocabulary, spec.recipe, nsp=True)
pairs = sum(len(batch) for batch, _ in itertools.islice(stream.batches(), 300))
assert pairs == 300 * 32
print(len(text.train) + 500, peak // 1024)  # without what is held out
"""
FINE_TUNING = """
import os
import datasets
from tcstudy.encoding.documents import read_documents
from tcstudy.encoding.tokens import load_vocabulary
from tcstudy.spec import EncoderSpec, WindowSpec

folder = Path(os.environ["TCSTUDY_DATA"])
split = datasets.Dataset.from_parquet(str(folder / "yelp_polarity" / "train.parquet"), cache_dir=str(folder / "arrow"))
documents = read_documents(split, load_vocabulary(EncoderSpec(name="tiny")), WindowSpec(length=64))
assert sum(document.tokens for document in documents) > 40 * len(documents)
print(len(documents), peak // 1024)
"""


def peak(program: str, folder: Path, documents: int) -> int:
    """Megabytes of a process that reads a corpus of so many documents."""
    generator = np.random.default_rng(0)
    words = np.array("film goal party bank phone match star vote chip cup great dull . . !".split())
    (folder / "yelp_polarity").mkdir(parents=True)
    for part, rows in [("train", documents), ("test", 100)]:
        schema = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.int64())])
        with pyarrow.parquet.ParquetWriter(folder / "yelp_polarity" / f"{part}.parquet", schema) as writer:
            for start in range(0, rows, 5000):
                some = range(start, min(start + 5000, rows))
                texts = [f"{part} {row} {' '.join(generator.choice(words, 40))}" for row in some]
                writer.write_table(pyarrow.table({"text": texts, "label": [row % 2 for row in some]}))
    environment = os.environ | {"TCSTUDY_DATA": str(folder), "TCSTUDY_CACHE": str(folder / "cache")}
    ended = subprocess.run(
        [sys.executable, "-c", WATCHED + program], capture_output=True, text=True, env=environment, check=True
    )
    read, megabytes = map(int, ended.stdout.split())
    assert read == documents
    return megabytes


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to tell a process's memory")
@pytest.mark.parametrize("program", [PRETRAINING, FINE_TUNING], ids=["pre-training", "fine-tuning"])
def test_ten_times_the_corpus_takes_the_same_memory(program, tmp_path):
    few, many = (peak(program, tmp_path / str(documents), documents) for documents in (6_000, 60_000))
    assert many - few < 40, (few, many)
