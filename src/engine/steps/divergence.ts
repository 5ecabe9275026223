import { isObject } from '../../lib/json/json-object.ts'
import { canonicalJson } from '../../lib/json/json-text.ts'
import type { Divergence } from '../../model/runs/error-record.ts'

interface Difference {
  path: string
  recorded: unknown
  replayed: unknown
}

const nothing = Symbol('nothing')

/** Depth first, in the order of the recording; undefined where both are the same JSON, whatever the order of keys. */
const firstDifference = (recorded: unknown, replayed: unknown, path = ''): Difference | undefined => {
  if (isObject(recorded) && isObject(replayed)) {
    for (const key of new Set([...Object.keys(recorded), ...Object.keys(replayed)])) {
      const of = (side: Record<string, unknown>) => (Object.hasOwn(side, key) ? side[key] : nothing)
      const difference = firstDifference(of(recorded), of(replayed), path === '' ? key : `${path}.${key}`)
      if (difference) return difference
    }
    return undefined
  }
  if (Array.isArray(recorded) && Array.isArray(replayed)) {
    for (let at = 0; at < Math.max(recorded.length, replayed.length); at++) {
      const of = (side: unknown[]) => (at < side.length ? side[at] : nothing)
      const difference = firstDifference(of(recorded), of(replayed), `${path}[${at}]`)
      if (difference) return difference
    }
    return undefined
  }
  return isSame(recorded, replayed) ? undefined : { path, recorded, replayed }
}

const isSame = (left: unknown, right: unknown): boolean =>
  left !== nothing && right !== nothing && canonicalJson(left) === canonicalJson(right)

/** Characters of a value that are shown, a third of them before the first that differs. */
const shownCharacters = 240
const diffCharacters = 4_000
/** Maximum differing lines that are compared: the time grows with their square. */
const mostEdits = 400

const differsAt = (left: string, right: string): number => {
  const end = Math.min(left.length, right.length)
  for (let at = 0; at < end; at++) if (left.charCodeAt(at) !== right.charCodeAt(at)) return at
  return end
}

const textOf = (value: unknown): string => (value === nothing ? 'nothing' : JSON.stringify(value))

const excerpt = (text: string, around: number): string => {
  if (text.length <= shownCharacters) return text
  const from = Math.max(0, around - shownCharacters / 3)
  const to = from + shownCharacters
  return `${from > 0 ? '…' : ''}${text.slice(from, to)}${to < text.length ? '…' : ''}`
}

/** The lines around the first difference. Undefined if the texts have little in common. */
const linesThatDiffer = async (recorded: string, replayed: string): Promise<string | undefined> => {
  const { createTwoFilesPatch } = await import('diff')
  const around = differsAt(recorded, replayed)
  const from = recorded.lastIndexOf('\n', Math.max(0, around - diffCharacters / 8)) + 1
  const parts = [recorded, replayed].map((text) => text.slice(from, from + diffCharacters))
  // If neither text ends with a line break, its absence is not worth a note.
  const [before = '', after = ''] = parts.some((text) => text.endsWith('\n')) ? parts : parts.map((text) => `${text}\n`)
  const options = { context: 2, maxEditLength: mostEdits }
  const patch = createTwoFilesPatch('recorded', 'replayed', before, after, '', '', options)
  return patch?.slice(patch.indexOf('--- '))
}

/**
 * Describes how inputs or outputs of a step differ from the recording; undefined if they do not. Both are JSON texts as
 * shown, without secrets.
 */
export const divergenceOf = async (
  at: { step: string; in: 'inputs' | 'outputs'; of: string },
  recordedText: string,
  replayedText: string,
): Promise<Divergence | undefined> => {
  if (recordedText === replayedText) return undefined
  const found = firstDifference(JSON.parse(recordedText), JSON.parse(replayedText))
  if (!found) return undefined
  const texts = [textOf(found.recorded), textOf(found.replayed)] as const
  const around = differsAt(...texts)
  const [recorded, replayed] = [excerpt(texts[0], around), excerpt(texts[1], around)]
  const bothText = typeof found.recorded === 'string' && typeof found.replayed === 'string'
  const diff = bothText ? await linesThatDiffer(found.recorded as string, found.replayed as string) : undefined
  const what = at.in === 'inputs' ? 'parameter' : 'output'
  return {
    step: at.step,
    in: at.in,
    message: `${what} '${found.path}' differs from run ${at.of}: it was ${recorded}, and is ${replayed} now`,
    path: found.path,
    recorded,
    replayed,
    ...(diff !== undefined && { diff }),
  }
}
