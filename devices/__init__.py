"""Reaching hardware and understanding it: inventory, transports, work folder, facts, lock.

Knows nothing of kernels or results. Import the modules themselves, for example
`from bnnbench.devices.transport import connect`; importing this package loads none of them.
"""
