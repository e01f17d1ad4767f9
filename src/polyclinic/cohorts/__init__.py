"""Index times and labels: the task language, its plan, its execution, and who fell out where."""
