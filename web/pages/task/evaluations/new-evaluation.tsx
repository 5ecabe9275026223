import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { api } from '../../../data/api.ts'
import { Problem } from '../../../parts/problem.tsx'
import { Button } from '../../../ui/button.tsx'
import { Dialog } from '../../../ui/dialog.tsx'
import { SelectField, TextField } from '../../../ui/field.tsx'
import { RowSource } from '../batches/row-source.tsx'
import { useRowChoice } from '../batches/use-row-choice.ts'
import type { Job } from '../jobs/job.ts'
import type { TaskPlaceProps } from '../place.ts'
import { emptyJudge, type JudgeEntry, judgeErrors, judgeOf, thresholdsOf } from './judge-entry.ts'
import { JudgeFields } from './judge-fields.tsx'

interface NewEvaluationProps {
  place: TaskPlaceProps
  /** Completed evaluations to compare with. */
  earlier: readonly Job[]
  onClose: () => void
  onStarted: (id: string) => void
}

/** Starts an evaluation: rows, judges, and what it is compared with. */
export const NewEvaluation = ({ place, earlier, onClose, onStarted }: NewEvaluationProps) => {
  const [name, setName] = useState('')
  const [baseline, setBaseline] = useState('')
  const [outputPath, setOutputPath] = useState('')
  const [judges, setJudges] = useState<readonly JudgeEntry[]>([emptyJudge('right')])
  const [wasSent, setSent] = useState(false)
  const choice = useRowChoice()
  const start = useMutation({
    mutationFn: async () => {
      const source = await choice.source(place.collection)
      return api.startEvaluation({
        params: place,
        query: { preflight: 'refuse' },
        body: {
          ...source,
          judges: judges.map(judgeOf),
          thresholds: thresholdsOf(judges),
          ...(name.trim() === '' ? {} : { name: name.trim() }),
          ...(baseline === '' ? {} : { baseline }),
          ...(outputPath.trim() === '' ? {} : { output_path: outputPath.trim() }),
        },
      })
    },
    onSuccess: ({ evaluation_id: id }) => onStarted(id),
  })
  const submit = () => {
    setSent(true)
    if (judges.every((judge) => Object.keys(judgeErrors(judge)).length === 0)) start.mutate()
  }
  const change = (at: number, judge: JudgeEntry) => setJudges(judges.map((one, place) => (place === at ? judge : one)))
  return (
    <Dialog
      title={`New evaluation of ${place.task}`}
      width="wide"
      isOpen
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="main" icon="play" disabled={!choice.isReady || start.isPending} onClick={submit}>
            {start.isPending ? 'Starting …' : 'Start'}
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-4">
        <TextField label="Name" value={name} placeholder="optional" onChange={(event) => setName(event.target.value)} />
        <RowSource choice={choice} />
        {judges.map((judge, at) => (
          <JudgeFields
            // biome-ignore lint/suspicious/noArrayIndexKey: a judge has no other identity while it is typed
            key={at}
            entry={judge}
            errors={wasSent ? judgeErrors(judge) : {}}
            onChange={(next) => change(at, next)}
            onRemove={judges.length > 1 ? () => setJudges(judges.filter((_, place) => place !== at)) : undefined}
          />
        ))}
        <Button
          icon="plus"
          look="quiet"
          className="self-start"
          onClick={() => setJudges([...judges, emptyJudge(`judge-${judges.length + 1}`)])}
        >
          Another judge
        </Button>
        <TextField
          label="What is judged"
          isCode
          value={outputPath}
          placeholder="the outputs of the last step"
          hint="A path, such as answer.outputs.text"
          onChange={(event) => setOutputPath(event.target.value)}
        />
        <SelectField
          label="Compared with"
          value={baseline}
          onChange={(event) => setBaseline(event.target.value)}
          options={[
            ['', 'nothing'],
            ['latest', 'the newest completed evaluation'],
            ...earlier.map((one) => [one.id, one.name ?? one.id] as const),
          ]}
        />
        {start.error && <Problem error={start.error} />}
      </div>
    </Dialog>
  )
}
