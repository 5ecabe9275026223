import type { RunAddress } from './run.ts'

/** The keys of everything that pages ask for, so that one place knows what a change makes stale. */
export const keys = {
  whoami: ['whoami'],
  collections: ['collections'],
  pauses: (collection: string) => ['pauses', collection],
  tasks: (collection: string) => ['tasks', collection],
  task: (collection: string, task: string) => ['task', collection, task],
  /** Lists of runs of a collection; with a task and a query one of them. */
  runs: (collection: string, task?: string, query?: unknown) =>
    query === undefined ? ['runs', collection] : ['runs', collection, task ?? '', query],
  run: (collection: string, task: string, id: string) => ['run', collection, task, id],
  /** Inputs and outputs of the steps of a run, or of one step. */
  stepValues: ({ collection, task, id }: RunAddress, step?: string) =>
    step === undefined ? ['step', collection, task, id] : ['step', collection, task, id, step],
  /** The log of a run, or of one step. */
  runLog: ({ collection, task, id }: RunAddress, step?: string) =>
    step === undefined ? ['log', collection, task, id] : ['log', collection, task, id, step],
  /** What the agents of a run did, or the agent of one step. */
  transcripts: ({ collection, task, id }: RunAddress, step?: string) =>
    step === undefined ? ['transcript', collection, task, id] : ['transcript', collection, task, id, step],
  /** Approvals of all collections: lists, and how many wait. */
  approvals: ['approvals'],
  labels: (collection: string) => ['labels', collection],
  datasets: (collection: string) => ['datasets', collection],
  dataset: (collection: string, dataset: string) => ['dataset', collection, dataset],
  views: (collection: string) => ['views', collection],
} as const
