"""Where texts come from: the local data folder, package-index wheels, the hub; and how they are split."""
