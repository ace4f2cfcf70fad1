"""Suite files: what to measure. TOML in, a typed `Suite` out."""
