import { createHash } from 'node:crypto'
import { invalidField } from '../../lib/errors.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Item } from '../batches/items.ts'

/** Items of an evaluation, separated: parameters of the runs, expected results for the judges, and item keys. */
interface EvaluatedItems {
  runs: Item[]
  /** Undefined when no item states an expected result. */
  expected: unknown[] | undefined
  keys: string[]
}

const hashCharacters = 16
const longestKey = 200

const hashOf = (item: Item): string =>
  createHash('sha256').update(canonicalJson(item)).digest('hex').slice(0, hashCharacters)

const idOf = ({ id }: Item, at: number): string | undefined => {
  if (id === undefined || id === null || id === '') return undefined
  if ((typeof id === 'string' || typeof id === 'number') && String(id).length <= longestKey) return String(id)
  throw invalidField(
    ['body', 'items', at, 'id'],
    `Item ${at} needs a text or a number of at most ${longestKey} characters as its id`,
  )
}

/**
 * Separates items. An item is matched across evaluations by its `id`, or by the hash of its parameters; a repeated key
 * becomes `…#2`. `expected` is for the judges only: the run must not see the answer. Items of a dataset have their ids
 * beside them.
 */
export const takeApart = (items: readonly Item[], known?: readonly string[]): EvaluatedItems => {
  const seen = new Map<string, number>()
  const ids = new Map<string, number>()
  const runs: Item[] = []
  const keys: string[] = []
  for (const [at, { expected: _, ...run }] of items.entries()) {
    const id = known ? known[at] : idOf(run, at)
    const earlier = id === undefined ? undefined : ids.get(id)
    if (earlier !== undefined) {
      throw invalidField(['body', 'items', at, 'id'], `Items ${earlier} and ${at} have the same id '${id}'`)
    }
    if (id !== undefined) ids.set(id, at)
    const key = id ?? hashOf(run)
    const times = (seen.get(key) ?? 0) + 1
    seen.set(key, times)
    runs.push(run)
    keys.push(times === 1 ? key : `${key}#${times}`)
  }
  // an empty CSV cell means "not given"
  const expected = items.map(({ expected }) => (expected === '' ? null : (expected ?? null)))
  return { runs, keys, expected: expected.some((one) => one !== null) ? expected : undefined }
}
