import type { RunbookParameter } from '../../../../src/model/runbooks/runbook.ts'
import type { FormField } from '../../../parts/schema-form/form-fields.ts'

const longLine = 80

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value))

/** A field for each parameter of a runbook. A value of the task outweighs the default of the runbook. */
export const parameterFields = (
  parameters: readonly RunbookParameter[],
  given: Readonly<Record<string, unknown>>,
): FormField[] =>
  parameters.map(({ name, description, default: preset, required }) => {
    const own = Object.hasOwn(given, name) && given[name] !== null ? textOf(given[name]) : undefined
    const standard = own ?? preset ?? undefined
    return {
      name,
      kind: standard !== undefined && (standard.length > longLine || standard.includes('\n')) ? 'text' : 'line',
      label: name,
      hint: description,
      isRequired: required && standard === undefined,
      choices: [],
      standard,
    }
  })
