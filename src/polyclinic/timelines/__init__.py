"""Events of subjects in time (MEDS) and rows without times: ingest, quarantine, and what is known when."""
