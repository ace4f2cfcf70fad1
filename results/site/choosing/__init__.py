"""What the models page shows: choices of one device and data set, and the budgets that choose among them."""
