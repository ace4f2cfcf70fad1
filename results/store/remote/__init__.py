"""A store in object storage: a local mirror of it, which is a store folder, and what is exchanged between the two."""
