import { AppError } from '../../lib/errors.ts'
import { makeSchemaChecker } from '../../lib/json-schema/schema-checker.ts'
import { makeLru } from '../../lib/memory/lru.ts'
import type { OfferedActivity } from '../../model/workers/worker.ts'
import type { Queries } from '../../store/database/database.ts'
import { findOffer } from '../../store/workers/workers.ts'

/** For so long a process does not see that workers offer something else. */
const keptMs = 2_000
const mostKept = 1_000
const mostComparisons = 500_000
const shownIssues = 5

/** An activity as the newest worker offers it to a collection. */
interface Offered {
  activity: OfferedActivity
  isOnline: boolean
}

export type FindOffered = (activity: string, collectionId: number) => Promise<Offered | undefined>

/** Makes the look-up of offered activities. It remembers them for a moment, since each queued job asks. */
export const makeFindOffered = (database: Queries): FindOffered => {
  const known = makeLru<string, { found: Promise<Offered | undefined> }>(mostKept, { ttl: keptMs })
  const read = async (activity: string, collectionId: number): Promise<Offered | undefined> => {
    const row = await findOffer(database, activity, collectionId)
    return row && { activity: JSON.parse(row.definition) as OfferedActivity, isOnline: row.is_online }
  }
  return (activity, collectionId) => {
    const key = `${collectionId} ${activity}`
    const kept = known.get(key)
    if (kept) return kept.found
    const found = read(activity, collectionId)
    found.catch(() => known.delete(key))
    known.set(key, { found })
    return found
  }
}

/** Says what of a value violates a schema; undefined: nothing. */
export const violationOf = async (schema: unknown, value: unknown, what: string): Promise<string | undefined> => {
  const issues = await makeSchemaChecker(schema, mostComparisons).issues(value)
  if (issues === undefined) return `${what} take too long to compare with their schema`
  if (issues.length === 0) return undefined
  const shown = issues.slice(0, shownIssues).map(({ path, message }) => `${path.join('.') || what} ${message}`)
  return issues.length > shownIssues ? `${shown.join('; ')}; and more` : shown.join('; ')
}

/** Throws `parameter_invalid` if parameters do not fit what the workers of the activity declare. */
export const requireParameters = async (
  offered: Offered | undefined,
  step: string,
  parameters: Record<string, unknown>,
): Promise<void> => {
  if (!offered) return // nobody has offered it yet: the first worker looks at them
  const { name, parameters: schema } = offered.activity
  const violation = await violationOf(schema, parameters, 'the parameters')
  if (violation === undefined) return
  throw new AppError('parameter_invalid', `Step '${step}': the parameters do not fit ${name}: ${violation}`, {
    hint: `GET /api/v1/step-templates/${name} lists the parameters that its workers declare.`,
  })
}
