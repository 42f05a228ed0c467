"""From token ids to logits."""
