-- Why a run cannot be served: a JSON record of the error it ends with before its first step; null for all other runs.
alter table runs add column refusal text;
