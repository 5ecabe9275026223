-- Two indexes that said the same as others: `runs_sealed_webhook` is `runs_webhook_sealed`, and runs that have failed
-- below another one stand in `runs_children_unusual`.
drop index runs_webhook_sealed;
drop index runs_failed_children;
