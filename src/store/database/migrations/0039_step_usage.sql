-- What the model calls of a step used, as JSON text {prompt_tokens, completion_tokens, total_tokens, cost_usd}: of all its
-- attempts, failed ones included. null: it called no model, or was recorded before this was noted.
alter table steps add column usage text;
