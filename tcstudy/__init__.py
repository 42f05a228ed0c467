"""tcstudy: the experiments of "How to Fine-Tune BERT for Text Classification?", with intervals.

Importing the package loads neither torch nor transformers; the rooms below it do when they are used.
"""

__version__ = "0.2.0"
