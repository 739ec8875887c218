-- What was added to counters is found by the counter: a batch with a floor reads it. Older programs ignore the index.
CREATE INDEX counter_parts_of ON tillgate.counter_parts (grp, name);
