"""Which rows are abnormal: statistics of several members, made comparable by their tails, under an alarm budget."""
