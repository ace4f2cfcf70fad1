"""The Python interface: what `import bnnbench` offers, a file for each noun."""
