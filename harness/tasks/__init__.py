"""What commands do beside a run: calibrate, check, baselines, profile and its roofline, peak, infer, restore."""
