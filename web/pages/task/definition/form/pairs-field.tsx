import { useState } from 'react'
import { Button, IconButton } from '../../../../ui/button.tsx'
import { TextField } from '../../../../ui/field.tsx'
import type { ValueFieldProps } from './entry-field.tsx'
import { type NamedEntry, objectOfPairs, pairsOf } from './pairs.ts'

/** Names with a value each: headers, query parameters, variables. */
export const PairsField = ({ field, label, hint, problem, isReadOnly, onSet }: ValueFieldProps) => {
  const [typed, setTyped] = useState<{ pairs: NamedEntry[]; written: string | undefined }>()
  const known = JSON.stringify(field.value)
  const pairs = typed && typed.written === known ? typed.pairs : pairsOf(field.value)
  const set = (next: NamedEntry[]) => {
    const value = objectOfPairs(next, field.value)
    setTyped({ pairs: next, written: JSON.stringify(value) })
    onSet(value)
  }
  const change = (at: number, part: Partial<NamedEntry>) =>
    set(pairs.map((pair, index) => (index === at ? { ...pair, ...part } : pair)))
  return (
    <fieldset className="min-w-0">
      <legend className="mb-1 font-medium text-12 text-muted">{label}</legend>
      <div className="flex flex-col gap-1.5">
        {pairs.map(({ name, entry }, at) => (
          // biome-ignore lint/suspicious/noArrayIndexKey: a row has no name of its own while it is typed
          <div key={at} className="flex items-start gap-1.5">
            <TextField
              label={`Name ${at + 1} of ${label}`}
              hidesLabel
              isCode
              boxClass="w-2/5"
              placeholder="name"
              value={name}
              readOnly={isReadOnly}
              onChange={(event) => change(at, { name: event.target.value })}
            />
            <TextField
              label={`Value ${at + 1} of ${label}`}
              hidesLabel
              isCode
              boxClass="min-w-0 flex-1"
              placeholder={name.endsWith('_path') ? 'path, such as env.API_KEY' : 'value'}
              value={entry}
              readOnly={isReadOnly}
              onChange={(event) => change(at, { entry: event.target.value })}
            />
            {!isReadOnly && (
              <IconButton
                icon="cross"
                label={`Remove ${name || `row ${at + 1}`}`}
                onClick={() => set(pairs.filter((_, index) => index !== at))}
              />
            )}
          </div>
        ))}
        {!isReadOnly && (
          <span>
            <Button look="quiet" icon="plus" onClick={() => set([...pairs, { name: '', entry: '' }])}>
              Add to {label}
            </Button>
          </span>
        )}
      </div>
      <p className={`mt-1 break-words text-12 ${problem ? 'text-bad' : 'text-muted'}`}>{problem ?? hint}</p>
    </fieldset>
  )
}
