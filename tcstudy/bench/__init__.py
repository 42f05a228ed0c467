"""How fast the study is: beside Hugging Face's `Trainer` on the same work, at its start, and as the work grows."""
