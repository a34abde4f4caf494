"""The node's gate: what all answers together tell about one unit, kept so that nobody can set it back.

``audit``      what a job calls: ready, judge, store, adopt; one lock around the four
``domain``     all that is known of one unit domain, as a value: judging makes the next one
``places``     units and their records get a place for ever; a record is (unit, print), never a secret value
``partitions`` which base each record lies in, for every partition that was asked about
``system``     one system of rows: a Cholesky factor that only grows, leverages of records and units
``greedy``     which new cells have to stay out so that no unit is beyond its limit
``bounds``     what a question adds at most to each unit, cheap and from above
``exact``      largest eigenvalues, for the few units whose bound is not enough
``pieces``     encrypted, chained, append-only storage; its head is the *state digest*
``vetoes``     how often rules that look at secret values closed a cell
``seeds``      the noise key, and the seed of each question
"""
