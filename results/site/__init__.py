"""The site of a store: static pages, made again only where a run changed them."""
