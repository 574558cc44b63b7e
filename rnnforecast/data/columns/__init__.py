"""The role of each column: time, target, id or covariate."""
