"""What commands do beside a run: calibrate, check, baselines, profile, peak, infer, restore."""
