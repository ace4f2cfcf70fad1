"""The lab: devices of several hosts, shared by a team over Dask distributed. Needs the extra bnnbench[lab]."""
