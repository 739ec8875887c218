-- What was added to counters is found by the counter: a batch with a floor reads it. Older programs ignore the index.
CREATE INDEX counter_parts_of ON tillgate.counter_parts (grp, name);

-- Counters are listed in the order of the bytes of their names.
CREATE INDEX counters_by_name ON tillgate.counters (grp, name COLLATE "C");
