"""Studies: experiments whose many small runs would be slow one by one, computed together; one folder a study.

A study keeps one JSON record for each setting in `<results>/studies/<study>/`, computes only the settings that are
missing, and draws its figures and tables from the records.
"""
