import { rerunRequest } from '../api/rerun/request.ts'
import type { RerunRunsDeps } from '../bulk-actions/rerun-runs.ts'
import type { Database } from '../database/database.ts'
import type { Engine } from '../engine/engine.ts'
import { AppError } from '../lib/errors.ts'
import { uncounted } from '../store/runs/large-values.ts'
import { findHomeOfTask } from '../store/tasks/tasks.ts'

/** Makes the requests with which bulk actions repeat runs, in the collection and task that a run belongs to now. */
export const makeRerunOf =
  (deps: { database: Database; engine: Pick<Engine, 'planRerun'> }): RerunRunsDeps['rerunOf'] =>
  async (source, change, author) => {
    const home = await findHomeOfTask(deps.database, source.task_id)
    if (!home) throw new AppError('not_found', 'Its task was deleted, so the run cannot be run again')
    return rerunRequest(deps, { ...home, source }, { mode: 'run', ...change }, { author, take: uncounted })
  }
