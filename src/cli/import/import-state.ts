import { appendFileSync, existsSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { AppError } from '../../lib/errors.ts'
import { isObject, parsedObject } from '../../lib/json/json-object.ts'

/** Problems that a report lists; more are only counted. */
const mostProblems = 1_000

/** How far the runs of a task are copied. */
interface TaskProgress {
  /** Page to read next: a cursor, or a number for servers without cursors. Absent before the first page. */
  next?: string
  /** Creation time of the newest run that was copied, while pages are left. */
  newest?: string
  /** Set when all runs of the source were copied: creation time of the newest of them. */
  completeUpTo?: string
}

/** What was copied and what was not. A later import continues from it. */
export interface ImportState {
  from: string
  to: string
  started: string
  finished: string | null
  counts: Record<string, number>
  /** Variables whose values the source does not show, by collection: set them by hand. */
  variables_to_set: Record<string, string[]>
  problems: { at: string; problem: string }[]
  problems_total: number
  tasks: Record<string, TaskProgress>
  /** Paths of copied files by their paths at the source. */
  files: Record<string, string>
}

const newState = (from: string, to: string): ImportState => ({
  ...{ from, to, started: new Date().toISOString(), finished: null, counts: {}, variables_to_set: {} },
  ...{ problems: [], problems_total: 0, tasks: {}, files: {} },
})

/** An import in progress. */
export interface ImportLog {
  readonly state: ImportState
  count(what: string): void
  problem(at: string, problem: string): void
  /** Notes where the copy of a file is. */
  noteFile(path: string, copy: string): void
  noteTask(name: string, progress: TaskProgress): void
  /** Appends what came since the last time to a file beside the report, in a time that does not grow with the import. */
  save(): void
  /** Writes the whole report, and removes the file beside it. */
  close(): void
}

/** What one call of `save` appends: new files and tasks, and the present totals. `started` says of which import. */
type ImportChange = Pick<ImportState, 'started' | 'files' | 'tasks' | 'counts' | 'variables_to_set'>

const writeReport = (path: string, state: ImportState): void => {
  writeFileSync(`${path}.new`, `${JSON.stringify(state, null, 2)}\n`, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

const progressFile = (path: string): string => `${path}.progress`

/**
 * Adds what an import appended that was killed. Left out are a line that it could not finish, and the progress of another
 * import, whose report was moved away.
 */
const addProgress = (path: string, state: ImportState): void => {
  if (!existsSync(progressFile(path))) return
  for (const line of readFileSync(progressFile(path), 'utf8').split('\n')) {
    const change = parsedObject(line) as ImportChange | undefined
    if (change?.started !== state.started || !isObject(change.files) || !isObject(change.tasks)) continue
    Object.assign(state.files, change.files)
    Object.assign(state.tasks, change.tasks)
    state.counts = change.counts
    state.variables_to_set = change.variables_to_set
  }
}

const readState = (path: string, from: string, to: string): ImportState => {
  if (!existsSync(path)) return newState(from, to)
  const found = parsedObject(readFileSync(path, 'utf8'))
  if (!found || !isObject(found.tasks) || !isObject(found.files)) {
    throw new AppError('invalid', `${path} is no report of an import`, { hint: 'Name another file with --report.' })
  }
  if (found.from !== from || found.to !== to) {
    throw new AppError('conflict', `${path} is the report of an import from ${found.from} to ${found.to}`, {
      hint: 'Name another file with --report, or move this one away.',
    })
  }
  const fresh = newState(from, to)
  return { ...fresh, ...(found as unknown as ImportState), finished: null, problems: [], problems_total: 0 }
}

/** Opens the report at `path`, and continues the import that it is about. Problems are listed anew each time. */
export const openImportLog = (path: string, from: string, to: string): ImportLog => {
  const state = readState(path, from, to)
  addProgress(path, state)
  const close = (): void => {
    writeReport(path, state)
    rmSync(progressFile(path), { force: true })
  }
  close()
  let files: ImportState['files'] = {}
  let tasks: ImportState['tasks'] = {}
  return {
    state,
    count: (what) => {
      state.counts[what] = (state.counts[what] ?? 0) + 1
    },
    problem: (at, problem) => {
      state.problems_total++
      if (state.problems.length < mostProblems) state.problems.push({ at, problem })
    },
    noteFile: (original, copy) => {
      state.files[original] = copy
      files[original] = copy
    },
    noteTask: (name, progress) => {
      state.tasks[name] = progress
      tasks[name] = progress
    },
    save: () => {
      const { started, counts, variables_to_set } = state
      const change: ImportChange = { started, files, tasks, counts, variables_to_set }
      appendFileSync(progressFile(path), `${JSON.stringify(change)}\n`, { mode: 0o600 })
      files = {}
      tasks = {}
    },
    close,
  }
}
