"""The benchmark of tacq-sweep beside other orchestrators; `benches/orchestrators.py` is its command."""
