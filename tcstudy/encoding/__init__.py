"""From text to the token ids that an encoder sees."""
