// A promise of the contract is kept only by a test that asks the server for what was promised.
import { subscribe } from 'node:diagnostics_channel'
import { appendFileSync } from 'node:fs'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { test as run } from 'vitest'
import { contract } from '../../src/api/contract.ts'
import type { Endpoint } from '../../src/http/endpoint.ts'
import { makeRouter, splitTarget } from '../../src/http/router.ts'

export type OperationName = keyof typeof contract

/** Every name of a client's call, and the operation that it asks for: one of them, where several would do. */
export const promisedCalls = {
  /** Functions of the command line client; `jetty_help` needs no server. */
  cli: {
    jetty_health: ['getHealth'],
    jetty_collections: ['listCollections'],
    jetty_collection: ['getCollection'],
    jetty_tasks: ['listTasks'],
    jetty_task: ['getTask'],
    jetty_workflow: ['getTask'],
    jetty_create_task: ['createTask'],
    jetty_update_task: ['updateTask'],
    jetty_delete_task: ['deleteTask'],
    jetty_run: ['runTask'],
    jetty_run_sync: ['runTaskSync'],
    jetty_run_with_file: ['runTask', 'runTaskSync'],
    jetty_logs: ['getWorkflowLogs'],
    jetty_trajectories: ['listTrajectories'],
    jetty_trajectory: ['getTrajectory'],
    jetty_last_output: ['listTrajectories'],
    jetty_stats: ['getStats'],
    jetty_templates: ['listStepTemplates'],
    jetty_template: ['getStepTemplate'],
    jetty_search_templates: ['listStepTemplates'],
    jetty_datasets: ['listDatasets'],
    jetty_models: ['listModels'],
    jetty_chat: ['runTaskSync', 'runTask'],
  },
  /** Methods of the SDK. */
  sdk: {
    listCollections: ['listCollections'],
    getCollection: ['getCollection'],
    getCollectionEnvironment: ['getEnvironment'],
    setEnvironmentVars: ['setEnvironment'],
    listTasks: ['listTasks'],
    getTask: ['getTask'],
    createTask: ['createTask'],
    updateTask: ['updateTask'],
    deleteTask: ['deleteTask'],
    getTrialStatus: ['getTrial'],
    activateTrial: ['activateTrial'],
    runWorkflow: ['runTask'],
    runWithFiles: ['runTask', 'runTaskSync'],
    runWorkflowSync: ['runTaskSync'],
    runAndWait: ['getTrajectory'],
    listTrajectories: ['listTrajectories'],
    getTrajectory: ['getTrajectory'],
    getStats: ['getStats'],
    ingestTrajectory: ['ingestTrajectory'],
    addLabel: ['addLabel'],
    downloadFile: ['downloadFile'],
    getWorkflowLogs: ['getWorkflowLogs'],
    listStepTemplates: ['listStepTemplates'],
    getStepTemplate: ['getStepTemplate'],
    parseWorkflowId: ['getTrajectory'],
    listRoutines: ['listRoutines', 'listTaskRoutines'],
    getRoutine: ['getRoutine'],
    createRoutine: ['createRoutine'],
    updateRoutine: ['updateRoutine'],
    deleteRoutine: ['deleteRoutine'],
    pauseRoutine: ['pauseRoutine'],
    resumeRoutine: ['resumeRoutine'],
    runRoutineNow: ['runRoutineNow'],
    listRoutineRuns: ['listRoutineRuns'],
    gradeWithJetty: ['runTask', 'runTaskSync'],
  },
  /** Tools of the MCP server. */
  mcp: {
    'list-collections': ['listCollections'],
    'get-collection': ['getCollection'],
    'list-tasks': ['listTasks'],
    'get-task': ['getTask'],
    'create-task': ['createTask'],
    'update-task': ['updateTask'],
    'get-trial-status': ['getTrial'],
    'activate-trial': ['activateTrial'],
    'run-workflow': ['runTask'],
    'run-workflow-sync': ['runTaskSync'],
    'list-trajectories': ['listTrajectories'],
    'get-trajectory': ['getTrajectory'],
    'get-stats': ['getStats'],
    'add-label': ['addLabel'],
    'list-step-templates': ['listStepTemplates'],
    'get-step-template': ['getStepTemplate'],
    'check-secrets': ['getEnvironment', 'getCollection'],
    'set-environment-vars': ['setEnvironment'],
    'list-routines': ['listRoutines', 'listTaskRoutines'],
    'get-routine': ['getRoutine'],
    'create-routine': ['createRoutine'],
    'update-routine': ['updateRoutine'],
    'delete-routine': ['deleteRoutine'],
    'pause-routine': ['pauseRoutine'],
    'resume-routine': ['resumeRoutine'],
    'run-routine-now': ['runRoutineNow'],
    'list-routine-runs': ['listRoutineRuns'],
  },
} as const satisfies Record<string, Record<string, readonly [OperationName, ...OperationName[]]>>

const calls = new Map<string, readonly OperationName[]>(
  Object.values(promisedCalls).flatMap((names) => Object.entries(names)),
)

/** Names as words of their own: `get-task` is not found in `get-tasks`. */
export const wordsOf = (title: string): string[] => title.split(/[^\w-]+/)

/** What the test of a title has to have asked for and has not; nothing where it kept its promises. */
export const notAsked = (title: string, asked: ReadonlySet<string>): string[] => {
  const missing = wordsOf(title).flatMap((word) => {
    const operations = calls.get(word)
    return operations && !operations.some((one) => asked.has(one)) ? [`${word}: ${operations.join(' or ')}`] : []
  })
  return asked.size === 0 ? ['any operation', ...missing] : missing
}

const router = makeRouter<string>()
for (const [name, { method, path, aliases }] of Object.entries(contract) as [string, Endpoint][]) {
  for (const each of [path, ...aliases]) router.add(method, each, name)
}

const ports = new Set<number>()
let asked = new Set<string>()
/** A request whose connection has gone has no port any more when its answer ends. */
const counted = new WeakSet<IncomingMessage>()
subscribe('http.server.request.start', (message) => {
  const { request } = message as { request: IncomingMessage }
  if (!ports.has(request.socket.localPort ?? 0)) return
  counted.add(request)
  const segments = splitTarget(request.url ?? '')
  const found = segments && router.find(request.method ?? '', segments)
  if (found && 'value' in found) asked.add(found.value)
})

/** Requests of a test and their statuses, as the page of compatibility shows them: ids are left out, each once. */
let answered = new Set<string>()
subscribe('http.server.response.finish', (message) => {
  const { request, response } = message as { request: IncomingMessage; response: ServerResponse }
  if (!counted.has(request)) return
  const target = (request.url ?? '').split('?', 1)[0]?.replace(/\b(?=[0-9a-f-]*\d)[0-9a-f-]{8,36}\b/g, '…')
  answered.add(`${request.method} ${target} → ${response.statusCode}`)
})

/** File that `npm run compat` collects the outcomes in, one JSON object a line. */
const outcomes = process.env.COMPAT_OUTCOMES

const note = (title: string, failure?: unknown): void => {
  if (outcomes === undefined) return
  const reason = failure === undefined ? null : String(failure instanceof Error ? failure.message : failure)
  appendFileSync(outcomes, `${JSON.stringify({ title, asked: [...answered], reason })}\n`)
}

/** Counts the requests that a server of this process gets, whoever sends them. */
export const countRequests = (url: string): void => {
  ports.add(Number(new URL(url).port))
}

/** Promises of what works on a machine without a server. */
const onThisMachine = /^row 48: on this machine /

/** A test of promises: it fails where it asks the server for nothing, or not for what its title names. */
export const test = (title: string, keep: () => Promise<void>, timeout?: number): void => {
  run(
    title,
    async () => {
      asked = new Set()
      answered = new Set()
      try {
        await keep()
        const missing = onThisMachine.test(title) ? [] : notAsked(title, asked)
        if (missing.length > 0) throw new Error(`This test never asked the server for ${missing.join(', ')}`)
      } catch (error) {
        note(title, error)
        throw error
      }
      note(title)
    },
    timeout,
  )
}
