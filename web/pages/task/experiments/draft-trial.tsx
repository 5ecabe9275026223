import { useQuery } from '@tanstack/react-query'
import { useState } from 'react'
import { isObject, parsedJson } from '../../../../src/lib/json/json-object.ts'
import { keys } from '../../../data/keys.ts'
import { NewTag } from '../../../parts/versions/tags.tsx'
import { Button } from '../../../ui/button.tsx'
import { showToast } from '../../../ui/toast.tsx'
import { newestVersion, type ReadTask, type TaskPlaceProps } from '../use-task.ts'
import { planPrice, TryDialog, useTrialPlan, usualRuns } from './try-dialog.tsx'

interface TryDraftProps {
  place: TaskPlaceProps
  /** The text in the editor. */
  text: string
  onStarted: (id: string) => void
}

/** Tries the text of the editor before it is saved; the button says on how many runs, and for how much. */
export const TryDraft = ({ place, text, onStarted }: TryDraftProps) => {
  const parsed = parsedJson(text)
  const workflow = isObject(parsed) ? parsed : undefined
  const [isAsking, setAsking] = useState(false)
  const { plan, error } = useTrialPlan(place, workflow && { workflow, runs: { last: usualRuns } })
  const runs = plan?.runs ?? usualRuns
  return (
    <>
      <Button
        icon="compare"
        disabled={!!error || !workflow}
        {...(error ? { title: error.message } : {})}
        onClick={() => setAsking(true)}
      >
        Try on the last {runs === 1 ? 'run' : `${runs} runs`}
        {planPrice(plan)}
      </Button>
      {isAsking && workflow && (
        <TryDialog
          place={place}
          workflow={workflow}
          onClose={() => setAsking(false)}
          onStarted={(id) => {
            setAsking(false)
            onStarted(id)
          }}
        />
      )}
    </>
  )
}

/** Tags the version that was just saved. If somebody has saved another one since, nothing is offered. */
export const TagSaved = ({ place, saved }: { place: TaskPlaceProps; saved: ReadTask }) => {
  const [isAsking, setAsking] = useState(false)
  const { data } = useQuery({
    queryKey: [...keys.task(place.collection, place.task), 'newest-version', saved.etag],
    queryFn: ({ signal }) => newestVersion(place, signal),
  })
  if (!data || data.workflowText !== saved.workflowText) return null
  const { index } = data.version
  return (
    <>
      <Button onClick={() => setAsking(true)}>Tag v{index}</Button>
      {isAsking && (
        <NewTag
          place={place}
          index={index}
          initial="production"
          onDone={() => showToast({ text: `Version ${index} is tagged` })}
          onClose={() => setAsking(false)}
        />
      )}
    </>
  )
}
