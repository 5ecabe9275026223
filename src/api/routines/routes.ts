import { runOfRoutine } from '../../background/routines/run-of-routine.ts'
import type { Engine } from '../../engine/engine.ts'
import { implement, type Route } from '../../http/implement.ts'
import type { Sealer } from '../../lib/secrets/crypto.ts'
import { authorOf } from '../../model/collections/identity.ts'
import { refusesUnservable } from '../../model/runs/preflight.ts'
import type { Database } from '../../store/database/database.ts'
import { deleteRoutine, findRunnableRoutine, routinesOfCollection, routinesOfTask } from '../../store/routines.ts'
import { acceptedReply } from '../runs/accepted.ts'
import { startRunOnce } from '../runs/start-once.ts'
import type { DocumentDeps } from '../trajectories/documents.ts'
import { runsOfRoutine } from '../trajectories/list.ts'
import { addRoutine, changeRoutine } from './change.ts'
import { routinesContract } from './contract.ts'
import { getRoutine, missingRoutine, type RoutineCall, taskOf } from './find.ts'
import { routineFires } from './fires.ts'
import { routineList, taggedRoutine } from './shown.ts'

export interface RoutinesDeps extends DocumentDeps {
  database: Database
  engine: Engine
  sealer: Sealer
  settings: { maxInitParamsBytes: number; allowPrivateNetwork: string[] }
  /** Milliseconds since 1970. */
  clock(): number
}

export const routinesRoutes = (deps: RoutinesDeps): Route[] => {
  const { database, sealer } = deps
  const get = (call: RoutineCall) => getRoutine(database, taskOf(call), call.params.name)

  return implement(routinesContract, {
    listRoutines: async ({ collection, query }) =>
      routineList((part) => routinesOfCollection(database, collection.id, part), query),

    listTaskRoutines: async (call) => {
      const { id } = taskOf(call)
      return routineList((part) => routinesOfTask(database, id, part), call.query)
    },

    getRoutine: async (call) => taggedRoutine(call, await get(call)),

    createRoutine: (call) => addRoutine(deps, call, call.body),

    updateRoutine: (call) => changeRoutine(deps, call, call.body),

    deleteRoutine: async (call) => {
      const { id, name } = await get(call)
      if (!(await deleteRoutine(database, id))) throw missingRoutine(name, taskOf(call))
      return { ok: true as const }
    },

    pauseRoutine: async (call) => ({ ok: true as const, ...(await changeRoutine(deps, call, { paused: true })) }),

    resumeRoutine: async (call) => ({ ok: true as const, ...(await changeRoutine(deps, call, { paused: false })) }),

    runRoutineNow: async (call) => {
      const request = async () => {
        const { id, name } = await get(call)
        const routine = await findRunnableRoutine(database, id)
        if (!routine) throw missingRoutine(name, taskOf(call))
        const unservable = refusesUnservable(call) ? 'refuse' : 'record'
        const made = await runOfRoutine({ database, sealer }, routine, { author: authorOf(call.identity) })
        return { ...made, unservable } as const
      }
      const run = await startRunOnce(deps, { call, sent: [], prepare: request })
      return acceptedReply(deps, run, call.memory)
    },

    getRoutineFires: async (call) => routineFires(database, await get(call), call.query),

    listRoutineRuns: async (call) => {
      const { id, task_id: taskId } = await get(call)
      return runsOfRoutine(deps, { taskId, routineId: id }, call.query, call.memory)
    },
  })
}
