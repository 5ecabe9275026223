import { createHash } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { ActivityRegistry } from '../../activities/activity.ts'
import type { Queries } from '../../database/database.ts'
import type { Workflow } from '../../model/workflows/workflow.ts'
import { keepDefinition } from '../../store/tasks/definitions.ts'
import { compileWorkflow, type Program, type ProgramLimits } from './program.ts'

/** Maximum characters of cached compiled definitions; the least recently used are evicted first. */
const cacheCharacters = 16 * 1024 * 1024

/** Compiled workflows. Runs of one definition share one program. */
export interface Programs {
  /** Returns the program of a definition, by the hash of its text. */
  of(hash: string): Promise<Program>
  /** Compiles the JSON text of a workflow. */
  compile(text: string): Program
}

export const makePrograms = (database: Queries, activities: ActivityRegistry, limits: ProgramLimits): Programs => {
  const cache = new LRUCache<string, Program>({
    maxSize: cacheCharacters,
    ignoreFetchAbort: true, // waiters get the program even if it does not fit into the cache any more
    async fetchMethod(hash, _stale, { options }) {
      const [row] = await database.rows<{ workflow: string }>(
        'definition',
        'select workflow from definitions where hash = $1',
        [hash],
      )
      const text = row?.workflow ?? '{}'
      options.size = text.length
      return compile(text)
    },
  })

  const compile = (text: string): Program => compileWorkflow(JSON.parse(text) as Workflow, activities, limits)

  return {
    compile,
    of: (hash) => cache.forceFetch(hash),
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
  const [row] = await database.rows<{ workflow: string }>(
    'definition',
    'select workflow from definitions where hash = $1',
    [hash],
  )
  const shown = scrub(row?.workflow ?? '{}')
  if (!row || shown === row.workflow) return null
  const shownHash = createHash('sha256').update(shown).digest('hex')
  await keepDefinition(database, { hash: shownHash, workflow: shown })
  return shownHash
}
