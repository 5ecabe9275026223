import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useEffect, useRef, useState } from 'react'
import { api } from '../../data/api.ts'
import type { Run, RunAddress } from '../../data/run.ts'
import { changeRun } from '../../data/run-query.ts'
import { useWhoami } from '../../data/whoami.ts'
import { labelCommand } from '../../parts/run-commands.ts'
import { personText } from '../../parts/status-of-run.ts'
import { Badge } from '../../ui/badge.tsx'
import { Button } from '../../ui/button.tsx'
import { CopyLine } from '../../ui/copy.tsx'
import { Dialog } from '../../ui/dialog.tsx'
import { TextField } from '../../ui/field.tsx'
import { Icon } from '../../ui/icon.tsx'
import { useKeys } from '../../ui/keys.ts'
import { showToast } from '../../ui/toast.tsx'
import { labelChoices, readLabel } from './label-choices.ts'

interface LabelsProps {
  run: Run
  place: RunAddress
  mayWrite: boolean
}

/** Labels of a run, with a way to add some by keyboard: `l`, then a number or a text. */
export const LabelBar = ({ run, place, mayWrite }: LabelsProps) => {
  const [isOpen, setOpen] = useState(false)
  useKeys('Run', mayWrite ? [{ keys: 'l', does: 'Label', run: () => setOpen(true) }] : [])
  return (
    <span className="flex flex-wrap items-center gap-1">
      {run.labels.map(({ key, value, author }) => (
        <Badge key={`${key}\n${author}`} title={`${key}: ${value}, by ${personText(author)}`}>
          {value === '' || value === 'true' ? key : `${key}: ${value}`}
        </Badge>
      ))}
      {mayWrite && (
        <button
          type="button"
          onClick={() => setOpen(true)}
          className="-ml-1 inline-flex h-5 items-center gap-1 rounded-s px-1 hover:bg-sunk hover:text-text"
        >
          <Icon name="label" className="size-3.5" />
          Label
        </button>
      )}
      {isOpen && <LabelDialog run={run} place={place} onClose={() => setOpen(false)} />}
    </span>
  )
}

const LabelDialog = ({ run, place, onClose }: { run: Run; place: RunAddress; onClose: () => void }) => {
  const [text, setText] = useState('')
  const field = useRef<HTMLInputElement>(null)
  // The dialog puts the focus on its first button when it opens, which is after this.
  useEffect(() => {
    const frame = requestAnimationFrame(() => field.current?.focus())
    return () => cancelAnimationFrame(frame)
  }, [])
  const author = useWhoami()?.name ?? 'web'
  const { collection, task } = place
  const stats = useQuery({
    queryKey: ['stats', collection, task],
    queryFn: ({ signal }) => api.getStats({ params: { collection, task }, signal }),
    staleTime: 60_000,
  })
  const change = useLabelChange(place, author)
  const choices = labelChoices(stats.data?.labels ?? {})
  const label = readLabel(text)
  const set = (key: string, value: string) => change.mutate({ key, value, isRemoved: false }, { onSuccess: onClose })
  useKeys(
    'Labels',
    choices.map(({ key, value }, at) => ({
      keys: String(at + 1),
      does: '',
      run: () => set(key, value),
      isHidden: true,
    })),
  )
  return (
    <Dialog title="Labels" isOpen onClose={onClose}>
      <form
        className="flex flex-col gap-3"
        onSubmit={(event) => {
          event.preventDefault()
          const quick = choices[Number(text) - 1]
          if (quick) set(quick.key, quick.value)
          else if (label) set(label.key, label.value)
        }}
      >
        <TextField
          label="Label"
          placeholder="reviewed, or quality: high"
          ref={field}
          value={text}
          onChange={(event) => setText(event.target.value)}
          hint="A number takes one of those in use."
        />
        <ul>
          {choices.map(({ key, value, runs }, at) => (
            <li key={`${key}\n${value}`}>
              <button
                type="button"
                onClick={() => set(key, value)}
                className="flex w-full items-center gap-3 rounded-s px-1 py-1 text-left hover:bg-sunk"
              >
                <kbd className="w-4 font-sans text-11 text-faint">{at + 1}</kbd>
                <span className="min-w-0 flex-1 truncate">{value === 'true' ? key : `${key}: ${value}`}</span>
                <span className="text-12 text-faint">{runs} runs</span>
              </button>
            </li>
          ))}
        </ul>
        {run.labels.length > 0 && (
          <ul className="border-line border-t pt-2">
            {run.labels.map(({ key, value, author: by }) => (
              <li key={`${key}\n${by}`} className="flex items-center gap-2">
                <span className="min-w-0 flex-1 truncate">
                  {key}: {value} <span className="text-12 text-faint">by {personText(by)}</span>
                </span>
                <Button look="quiet" onClick={() => change.mutate({ key, value: by, isRemoved: true })}>
                  Remove
                </Button>
              </li>
            ))}
          </ul>
        )}
        {label && <CopyLine text={labelCommand(run, label.key, label.value)} />}
        <Button type="submit" look="main" disabled={!label || change.isPending}>
          Set
        </Button>
      </form>
    </Dialog>
  )
}

interface LabelChange {
  key: string
  /** The value; of a removed label its author. */
  value: string
  isRemoved: boolean
}

const useLabelChange = (place: RunAddress, author: string) => {
  const client = useQueryClient()
  const { collection, task, id } = place
  const params = { collection, task, trajectory_id: id }
  return useMutation({
    // One after another: each answer lists all labels, and the last answer counts.
    scope: { id: `labels of ${collection}/${task}/${id}` },
    mutationFn: async ({ key, value, isRemoved }: LabelChange) =>
      isRemoved
        ? api.deleteLabel({ params: { ...params, key }, query: { author: value } })
        : api.addLabel({ params, body: { key, value, author } }),
    onSuccess: ({ labels }) => {
      changeRun(client, place, [{ event: 'label', data: { trajectory_id: id, labels } }])
    },
    onError: (error) => showToast({ text: error.message, isBad: true }),
  })
}
