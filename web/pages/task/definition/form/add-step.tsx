import { type RefObject, useState } from 'react'
import type { EditorHandle } from '../../../../parts/editor/json-editor.tsx'
import { Button } from '../../../../ui/button.tsx'
import { SelectField } from '../../../../ui/field.tsx'
import { useStepTemplates } from '../use-step-templates.ts'
import { addedStep } from './added-step.ts'

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
