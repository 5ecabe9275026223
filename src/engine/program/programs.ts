import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { ActivityRegistry } from '../../activities/activity.ts'
import { parseLarge } from '../../lib/json/large-json.ts'
import { doInSlices } from '../../lib/slices.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { workflowParameters } from '../../model/workflows/workflow-parameters.ts'
import type { Queries } from '../../store/database/database.ts'
import { definitionText } from '../../store/runs/runs.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { compilePieces, type Program, type ProgramLimits } from './program.ts'

/** Maximum characters of cached compiled definitions; the least recently used are evicted first. */
const cacheCharacters = 32 * 1024 * 1024

/** Compiled workflows. Runs of one definition share one program. */
export interface Programs {
  /** Returns the program of a definition, by the hash of its text. */
  of(hash: string): Promise<Program>
  /** Compiles a workflow. */
  compile(workflow: Workflow): Promise<Program>
}

/** The compiled workflows of a process. Runs and requests share them, and each reads through connections of its own. */
export interface ProgramCache {
  readThrough(queries: Queries): Programs
}

export const makeProgramCache = (activities: ActivityRegistry, limits?: ProgramLimits): ProgramCache => {
  const cache = new LRUCache<string, Program>({ maxSize: cacheCharacters })
  const compile = (workflow: Workflow): Promise<Program> => doInSlices(compilePieces(workflow, activities, limits))
  return {
    readThrough(queries) {
      // Not shared with other connections: runs wait while the database is away, where requests fail.
      const underWay = new Map<string, Promise<Program>>()
      const read = async (hash: string): Promise<Program> => {
        const text = await definitionText(queries, hash)
        const program = cache.get(hash) ?? (await compile((await parseLarge(text)) as Workflow))
        cache.set(hash, program, { size: Math.max(1, text.length) })
        return program
      }
      const readOnce = (hash: string): Promise<Program> => {
        const reading = underWay.get(hash) ?? read(hash).finally(() => underWay.delete(hash))
        underWay.set(hash, reading)
        return reading
      }
      return { compile, of: async (hash) => cache.get(hash) ?? readOnce(hash) }
    },
  }
}

/**
 * Stores a copy of a definition without the secrets of one environment, and returns its hash. Returns null if it holds
 * none.
 */
export const shownDefinition = async (
  database: Queries,
  hash: string,
  scrub: (jsonText: string) => string,
): Promise<string | null> => {
  const text = await definitionText(database, hash)
  const shown = scrub(text)
  if (shown === text) return null
  const shownHash = createHash('sha256').update(shown).digest('hex')
  await keepDefinition(database, { hash: shownHash, workflow: shown })
  return shownHash
}

const parametersByProgram = new WeakMap<Program, { names: readonly string[] | undefined }>()

/** What the runs of a definition take; undefined if they take any. */
export const parametersOf = (program: Program): readonly string[] | undefined => {
  const known = parametersByProgram.get(program) ?? { names: workflowParameters(program.workflow) }
  parametersByProgram.set(program, known)
  return known.names
}
