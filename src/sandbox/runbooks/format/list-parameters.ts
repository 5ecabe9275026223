import { mostListedParameters, type RunbookParameter } from '../../../model/runbooks/runbook.ts'
import type { Parameter, Runbook } from './runbook.ts'

/** The server fills it; a value that is given is ignored. */
const ownName = 'results_dir'

const defaultOf = ({ says, preset }: Parameter): string | null => {
  if (says === 'empty') return ''
  return says === 'value' ? preset.trim() : null
}

/** Lists what a run fills in: the rows of the parameter table, then variables of the text that have no row. */
export const listParameters = ({ parameters, variables }: Runbook): RunbookParameter[] => {
  const declared = new Set(parameters.map(({ variable }) => variable))
  const used = new Set(variables.map(({ name }) => name))
  const listed = new Map<string, RunbookParameter>()
  for (const parameter of parameters) {
    const { variable: name, says, description } = parameter
    if (name === undefined || name === ownName || listed.has(name)) continue
    const mayBeReplaced = parameter.alternatives.some((other) => declared.has(other))
    const required = !mayBeReplaced && (says === 'required' || (says === 'open' && used.has(name)))
    listed.set(name, { name, description, default: defaultOf(parameter), required })
  }
  for (const name of used) {
    if (name === ownName || listed.has(name)) continue
    listed.set(name, { name, description: '', default: null, required: false })
  }
  return [...listed.values()].slice(0, mostListedParameters)
}
