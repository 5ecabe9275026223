/** What is entered about a judge. */
export interface JudgeEntry {
  name: string
  instruction: string
  model: string
  kind: 'binary' | 'scale' | 'categories'
  min: string
  max: string
  /** Categories, one per line; `+` before one means that it passes. */
  categories: string
  /** Lowest mean that passes; empty: none. */
  lowest: string
}

export const emptyJudge = (name: string): JudgeEntry => ({
  ...{ name, instruction: '', model: '', kind: 'binary' },
  ...{ min: '1', max: '10', categories: '', lowest: '' },
})

/** A judge as the API takes it. */
interface SentJudge {
  name: string
  instruction: string
  model: string
  binary?: true
  scale?: { min: number; max: number }
  categories?: string[]
  pass?: string[]
}

const linesOf = (text: string): string[] =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')

/** The judge that an entry describes. */
export const judgeOf = ({ name, instruction, model, kind, min, max, categories }: JudgeEntry): SentJudge => {
  const common = { name: name.trim(), instruction: instruction.trim(), model: model.trim() }
  if (kind === 'binary') return { ...common, binary: true }
  if (kind === 'scale') return { ...common, scale: { min: Number(min), max: Number(max) } }
  const lines = linesOf(categories)
  const bare = (line: string) => line.replace(/^\+\s*/, '')
  const pass = lines.filter((line) => line.startsWith('+')).map(bare)
  return { ...common, categories: lines.map(bare), ...(pass.length > 0 ? { pass } : {}) }
}

const isNumber = (text: string): boolean => text.trim() !== '' && Number.isFinite(Number(text))

/** What is missing in an entry, by the name of its field; the server checks the rest. */
export const judgeErrors = (entry: JudgeEntry): Partial<Record<keyof JudgeEntry, string>> => ({
  ...(/^[a-z0-9]+(?:[-_][a-z0-9]+)*$/.test(entry.name.trim())
    ? {}
    : { name: 'Small letters, digits and single hyphens, such as tone-of-voice' }),
  ...(entry.instruction.trim() === '' ? { instruction: 'Say what it judges by' } : {}),
  ...(entry.model.trim() === '' ? { model: 'Name the model that judges' } : {}),
  ...(entry.kind === 'scale' && !(isNumber(entry.min) && isNumber(entry.max) && Number(entry.min) < Number(entry.max))
    ? { max: 'Two numbers, the lowest first' }
    : {}),
  ...(entry.kind === 'categories' && linesOf(entry.categories).length < 2
    ? { categories: 'At least two, one per line' }
    : {}),
  ...(entry.lowest.trim() !== '' && !isNumber(entry.lowest) ? { lowest: 'A number, or nothing' } : {}),
})

/** The thresholds that entries ask for, by judge. */
export const thresholdsOf = (entries: readonly JudgeEntry[]): Record<string, { min_mean: number }> =>
  Object.fromEntries(
    entries
      .filter(({ lowest }) => isNumber(lowest))
      .map(({ name, lowest }) => [name.trim(), { min_mean: Number(lowest) }]),
  )
