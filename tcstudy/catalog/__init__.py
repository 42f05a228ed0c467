"""What exists: a row of facts for each data set, encoder, wheel and profile."""
