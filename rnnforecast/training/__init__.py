"""Fit networks: choose the recipe from the data, run the loop, keep the budget."""
