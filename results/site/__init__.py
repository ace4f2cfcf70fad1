"""The site: static pages of a store."""
