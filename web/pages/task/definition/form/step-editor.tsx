import { type RefObject, useMemo } from 'react'
import { isObject, parsedObject } from '../../../../../src/lib/json/json-object.ts'
import type { WorkflowCheck } from '../../../../../src/model/workflows/workflow-check.ts'
import type { EditorHandle } from '../../../../parts/editor/json-editor.tsx'
import { pathCompletions } from '../completions-at.ts'
import { Origins } from '../origins.tsx'
import { useCommonParameters, useStepTemplates } from '../use-step-templates.ts'
import { StepForm } from './step-form.tsx'

interface StepEditorProps {
  check: WorkflowCheck
  workflowText: string
  step: string
  isReadOnly: boolean
  editor: RefObject<EditorHandle | null>
}

/** The config of a step in a workflow text. */
const configOf = (text: string, step: string): Record<string, unknown> | undefined => {
  const configs = parsedObject(text)?.step_configs
  const config = isObject(configs) && Object.hasOwn(configs, step) ? configs[step] : undefined
  return isObject(config) ? config : undefined
}

/** What is wrong with the members of a step's config, by member. */
const problemsOf = ({ problems }: WorkflowCheck, step: string): ReadonlyMap<string, string> => {
  const own = problems.filter((one) => one.step === step && one.severity === 'error')
  return new Map(
    own.map(({ pointer, message }) => {
      const member = pointer.split('/')[3] ?? ''
      return [member.replaceAll('~1', '/').replaceAll('~0', '~'), message.replace(`Step '${step}': `, '')]
    }),
  )
}

/** A form for the parameters of a step. Where there can be none, it says where the parameters come from. */
export const StepEditor = ({ check, workflowText, step, isReadOnly, editor }: StepEditorProps) => {
  const templates = useStepTemplates()
  const common = useCommonParameters()
  const config = useMemo(() => configOf(workflowText, step), [workflowText, step])
  const template = templates.find(({ activity_name }) => activity_name === config?.activity)
  if (!config || !template) return <Origins bindings={check.bindings[step] ?? {}} />
  return (
    <StepForm
      key={template.activity_name}
      template={template}
      common={common}
      config={config}
      paths={pathCompletions(workflowText, step, { templates, steps: check.steps }).map(({ label }) => label)}
      problems={problemsOf(check, step)}
      isReadOnly={isReadOnly}
      onEdit={(member, value) => editor.current?.edit(['step_configs', step, member], value)}
    />
  )
}
