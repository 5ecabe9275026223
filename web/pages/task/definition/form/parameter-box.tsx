import { useState } from 'react'
import { TextField } from '../../../../ui/field.tsx'
import type { StepField } from './step-fields.ts'
import { ValueField } from './value-field.tsx'

interface ParameterBoxProps {
  field: StepField
  /** Id of the list of paths to choose from. */
  list: string
  /** What the server found wrong with it. */
  problem: string | undefined
  isReadOnly: boolean
  onEdit: (member: string, value: string | undefined) => void
}

/** One parameter: its value, or the path from which a run takes it. */
export const ParameterBox = ({ field, list, problem, isReadOnly, onEdit }: ParameterBoxProps) => {
  const { name, description, required, accepts_path: acceptsPath } = field.parameter
  const [chosen, setChosen] = useState<'value' | 'path'>()
  const isPath = field.isSet ? field.isPath : (chosen ?? 'value') === 'path'
  const edit = (member: string, value: string | undefined) => {
    setChosen(isPath ? 'path' : 'value') // an emptied field stays what it is
    onEdit(member, value)
  }
  const label = required ? `${name} (needed)` : name
  const pathKey = field.isPath ? field.key : `${name}_path`
  const choose = (next: 'value' | 'path') => {
    setChosen(next)
    if (field.isSet) onEdit(field.key, undefined)
  }
  return (
    <div className="relative min-w-0">
      {acceptsPath && !isReadOnly && (
        <button
          type="button"
          aria-label={`${isPath ? 'Write a value' : 'Take a path'} for ${name}`}
          onClick={() => choose(isPath ? 'value' : 'path')}
          className="absolute top-0 right-0 z-10 -mt-1 h-6 rounded-m px-1.5 text-11 text-muted hover:bg-sunk hover:text-text"
        >
          {isPath ? 'write a value' : 'take a path'}
        </button>
      )}
      {isPath ? (
        <TextField
          label={label}
          hint={description}
          error={problem}
          isCode
          list={list}
          readOnly={isReadOnly}
          placeholder="init_params.name or step.outputs.text"
          value={typeof field.value === 'string' ? field.value : field.isSet ? JSON.stringify(field.value) : ''}
          disabled={field.isSet && typeof field.value !== 'string'}
          onChange={({ target: { value } }) => edit(pathKey, value === '' ? undefined : JSON.stringify(value))}
        />
      ) : (
        <ValueField
          field={field}
          label={label}
          hint={description}
          problem={problem}
          isReadOnly={isReadOnly}
          onSet={(value) => edit(name, value === undefined ? undefined : JSON.stringify(value, null, 2))}
        />
      )}
    </div>
  )
}
