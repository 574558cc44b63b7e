"""Covariates: known ahead, categorical, or made from the calendar."""
