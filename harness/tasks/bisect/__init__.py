"""`bnnbench bisect`: which commit of a repository changed a figure."""
