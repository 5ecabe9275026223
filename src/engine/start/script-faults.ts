import { toAppError } from '../../lib/errors.ts'
import { type CheckScript, languageNames, type ScriptLanguage } from '../../model/scripts/script-run.ts'
import type { WorkflowFault } from '../../model/workflows/workflow-fault.ts'
import { sandboxFault } from '../program/lint.ts'
import type { Program, ProgramStep } from '../program/program.ts'

/** The language that a script names literally. */
const languageOf = ({ bindings }: ProgramStep): ScriptLanguage | undefined => {
  const source = bindings.find(({ parameter }) => parameter === 'language')?.source
  if (source?.kind !== 'value' || typeof source.value !== 'string') return undefined
  return Object.hasOwn(languageNames, source.value)
    ? languageNames[source.value as keyof typeof languageNames]
    : undefined
}

/** Finds the scripts that cannot run here, for want of a sandbox or of their language. Each language is tried once. */
export const scriptFaults = async (checkScript: CheckScript, program: Program): Promise<WorkflowFault[]> => {
  const found = new Map<ScriptLanguage | undefined, ReturnType<typeof toAppError> | undefined>()
  const faults: WorkflowFault[] = []
  for (const step of program.steps.filter(({ activity }) => activity.inSandbox)) {
    const language = languageOf(step)
    if (!found.has(language)) {
      const error = await checkScript({ ...(language && { language }) }).then(() => undefined, toAppError)
      found.set(language, error)
    }
    const error = found.get(language)
    if (error) faults.push(sandboxFault(step.name, error))
  }
  return faults
}
