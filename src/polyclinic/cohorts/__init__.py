"""Who is asked, when, and what happened: the task language, its plan, its execution, and who fell out where."""
