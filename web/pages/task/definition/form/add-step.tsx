import { type RefObject, useState } from 'react'
import { isObject, parsedObject } from '../../../../../src/lib/json/json-object.ts'
import { prettyJson } from '../../../../../src/lib/json/pretty-json.ts'
import type { EditorHandle } from '../../../../parts/editor/json-editor.tsx'
import { Button } from '../../../../ui/button.tsx'
import { SelectField } from '../../../../ui/field.tsx'
import { useStepTemplates } from '../use-step-templates.ts'

/** Members of a workflow to set, one after the other, for one more step. */
interface AddedStep {
  name: string
  edits: { path: string[]; value: string }[]
}

const freeName = (wanted: string, taken: (name: string) => boolean): string => {
  for (let number = 1; ; number++) {
    const name = number === 1 ? wanted : `${wanted}_${number}`
    if (!taken(name)) return name
  }
}

const asText = (value: unknown): string => prettyJson(JSON.stringify(value))

/** Adds a step with an activity at the end of a workflow text; undefined where the text is no workflow. */
export const addedStep = (text: string, activity: string): AddedStep | undefined => {
  const workflow = parsedObject(text)
  const { step_configs: configs = {}, steps = [] } = workflow ?? {}
  if (!workflow || !isObject(configs) || !Array.isArray(steps)) return undefined
  const name = freeName(activity, (one) => Object.hasOwn(configs, one) || steps.includes(one))
  const config = { activity }
  const configEdit = Object.hasOwn(workflow, 'step_configs')
    ? { path: ['step_configs', name], value: asText(config) }
    : { path: ['step_configs'], value: asText({ [name]: config }) }
  return { name, edits: [configEdit, { path: ['steps'], value: asText([...steps, name]) }] }
}

interface AddStepProps {
  workflowText: string
  editor: RefObject<EditorHandle | null>
  /** Called with the name of the step that was added. */
  onAdded: (step: string) => void
}

/** Adds a step at the end of the workflow; its form asks for the parameters. */
export const AddStep = ({ workflowText, editor, onAdded }: AddStepProps) => {
  const templates = useStepTemplates()
  const [activity, setActivity] = useState('')
  const names = templates.map(({ activity_name: name }) => name).sort()
  const added = activity === '' ? undefined : addedStep(workflowText, activity)
  const add = () => {
    for (const { path, value } of added?.edits ?? []) editor.current?.edit(path, value)
    if (added) onAdded(added.name)
    setActivity('')
  }
  return (
    <div className="flex items-end gap-2 px-4 py-3">
      <SelectField
        label="Add a step"
        boxClass="min-w-0 flex-1"
        value={activity}
        onChange={({ target: { value } }) => setActivity(value)}
        options={[['', 'Choose an activity'] as const, ...names.map((name) => [name, name] as const)]}
      />
      <Button disabled={!added} onClick={add}>
        Add
      </Button>
    </div>
  )
}
