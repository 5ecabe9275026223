import type { ActivitySettings } from '../../model/workflows/activity-settings.ts'
import { workflowParameters } from '../../model/workflows/workflow-parameters.ts'
import type { Queries } from '../../store/database/database.ts'
import type { AwaitedWork, DatabaseWatch } from '../../store/database/watch.ts'
import type { Engine, StartedRun } from '../engine.ts'
import { outlineOf } from '../program/outline.ts'
import type { Program } from '../program/program.ts'
import type { Programs } from '../program/programs.ts'
import { checkWorkflow } from './check-workflow.ts'
import { planTry } from './plan-try.ts'
import { mayAskModels, preflight } from './preflight.ts'
import { planRerun } from './rerun.ts'
import { scriptFaults } from './script-faults.ts'
import { checkStart, type Starter, startRun } from './start.ts'

interface StartsDeps extends Starter {
  programs: Programs
  /** Connections of requests: their queries fail while Postgres is away. */
  requestDatabase: Queries
  activitySettings: ActivitySettings
  /** Fails at once while the database takes no writes. */
  watch: Pick<DatabaseWatch, 'whileUp'>
}

/** The part of the engine that starts runs, and checks them before. */
export interface Starts
  extends Pick<
    Engine,
    | 'start'
    | 'checkStart'
    | 'planRerun'
    | 'settled'
    | 'preflight'
    | 'mayAskModels'
    | 'parametersOf'
    | 'problems'
    | 'check'
    | 'planTry'
  > {
  /** Runs accepted so far. */
  readonly accepted: number
}

const parametersByProgram = new WeakMap<Program, { names: readonly string[] | undefined }>()

const parametersOf = (program: Program): readonly string[] | undefined => {
  const known = parametersByProgram.get(program) ?? { names: workflowParameters(program.workflow) }
  parametersByProgram.set(program, known)
  return known.names
}

export const makeStarts = (deps: StartsDeps): Starts => {
  const { requestDatabase, programs, watch } = deps
  const underWay = new Set<Promise<StartedRun>>()
  let accepted = 0
  return {
    get accepted() {
      return accepted
    },
    async start(request) {
      const start = watch.whileUp((attempt: AwaitedWork) => startRun(deps, request, attempt))
      underWay.add(start)
      try {
        const run = await start
        accepted++
        return run
      } finally {
        underWay.delete(start)
      }
    },
    checkStart: (request) => watch.whileUp(() => checkStart(deps, request)),
    planRerun: (wanted) => watch.whileUp(() => planRerun(requestDatabase, programs, wanted)),
    settled: async () => void (await Promise.allSettled(underWay)),
    preflight: (planned) => watch.whileUp(() => preflight(deps, planned)),
    mayAskModels: async (definition) => (await programs.of(definition)).steps.some(mayAskModels),
    parametersOf: async (definition) => parametersOf(await programs.of(definition)),
    problems: async (workflow) => (await programs.compile(workflow)).problems.map(({ message }) => message),
    planTry: (workflow, wanted) => planTry(programs, workflow, wanted),
    async check(workflow, home) {
      const program = await programs.compile(workflow)
      const faults = await checkWorkflow(requestDatabase, workflow, program, home, deps.activitySettings)
      faults.push(...(await scriptFaults(deps.checkScript, program)))
      return { faults, outline: () => outlineOf(workflow, program) }
    },
  }
}
