"""One package per protocol of `protocols/`: messages, steps, programs."""
