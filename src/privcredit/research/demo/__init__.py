"""The demonstration: German Credit over nine real node processes, compared with the plaintext scorecard."""
