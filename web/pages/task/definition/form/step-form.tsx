import { useId, useState } from 'react'
import type { StepTemplate } from '../../../../../src/model/workflows/step-template.ts'
import { ParameterBox } from './parameter-box.tsx'
import { isShownFirst, stepFields } from './step-fields.ts'

interface StepFormProps {
  template: StepTemplate
  /** What every step may have. */
  common: StepTemplate['parameters']
  config: Readonly<Record<string, unknown>>
  /** Paths that the step may read, to choose from. */
  paths: readonly string[]
  /** What the server found wrong, by the member of the config. */
  problems: ReadonlyMap<string, string>
  isReadOnly: boolean
  /** Writes a member of the config, as JSON text; undefined removes it. */
  onEdit: (member: string, value: string | undefined) => void
}

/** The parameters of a step as fields, which write into the text of the workflow. */
export const StepForm = ({ template, common, config, paths, problems, isReadOnly, onEdit }: StepFormProps) => {
  const list = useId()
  const own = new Set(template.parameters.map(({ name }) => name))
  const parameters = [...template.parameters, ...common.filter(({ name }) => !own.has(name))]
  const fields = stepFields({ parameters }, config)
  // A field keeps its place while it is typed into, also when it is emptied.
  const [first] = useState(() => new Set(fields.filter(isShownFirst).map(({ parameter }) => parameter.name)))
  const [isOpen, setOpen] = useState(false)
  const box = (field: (typeof fields)[number]) => (
    <ParameterBox
      key={field.parameter.name}
      {...{ field, list, isReadOnly, onEdit }}
      problem={problems.get(field.key)}
    />
  )
  const rest = fields.filter(({ parameter }) => !first.has(parameter.name))
  return (
    <section aria-label={`Parameters of ${template.activity_name}`} className="flex flex-col gap-4">
      <p className="text-12 text-muted">
        <code className="font-mono text-text">{template.activity_name}</code> {template.description}
      </p>
      <datalist id={list}>
        {paths.map((path) => (
          <option key={path} value={path} />
        ))}
      </datalist>
      {fields.filter(({ parameter }) => first.has(parameter.name)).map(box)}
      {rest.length > 0 && (
        <details open={isOpen} onToggle={(event) => setOpen(event.currentTarget.open)}>
          <summary className="w-fit cursor-pointer font-medium text-12 text-muted hover:text-text">
            {rest.length} more {rest.length === 1 ? 'parameter' : 'parameters'}
          </summary>
          {isOpen && <div className="mt-3 flex flex-col gap-4">{rest.map(box)}</div>}
        </details>
      )}
    </section>
  )
}
