"""What records mean: pure functions from records to numbers, tables, figures and sentences."""
