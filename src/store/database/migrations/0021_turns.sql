-- The turn of the loop in which a step was carried out: from the second on it is part of the step's name. null: the first.
alter table steps add column turn int;
