import { parsedJson } from '../../../../src/lib/json/json-object.ts'
import { readStored, writeStored } from '../../../data/stored.ts'
import { Button, IconButton } from '../../../ui/button.tsx'
import { SelectField, TextArea, TextField } from '../../../ui/field.tsx'

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

interface JudgeFieldsProps {
  entry: JudgeEntry
  errors: ReturnType<typeof judgeErrors>
  onChange: (entry: JudgeEntry) => void
  onRemove: (() => void) | undefined
  hasThreshold: boolean
}

/** A judge: what it judges by, and how it answers. */
const JudgeFields = ({ entry, errors, onChange, onRemove, hasThreshold }: JudgeFieldsProps) => {
  const set =
    (name: keyof JudgeEntry) =>
    ({ target }: { target: { value: string } }) =>
      onChange({ ...entry, [name]: target.value })
  return (
    <fieldset className="flex flex-col gap-3 rounded-m border border-line p-3">
      <legend className="px-1 font-medium text-12 text-muted">Judge {entry.name}</legend>
      <div className="flex gap-3">
        <TextField
          label="Name"
          boxClass="flex-1"
          isCode
          value={entry.name}
          onChange={set('name')}
          error={errors.name}
        />
        <TextField
          label="Model"
          boxClass="flex-1"
          isCode
          placeholder="gpt-5.5"
          value={entry.model}
          onChange={set('model')}
          error={errors.model}
        />
        {onRemove && <IconButton icon="cross" label={`Remove judge ${entry.name}`} onClick={onRemove} />}
      </div>
      <TextArea
        label="Judges by"
        placeholder="Would a newcomer understand it?"
        value={entry.instruction}
        onChange={set('instruction')}
        error={errors.instruction}
      />
      <SelectField
        label="Answers with"
        value={entry.kind}
        onChange={set('kind')}
        options={[
          ['binary', 'yes or no'],
          ['scale', 'a score'],
          ['categories', 'a category'],
        ]}
      />
      {entry.kind === 'scale' && (
        <div className="flex gap-3">
          <TextField label="Lowest score" boxClass="flex-1" value={entry.min} onChange={set('min')} />
          <TextField
            label="Highest score"
            boxClass="flex-1"
            value={entry.max}
            onChange={set('max')}
            error={errors.max}
          />
        </div>
      )}
      {entry.kind === 'categories' && (
        <TextArea
          label="Categories"
          placeholder={'+ solved\npartly\nevaded'}
          hint="One per line; + before those that are good"
          value={entry.categories}
          onChange={set('categories')}
          error={errors.categories}
        />
      )}
      {hasThreshold && (
        <TextField
          label="Lowest mean that passes"
          placeholder="none"
          hint={entry.kind === 'scale' ? undefined : 'A share, such as 0.9'}
          value={entry.lowest}
          onChange={set('lowest')}
          error={errors.lowest}
        />
      )}
    </fieldset>
  )
}

interface JudgeListProps {
  judges: readonly JudgeEntry[]
  onChange: (judges: readonly JudgeEntry[]) => void
  /** Whether what is missing is said already. */
  showsErrors: boolean
  /** Judges that may not be taken away. */
  least: number
  hasThreshold?: boolean
}

/** Judges as a person enters them, one below the other. */
export const JudgeList = ({ judges, onChange, showsErrors, least, hasThreshold = false }: JudgeListProps) => (
  <>
    {judges.map((judge, at) => (
      <JudgeFields
        // biome-ignore lint/suspicious/noArrayIndexKey: a judge has no other identity while it is typed
        key={at}
        entry={judge}
        errors={showsErrors ? judgeErrors(judge) : {}}
        hasThreshold={hasThreshold}
        onChange={(next) => onChange(judges.map((one, place) => (place === at ? next : one)))}
        onRemove={judges.length > least ? () => onChange(judges.filter((_, place) => place !== at)) : undefined}
      />
    ))}
    <Button
      icon="plus"
      look="quiet"
      className="self-start"
      onClick={() => onChange([...judges, emptyJudge(judges.length === 0 ? 'right' : `judge-${judges.length + 1}`)])}
    >
      {judges.length === 0 ? 'Add a judge' : 'Another judge'}
    </Button>
  </>
)

/** Whether nothing is missing in what was entered. */
export const areComplete = (judges: readonly JudgeEntry[]): boolean =>
  judges.every((judge) => Object.keys(judgeErrors(judge)).length === 0)

const storedName = ({ collection, task }: { collection: string; task: string }) => `judges.${collection}/${task}`

/** The judges that this browser last used for a task. */
export const lastJudges = (place: { collection: string; task: string }): readonly JudgeEntry[] | undefined => {
  const stored = parsedJson(readStored(storedName(place)) ?? '')
  return Array.isArray(stored) ? (stored as JudgeEntry[]) : undefined
}

/** Remembers the judges of a task for the next form that asks for some. */
export const keepJudges = (place: { collection: string; task: string }, judges: readonly JudgeEntry[]): void =>
  writeStored(storedName(place), JSON.stringify(judges))
